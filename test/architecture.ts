// The floor plan as a test: who may import whom, one door for each package, and words that may stand in few places.
// Every rule is a row, and every row carries a violation that the rule has to find.

import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

type Tree = ReadonlyMap<string, string>
type Rule = (tree: Tree) => string[]

// Room (or file beside the rooms) and what it may import besides itself: rooms, single files, and, behind `type`, what
// only types may come from.
const data = ['base', 'attest', 'collateral', 'gate', 'health', 'identity', 'engine', 'observe']
const arrows: Readonly<Record<string, readonly string[]>> = {
  base: [],
  gate: ['base'],
  attest: ['base'],
  collateral: ['base', 'attest'],
  health: ['base', 'gate/contract.ts'],
  identity: ['base', 'attest'],
  engine: ['base', 'gate/contract.ts'],
  observe: ['base', 'gate/contract.ts'],
  config: ['base', ...data.map(room => `type ${room}`)],
  proxy: [...data, 'config'],
  manifest: ['base', 'config/policies.ts', 'config/variables.ts'],
  inject: ['base', 'config', 'identity', 'observe'],
  provision: ['base', 'attest', 'collateral', 'config', 'identity', 'observe'],
  cli: ['base', 'attest', 'collateral', 'identity', 'config', 'manifest', 'inject', 'provision'],
  function: ['base', 'attest', 'identity', 'config'],
  demo: [...data, 'config', 'proxy', 'function', 'cli/ca.ts'],
  'version.ts': [],
  'process.ts': ['base', 'config', 'proxy', 'version.ts', 'type attest', 'type engine'],
  'inject-role.ts': ['base', 'cli', 'inject', 'process.ts', 'version.ts'],
  'provision-role.ts': ['base', 'attest', 'config', 'provision', 'process.ts', 'version.ts'],
  'main.ts': [
    ...['base', 'config', 'proxy', 'cli', 'demo', 'engine'],
    ...['inject-role.ts', 'provision-role.ts', 'process.ts', 'version.ts'],
  ],
  'enclave-role.ts': ['base', 'config', 'engine', 'proxy', 'process.ts'],
  'enclave.ts': ['enclave-role.ts'],
  'enclave-provision.ts': ['base', 'process.ts', 'provision-role.ts'],
  'postern.js': ['main.ts'],
}

// Each package has one door; the rest sees our types.
const doors: Readonly<Record<string, RegExp>> = {
  undici: /^engine\/undici\/lanes\.ts$/,
  'prom-client': /^observe\/(metrics|injections|issuances)\.ts$/,
  '@peculiar/x509': /^identity\/x509\.ts$/,
  'reflect-metadata': /^identity\/x509\.ts$/,
  pkijs: /^identity\/pki\.ts$/,
  'smol-toml': /^manifest\/toml\.ts$/,
  yaml: /^cli\/yaml\.ts$/,
  diff: /^cli\/yaml\.ts$/,
  'http-proxy': /^demo\/[^/]+\.ts$/,
}

