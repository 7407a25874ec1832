// The enclave's one file: the same bytes wherever it is built, within its budget, and free of what Gramine cannot do.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { budget, overBudget, total } from '../../build/budget.ts'
import { bundle, describeBundle } from '../../build/bundle.ts'
import { broken } from '../../build/rules.ts'
import { compatible, demo } from '../../src/config/policies.ts'
import { builtAfter } from '../../src/version.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const made = await bundle({ root })
t.comment(describeBundle(made))

t.test('it breaks no rule and keeps its budget', async t => {
  t.same(broken(made), [])
  t.same(overBudget(made), [])
})

t.test('that of the attesting CA neither, and it holds no engine and no proxy', async t => {
  const ca = await bundle({ root, entry: 'src/enclave-provision.ts' })
  t.same(broken(ca), [])
  t.same(overBudget(ca), [])
  const rooms = new Set(ca.inputs.map(({ path }) => /^src\/([a-z]+)\//.exec(path)?.[1]))
  t.ok(rooms.has('provision') && !rooms.has('engine') && !rooms.has('gate'))
})

t.test('a budget that is not kept is told', async t => {
  const inputs = [{ path: 'src/a.ts', bytes: budget.ours + 1 }]
  t.match(overBudget({ text: 'a'.repeat(budget.all + 1), inputs }), [
    /^all of it: at most \d+ bytes, got /,
    /^src\/: at most /,
  ])
  t.equal(total({ text: 'ä', inputs: [] }), 2, 'in bytes')
})

t.test('it holds no shipped policy', async t => {
  for (const policy of [compatible, demo])
    for (const line of policy.split('\n').filter(line => line.length > 30)) t.notOk(made.text.includes(line))
})

t.test('another folder gives the same bytes', async t => {
  const other = mkdtempSync(join(tmpdir(), 'postern-build-'))
  t.teardown(() => rmSync(other, { recursive: true, force: true }))
  const packages = new Set(made.inputs.map(({ path }) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? ''))
  for (const path of ['src', 'package.json', 'tsconfig.json', ...packages]) {
    if (path !== '') cpSync(join(root, path), join(other, path), { recursive: true })
  }
  const again = await bundle({ root: other })
  const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
  t.equal(digest(again.text), digest(made.text))
  t.notOk(again.text.includes(other) || made.text.includes(join(dirname(root), '/')))
})

t.test('the version is that of the tree', async t => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  t.match(made.text, new RegExp(`\\bversion\\d*=\\(\\)=>"${version}"`))
})

t.test('so is the day before which it was not, or a later one that the build is given', async t => {
  const of = (text: string): number => Number(/\bbuiltAfter\d*=\(\)=>(\d+(?:e\d+)?)/.exec(text)?.[1])
  t.equal(of(made.text), builtAfter())
  const given = async (seconds: string) => {
    process.env['SOURCE_DATE_EPOCH'] = seconds
    try {
      return of((await bundle({ root })).text)
    } finally {
      delete process.env['SOURCE_DATE_EPOCH']
    }
  }
  const later = builtAfter() / 1000 + 86_400
  t.equal(await given(String(later)), later * 1000)
  t.equal(await given('1'), builtAfter(), 'never an earlier one')
  await t.rejects(given('today'), { message: /SOURCE_DATE_EPOCH/ })
})

t.test('the build writes just that', async t => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'build/bundle.ts')], { encoding: 'utf8' })
  t.equal(stderr, '')
  t.equal(status, 0)
  t.match(stdout, `${total(made)}  in all, from ${made.inputs.length} files`)
  t.equal(readFileSync(join(root, 'dist/enclave.js'), 'utf8'), made.text)
})
