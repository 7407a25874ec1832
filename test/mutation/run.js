// Mutation testing: changes one small thing in src/attest at a time and asks whether some test notices. Not part of
// `npm test`; run `node test/mutation/run.js [--workers N] [--sample N] [FILE...]`, some minutes to an hour.
//
// A mutator of our own, since the usual one does not know this project's way of running TypeScript: Node blanks the types
// in place, so the places of the JavaScript's syntax tree are places of the source. Each worker has a copy of the project;
// a mutant is killed when a test fails or runs out of time. Survivors that change nothing are listed, with their
// reason, in equivalent.json; they count as killed only while the reason's text is found in the line.

import { spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'acorn'

const root = new URL('../..', import.meta.url).pathname
const room = 'src/attest'
const timeoutMs = 60_000

/** Tests that look at a whole procedure, for what a file's own test lets live. */
const wider = [
  'test/attest/body.ts',
  'test/attest/intel.ts',
  'test/attest/peer.ts',
  'test/attest/verify.ts',
  'test/attest/collateral.ts',
]

const opposite = {
  '===': ['!=='],
  '!==': ['==='],
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '/': ['*'],
  '%': ['*'],
  '&': ['|'],
  '|': ['&'],
  '>>': ['<<'],
  '<<': ['>>'],
  '>>>': ['<<'],
  '&&': ['||'],
  '||': ['&&'],
  '??': ['&&'],
}
const methods = { some: 'every', every: 'some', startsWith: 'endsWith', endsWith: 'startsWith', min: 'max', max: 'min' }
const methodsGone = new Set([
  'filter',
  'sort',
  'slice',
  'subarray',
  'toLowerCase',
  'toUpperCase',
  'replace',
  'trim',
  'map',
])

/** Every change of one file: [from, to, replacement]. */
function mutantsOf(source) {
  const tree = parse(stripTypeScriptTypes(source), { ecmaVersion: 'latest', sourceType: 'module' })
  const found = []
  const text = node => source.slice(node.start, node.end)
  const replace = (node, ...by) => {
    for (const each of by) found.push([node.start, node.end, each])
  }
  /** The operator stands somewhere between the operands; blanked types may stand there too. */
  const operator = (node, by) => {
    const at = source.indexOf(node.operator, node.left.end)
    for (const each of by) found.push([at, at + node.operator.length, each])
  }
  const visit = (node, parent) => {
    if (!node || typeof node.type !== 'string') return
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
        return
      case 'BinaryExpression':
      case 'LogicalExpression':
        if (opposite[node.operator] && !isText(node)) operator(node, opposite[node.operator])
        break
      case 'IfStatement':
      case 'ConditionalExpression':
      case 'WhileStatement':
        replace(node.test, 'true', 'false')
        break
      case 'DoWhileStatement':
        replace(node.test, 'false')
        break
      case 'Literal':
        if (typeof node.value === 'boolean') replace(node, String(!node.value))
        else if (typeof node.value === 'number' && parent.type !== 'Property') replace(node, String(node.value + 1))
        break
      case 'UnaryExpression':
        if (node.operator === '!') replace(node, text(node.argument))
        break
      case 'UpdateExpression':
        replace(node, text(node).replace('++', '--'))
        break
      case 'ExpressionStatement':
        if (!node.directive) replace(node, ';')
        break
      case 'ThrowStatement':
        replace(node, ';')
        break
      case 'ReturnStatement':
        if (node.argument && parent.type === 'IfStatement') replace(node, ';')
        break
      case 'ArrayExpression':
        if (node.elements.length > 0 && parent.type !== 'NewExpression') replace(node, '[]')
        break
      case 'CallExpression':
        if (node.callee.type === 'MemberExpression' && node.callee.property.type === 'Identifier') {
          const { property, object } = node.callee
          if (methods[property.name]) replace(property, methods[property.name])
          if (methodsGone.has(property.name)) replace(node, text(object))
        }
        break
    }
    for (const [key, value] of Object.entries(node)) {
      if (key === 'type' || key === 'start' || key === 'end') continue
      if (Array.isArray(value)) for (const each of value) visit(each, node)
      else if (value && typeof value === 'object') visit(value, node)
    }
  }
  visit(tree, { type: 'Program' })
  return found
}

/** Concatenated messages are no arithmetic. */
function isText(node) {
  return (
    node.operator === '+' &&
    [node.left, node.right].some(each => typeof each.value === 'string' || each.type === 'TemplateLiteral')
  )
}

