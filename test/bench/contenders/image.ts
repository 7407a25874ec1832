// What the image `plain` runs, read from the Dockerfile.

import { readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeKeyPair } from '../../../bench/backend/backend.ts'
import { madeOf, plainPolicy, readImage } from '../../../bench/contenders/image.ts'
import { compatible } from '../../../src/config/policies.ts'
import { loadPolicy } from '../../../src/config/policy.ts'

t.test("the image's command and variables", async t => {
  const { command, variables } = readImage(readFileSync(new URL('../../../Dockerfile', import.meta.url), 'utf8'))
  t.equal(command[0], '/usr/bin/node')
  t.same(command.slice(-3), ['/app/proxy.js', '--policy', '/app/compatible.json'])
  t.match(variables, { MALLOC_ARENA_MAX: '1' })
  t.throws(() => readImage('FROM scratch AS other\nENTRYPOINT ["x"]\n'), { message: /no entry point/ })
})

t.test('a program that is older than its sources is not measured as theirs', async t => {
  const folder = t.testdir({ 'enclave.js': '', src: { deep: { 'a.ts': '' } } })
  const [program, sources] = [join(folder, 'enclave.js'), join(folder, 'src')]
  utimesSync(join(sources, 'deep/a.ts'), 1_000, 1_000)
  utimesSync(program, 1_000, 1_000)
  t.ok(madeOf(program, sources))
  utimesSync(program, 999, 999)
  t.notOk(madeOf(program, sources))
  t.notOk(madeOf(join(folder, 'none.js'), sources))
})

t.test('the shipped policy, or one that knows the container by its key', async t => {
  const pair = await makeKeyPair(t.testdir())
  t.equal(plainPolicy({ upstream: 'h', pair }), compatible)
  const { policy } = loadPolicy('bench.json', () => Buffer.from(plainPolicy({ upstream: 'tls', pair })))
  t.equal(policy.upstream.mode, 'pinned')
})