// Code (comments aside) that may stand only in these files.
const words: [name: string, word: RegExp, places: RegExp, planted: string][] = [
  ['only the process ends itself', /\bprocess\.(exit|abort|kill)\(/, /^(process\.ts|postern\.js)$/, 'process.exit(1)'],
  [
    'only the process hears signals',
    /\bprocess\.(on|once|addListener)\(/,
    /^(main|process)\.ts$/,
    "process.on('SIGTERM', f)",
  ],
  ["Node's own verdict about a peer is read nowhere", /\.authorized\b/, /^$/, 'if (socket.authorized) go()'],
  // Node looks for PEM first, and a quote inside a peer's DER holds PEM. Besides the one reader: a PEM block of the policy,
  // and @peculiar/x509's class of the same name, which reads DER only.
  [
    "a peer's certificate is read in one place",
    /\bnew (\w+\.)?X509Certificate\(/,
    /^(attest\/certificate|config\/(forms|provision)|identity\/x509)\.ts$/,
    'new crypto.X509Certificate(der)',
  ],
  ['only the command line prints', /\bconsole\./, /^(main\.ts|postern\.js|(cli|demo)\/.*)$/, 'console.log(1)'],
  ['no cheap randomness', /\bMath\.random\b/, /^demo\//, 'Math.random()'],
  ['the environment is read in one place and handed on', /\bprocess\.env\b/, /^(main|process)\.ts$/, 'process.env.A'],
]

const maxLines = 400

// Not met yet, by rule and file; the list may only get shorter.
const debts: Readonly<Record<string, readonly string[]>> = {
  'the environment is read in one place and handed on': ['demo/process.ts'],
}

const code = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/ .*$/gm, '$1')

interface Import {
  readonly target: string
  readonly typeOnly: boolean
}

/** What a file imports, static, dynamic or re-exported; own files as paths below src. */
function imports(file: string, text: string): Import[] {
  const statement = /^(?:import|export)\s+(type\s)?(?:[\w*{][^'"()=]*?\sfrom\s+)?['"]([^'"]+)['"]/gm
  const dynamic = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g
  const resolve = (target: string): string => (target.startsWith('.') ? join(dirname(file), target) : target)
  const found = [...code(text).matchAll(statement)].map(([, type, target = '']) => ({
    target: resolve(target),
    typeOnly: type !== undefined,
  }))
  for (const [, target = ''] of code(text).matchAll(dynamic)) found.push({ target: resolve(target), typeOnly: false })
  return found
}

const packageOf = (target: string): string => /^(@[^/]+\/)?[^/]+/.exec(target)?.[0] ?? ''
const ours = (tree: Tree, target: string): boolean =>
  tree.has(target) || (/\.(ts|js|json)$/.test(target) && !Object.hasOwn(doors, packageOf(target)))
const room = (file: string): string => file.split('/')[0] ?? ''

const arrowRule: Rule = tree =>
  [...tree].flatMap(([file, text]) => {
    const allowed = arrows[room(file)]
    if (!allowed) return [`${file}: a room without arrows`]
    return imports(file, text).flatMap(({ target, typeOnly }) => {
      if (!ours(tree, target) || room(target) === room(file)) return []
      const names = typeOnly ? allowed.map(name => name.replace('type ', '')) : allowed
      return names.includes(target) || names.includes(room(target)) ? [] : [`${file} -> ${target}`]
    })
  })

const doorRule: Rule = tree =>
  [...tree].flatMap(([file, text]) =>
    imports(file, text)
      .filter(({ target }) => !target.startsWith('node:') && !ours(tree, target) && !target.startsWith('..'))
      .filter(({ target }) => !doors[packageOf(target)]?.test(file))
      .map(({ target }) => `${file} -> ${target}`),
  )

const cycleRule: Rule = tree => {
  const done = new Set<string>()
  const found: string[] = []
  function visit(file: string, path: readonly string[]): void {
    if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file].join(' -> '))
    if (path.includes(file) || done.has(file)) return
    for (const { target } of imports(file, tree.get(file) ?? '')) if (tree.has(target)) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of tree.keys()) visit(file, [])
  return found
}

/** A rule about one file at a time. */
const each =
  (broken: (text: string, file: string) => boolean): Rule =>
  tree =>
    [...tree].filter(([file, text]) => broken(text, file)).map(([file]) => file)

const comment = '// A file.\n'

const rules: [name: string, rule: Rule, planted: Record<string, string>, found: string[]][] = [
  [
    'arrows point one way',
    arrowRule,
    {
      'base/a.ts': "import { b } from '../gate/b.ts'",
      'health/c.ts': "import {\n  type D,\n} from '../gate/gate.ts'\nimport type { E } from '../gate/contract.ts'",
      'config/f.ts': "import type { G } from '../engine/g.ts'\nimport { H } from '../engine/g.ts'",
      'gate/i.ts': "export * from '../observe/j.ts'",
      'proxy/k.ts': "const l = await import('../demo/l.ts')",
      'proxy/n.ts': "/** import('../demo/l.ts') */",
      'new/m.ts': '',
    },
    [
      'base/a.ts -> gate/b.ts',
      'health/c.ts -> gate/gate.ts',
      'config/f.ts -> engine/g.ts',
      'gate/i.ts -> observe/j.ts',
      'proxy/k.ts -> demo/l.ts',
      'new/m.ts: a room without arrows',
    ],
  ],
  [
    'there are no cycles, not even between types',
    cycleRule,
    {
      'base/a.ts': "import type { B } from './b.ts'",
      'base/b.ts': "import type { C } from './c.ts'",
      'base/c.ts': "import type { A } from './a.ts'",
      'base/d.ts': "import './a.ts'",
    },
    ['base/a.ts -> base/b.ts -> base/c.ts -> base/a.ts'],
  ],
  [
    'each package has one door',
    doorRule,
    {
      'engine/a.ts': "import { Pool } from 'undici'",
      'engine/undici/lanes.ts': "import { Pool } from 'undici'\nimport { connect } from 'node:net'",
      'identity/b.ts': "import type { Deep } from '@peculiar/x509/deep'",
      'base/c.ts': "const lodash = await import('lodash')",
      'demo/d.ts': "import proxy from 'http-proxy'",
      'gate/e.ts': "import Counter from 'prom-client/lib/counter.js'",
    },
    [
      'engine/a.ts -> undici',
      'identity/b.ts -> @peculiar/x509/deep',
      'base/c.ts -> lodash',
      'gate/e.ts -> prom-client/lib/counter.js',
    ],
  ],
  [
    `no file is longer than ${maxLines} lines`,
    each(text => text.split('\n').length - 1 > maxLines),
    { 'base/a.ts': '\n'.repeat(maxLines), 'base/b.ts': '\n'.repeat(maxLines + 1) },
    ['base/b.ts'],
  ],
  [
    'nothing is exported as default',
    each(text => /^export default\b|\bas default\b/m.test(code(text))),
    { 'base/a.ts': 'export default 1', 'base/b.ts': 'export { b as default }', 'base/c.ts': 'export const c = 1' },
    ['base/a.ts', 'base/b.ts'],
  ],
  [
    'every file opens with a comment',
    each(text => !/^(#!.*\n)?\/\/ /.test(text)),
    { 'base/a.ts': 'const a = 1', 'base/b.ts': comment, 'base/c.ts': `#!/usr/bin/env node\n${comment}` },
    ['base/a.ts'],
  ],
  ...words.map(([name, word, places, planted]): (typeof rules)[number] => [
    name,
    each((text, file) => word.test(code(text)) && !places.test(file)),
    { 'base/a.ts': `${comment}${planted}`, 'base/b.ts': `// ${planted}\nf() // ${planted}\n/** ${planted} */` },
    ['base/a.ts'],
  ]),
]

const src = fileURLToPath(new URL('../src', import.meta.url))
const files = globSync('**/*.{ts,js}', { cwd: src }).sort()
const tree: Tree = new Map(files.map(file => [file, readFileSync(join(src, file), 'utf8')]))

t.ok(tree.size > 40, `${tree.size} files`)

for (const [name, rule, planted, found] of rules) {
  t.test(name, async t => {
    t.same(rule(new Map(Object.entries(planted))), found, 'finds what is planted')
    t.same(rule(tree), debts[name] ?? [], 'and nothing in the tree')
  })
}

t.test('the tables name nothing that is gone', async t => {
  const rooms = new Set(files.map(room))
  t.same(
    Object.keys(arrows).filter(name => !rooms.has(name)),
    [],
  )
  t.same(
    Object.entries(doors).filter(([, door]) => !files.some(file => door.test(file))),
    [],
  )
})
