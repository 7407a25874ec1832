// The enclave's process as Node runs it from the sources; what the bundle does is told by the tests of test/e2e.

import { fileURLToPath } from 'node:url'
import t from 'tap'
import { compatible, demo } from '../src/config/policies.ts'
import { ask, choosePorts, environment, probe, start, stopAtOnce, until } from './support/process.ts'
import { startContainer } from './support/process-inside.ts'

const file = fileURLToPath(new URL('../src/enclave.ts', import.meta.url))

t.test('it takes a policy from a file, and nothing else', async t => {
  const usage = /^usage: enclave\.js --policy FILE\n$/
  const cases: [name: string, args: string[]][] = [
    ['nothing', []],
    ['a verb', ['proxy', '--policy', 'a.json']],
    ['another flag', ['--policy', 'a.json', '--engine', 'undici']],
    ['no value', ['--policy']],
    ['two policies', ['--policy', 'a.json', '--policy', 'b.json']],
  ]
  for (const [name, args] of cases) {
    t.test(name, async t => {
      const enclave = start(t, args, { file })
      t.match(await enclave.exit, { code: 64, signal: null })
      t.match(enclave.stderr(), usage)
      t.equal(enclave.stdout(), '')
    })
  }
})

t.test('it has no shipped policy and nothing synthetic', async t => {
  const folder = t.testdir({ 'demo.json': demo })
  const cases: [policy: string, message: RegExp][] = [
    ['compatible', /^policy compatible: no readable file \(ENOENT\)\n$/],
    [`${folder}/demo.json`, /^policy demo trusts SYNTHETIC evidence, which this build does not have\n$/],
  ]
  for (const [policy, message] of cases) {
    t.test(policy, async t => {
      const enclave = start(t, ['--policy', policy], { file, env: environment(await choosePorts()) })
      t.match(await enclave.exit, { code: 1, signal: null })
      t.match(enclave.stderr(), message)
    })
  }
})

t.test('it serves, says at debug where the start went, and leaves at a second signal', async t => {
  const folder = t.testdir({ 'mine.json': compatible })
  const ports = await choosePorts()
  await startContainer(t, ports.user)
  const env = environment(ports, { SERVING_LOGGING_LEVEL: 'debug' })
  const enclave = start(t, ['--policy', `${folder}/mine.json`], { file, env })
  await until('it serves', async () => (await probe(ports.serving).catch(() => undefined))?.status === 200)
  t.match(await ask(ports.serving, { headers: { constructor: 'x' } }), { status: 200, body: 'hello' })

  const started = enclave.lines().find(({ message }) => message === 'Started')
  const milliseconds = started?.['milliseconds'] as Record<string, number>
  t.same(Object.keys(milliseconds), ['runtime', 'import', 'configuration', 'ports', 'ready', 'total'])
  const { total = 0, ...phases } = milliseconds
  const sum = Object.values(phases).reduce((all, each) => all + each, 0)
  t.ok(Math.abs(sum - total) < 0.5, `${sum} of ${total}`)
  t.equal(started?.['severity'], 'debug')
  t.match(await probe(ports.serving), { status: 200 })
  const [ready, ...more] = enclave.lines().filter(({ message }) => message === 'Container ready')
  const { app = -1, total: inAll = 0 } = (ready?.['milliseconds'] ?? {}) as Record<string, number>
  t.ok(app >= 0 && Math.abs(total + app - inAll) < 0.5, `${app} after ${total} is ${inAll}`)
  t.same(more, [], 'once')
  t.match(await stopAtOnce(enclave), { code: 1, signal: null })
})