/** A copy of the project that a worker may spoil. */
function sandbox() {
  const folder = mkdtempSync(join(tmpdir(), 'postern-mutation-'))
  const copy = join(folder, 'main')
  mkdirSync(copy)
  for (const each of ['src', 'test', 'package.json']) cpSync(join(root, each), join(copy, each), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  return { folder, copy }
}

function run(cwd, test) {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [test], {
      cwd,
      stdio: 'ignore',
      env: { ...process.env, TAP_BAIL: '1', MUTATION: '1' },
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.on('close', code => {
      clearTimeout(timer)
      resolve(code === 0)
    })
  })
}

function testsOf(file) {
  const own = file.replace(/^src/, 'test')
  return [...new Set([own, ...wider])].filter(test => existsSync(join(root, test)))
}

async function survives(copy, file, source, [from, to, by]) {
  writeFileSync(join(copy, file), source.slice(0, from) + by + source.slice(to))
  try {
    for (const test of testsOf(file)) if (!(await run(copy, test))) return false
    return true
  } finally {
    writeFileSync(join(copy, file), source)
  }
}

const flags = process.argv.slice(2)
const take = (name, fallback) => {
  const at = flags.indexOf(name)
  return at < 0 ? fallback : Number(flags.splice(at, 2)[1])
}
const workers = take('--workers', 2)
const sample = take('--sample', 0)
/** `--again FILE` looks only at those that an earlier run's output names as survivors. */
const againAt = flags.indexOf('--again')
const again = againAt < 0 ? undefined : readFileSync(flags.splice(againAt, 2)[1], 'utf8')
const earlier = again
  ?.split('\n')
  .filter(line => line.startsWith('survived '))
  .map(line => JSON.parse(line.slice('survived '.length)))
const files =
  flags.length > 0
    ? flags
    : readdirSync(join(root, room))
        .filter(name => name.endsWith('.ts'))
        .map(name => `${room}/${name}`)
const equivalent = JSON.parse(readFileSync(new URL('equivalent.json', import.meta.url), 'utf8'))

let jobs = files.flatMap(file => {
  const source = readFileSync(join(root, file), 'utf8')
  return mutantsOf(source).map(change => ({ file, source, change }))
})
// A fixed stride, so that two runs look at the same ones.
if (sample > 0 && sample < jobs.length)
  jobs = jobs.filter((_, i) => Math.floor((i * sample) / jobs.length) !== Math.floor(((i - 1) * sample) / jobs.length))

if (earlier) jobs = jobs.filter(job => earlier.some(each => matches(each, toldOf(job))))

const total = jobs.length
const perFile = new Map(files.map(file => [file, { mutants: 0, survived: 0, equivalent: 0 }]))
const queue = jobs[Symbol.iterator]()
let done = 0

/** What a survivor looks like to people. */
function toldOf({ file, source, change: [from, to, by] }) {
  const line = source.slice(0, from).split('\n').length
  return { file, line, was: source.slice(from, to).slice(0, 80), by, in: (source.split('\n')[line - 1] ?? '').trim() }
}

/** Line numbers move; file, line text and change do not. */
function matches(each, told) {
  return each.file === told.file && each.in === told.in && each.was === told.was && each.by === told.by
}

async function work() {
  const { folder, copy } = sandbox()
  for (const { file, source, change } of queue) {
    const row = perFile.get(file)
    row.mutants++
    const alive = await survives(copy, file, source, change)
    done++
    if (!alive) continue
    const told = toldOf({ file, source, change })
    const known = equivalent.find(
      each =>
        each.file === file &&
        told.in.includes(each.in) &&
        (each.by === undefined || each.by === told.by) &&
        (each.was === undefined || told.was.includes(each.was)),
    )
    if (known) row.equivalent++
    else {
      row.survived++
      process.stdout.write(`survived ${JSON.stringify(told)}\n`)
    }
    if (done % 50 === 0) process.stderr.write(`${done} of ${total}\n`)
  }
  rmSync(folder, { recursive: true, force: true })
}
await Promise.all(Array.from({ length: workers }, work))

let [mutants, survived, same] = [0, 0, 0]
for (const [file, row] of perFile) {
  mutants += row.mutants
  survived += row.survived
  same += row.equivalent
  const real = row.mutants - row.equivalent
  process.stdout.write(
    `${file.padEnd(30)} ${String(real - row.survived).padStart(4)} of ${String(real).padStart(4)} killed, ${row.equivalent} equivalent\n`,
  )
}
const score = (100 * (mutants - same - survived)) / (mutants - same)
process.stdout.write(`score ${score.toFixed(1)} % (${mutants} mutants, ${same} equivalent, ${survived} survived)\n`)
process.exitCode = score >= 90 ? 0 : 1
