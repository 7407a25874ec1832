// The command line; enclaves are run by test/suites/gramine.ts.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { directMissing } from '../../gramine/direct.ts'
import { repository } from '../support/process.ts'

const direct = (args: readonly string[], env = process.env) =>
  spawnSync(process.execPath, [join(repository, 'gramine/direct.ts'), ...args], { encoding: 'utf8', env })

t.test('a policy, or the question what is missing; else 64', async t => {
  for (const line of [[], ['--print'], ['--check', '--policy', 'x.json']]) {
    t.match(direct(line), { status: 64, stderr: /^usage: npm run direct -- --policy FILE/ }, line.join(' '))
  }
  t.match(direct(['--plicy', 'x']), { status: 64, stderr: /--plicy/ })
})

t.test('without Gramine it says how to get it', async t => {
  const { status, stderr } = direct(['--check'], { ...process.env, PATH: '/nowhere' })
  t.equal(status, 1)
  t.match(stderr, /^no gramine-direct on PATH: install Gramine/)
})

t.test('it says what it knows', async t => {
  const missing = directMissing()
  t.match(direct(['--check']), missing === undefined ? { status: 0, stderr: '' } : { status: 1, stderr: missing })
})
