// Whatever the sources can refuse by has its row in the runbooks, and the runbooks have no row for what is gone.

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { repository } from '../support/process.ts'

const page = (name: string): string => readFileSync(join(repository, 'docs', name), 'utf8')
const read = (pattern: string): string[] =>
  globSync(pattern, { cwd: repository }).map(path => readFileSync(join(repository, path), 'utf8'))

/** First cells of the tables: names in backticks, several where they share a row. */
const rowsOf = (text: string): string[] =>
  [...text.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([a-z0-9-]+)`/g)].map(([, name = '']) => name),
  )
const rows = new Set(rowsOf(page('runbooks.md')))
/** What the attesting CA alone refuses by stands where it is told of. */
const rowsOfCa = new Set([...rows, ...rowsOf(page('provision.md').split('\n## API')[0] ?? '')])

/** Names of rules as the judges write them: in a reason, through a helper, or first in a table of bits or floors. */
const spelled = [
  /(?:rule: |\b(?:refuse|unequal|exactly|atLeast|say|reason)\()'([a-z0-9-]+)'/g,
  /\['([a-z0-9-]+)', (?:attribute|floors)\./g,
]
const rulesIn = (...patterns: string[]): Set<string> =>
  new Set(
    patterns
      .flatMap(read)
      .flatMap(source => spelled.flatMap(pattern => [...source.matchAll(pattern)].map(([, name = '']) => name))),
  )
const judges = ['attest/*', 'engine/dial', 'function/*', 'identity/*', 'identity/{sources,vault}/*', 'proxy/*']
const rules = rulesIn(...judges.map(path => `src/${path}.ts`))
const rulesOfCa = rulesIn('src/provision/*.ts')

const codes = new Set(
  [...(read('src/base/errors.ts')[0] ?? '').matchAll(/^ {2}'?([a-z-]+)'?: \{ blame/gm)].map(([, name = '']) => name),
)

t.test('the sources are read as they are written', async t => {
  t.ok(rules.size > 50, `${rules.size} rules`)
  t.ok(codes.size > 30, `${codes.size} codes`)
  const some = ['mrenclave', 'debug', 'crl-number-pck', 'san', 'handshake', 'pin', 'same-platform', 'own-certificate']
  for (const name of some) t.ok(rules.has(name), name)
  for (const name of ['policy-set', 'locked']) t.ok(rulesOfCa.has(name), name)
})

t.test('every rule by which a container or a client is refused has a row', async t => {
  t.same(
    [...rules].filter(rule => !rows.has(rule)),
    [],
    'write what it means and what to do into docs/runbooks.md',
  )
})

t.test('every rule by which the attesting CA refuses has a row, there or here', async t => {
  t.same(
    [...rulesOfCa].filter(rule => !rowsOfCa.has(rule)),
    [],
    'write what it means into docs/provision.md',
  )
})

t.test('every code of a fault has a row', async t => {
  t.same(
    [...codes].filter(code => !rows.has(code)),
    [],
    'write what it means and what to do into docs/runbooks.md',
  )
})

t.test('no row is about what is gone', async t => {
  t.same(
    [...rows].filter(row => !rules.has(row) && !codes.has(row)),
    [],
  )
})
