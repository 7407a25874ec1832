import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { type InjectorOptions, startInjector } from '../../src/inject/injector.ts'
import { mountPair, prepareMount } from '../support/mounted.ts'
import { options, pod, reviewBytes } from '../support/pods.ts'
import { ask, until } from '../support/process.ts'
import { freePort } from '../support/sockets.ts'

async function certificates(t: Test): Promise<string> {
  const folder = t.testdir({})
  await prepareMount(folder)
  return folder
}

async function begin(t: Test, folder: string, changes: Partial<InjectorOptions> = {}) {
  const lines: string[] = []
  const injector = await startInjector({
    options: options(),
    certificates: folder,
    port: 0,
    sidePort: 0,
    version: '0',
    clock: systemClock,
    write: line => lines.push(line),
    intervalMs: 20,
    patienceMs: 5_000,
    ...changes,
  })
  t.teardown(() => injector.drain(0))
  return { injector, lines }
}

const body = reviewBytes(pod()).toString()
const question = {
  path: '/inject',
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  tls: true,
} as const

async function leafAt(port: number): Promise<string> {
  const socket: TLSSocket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const leaf = socket.getPeerX509Certificate()
  socket.destroy()
  return createHash('sha256')
    .update(leaf?.raw ?? '')
    .digest('hex')
}

t.test('reviews are answered and counted; probes say so', async t => {
  const folder = await certificates(t)
  await mountPair(folder, 'one')
  const { injector, lines } = await begin(t, folder)
  t.match(await ask(injector.port, { ...question, body }), { status: 200, body: /"patchType":"JSONPatch"/ })
  t.equal((await ask(injector.port, { ...question, body: '{}' })).status, 400)
  const denied = reviewBytes(pod({ annotations: { 'postern.dev/epc': 'x' } })).toString()
  t.match(await ask(injector.port, { ...question, body: denied }), { status: 200, body: /"allowed":false/ })
  for (const path of ['/healthz', '/readyz'])
    t.match(await ask(injector.sidePort, { path }), { status: 200, body: 'ok\n' })
  const metrics = (await ask(injector.sidePort, { path: '/metrics' })).body
  for (const outcome of ['patched', 'malformed', 'denied']) {
    t.match(metrics, `postern_inject_reviews_total{outcome="${outcome}"} 1\n`)
  }
  t.match(metrics, /postern_inject_certificate_not_after_timestamp_seconds \d{10}/)
  const logged = lines.map(line => JSON.parse(line).message)
  t.match(logged, ['Certificate', 'Serving', 'Review refused', 'Pod denied'])
})

t.test('the certificate is replaced under load: no review fails, new handshakes see the new one', async t => {
  const folder = await certificates(t)
  const first = await mountPair(folder, 'one')
  const { injector } = await begin(t, folder)
  t.equal(await leafAt(injector.port), first)

  const kept = new Agent({ keepAlive: true, maxSockets: 4, rejectUnauthorized: false })
  const fresh = new Agent({ keepAlive: false, rejectUnauthorized: false })
  t.teardown(() => kept.destroy())
  let running = true
  let answered = 0
  const failures: string[] = []
  const load = async (agent: Agent): Promise<void> => {
    while (running) {
      const status = await reviewWith(agent, injector.port).catch(error => String(error))
      if (status === 200) answered++
      else failures.push(String(status))
    }
  }
  const loads = [kept, kept, fresh, fresh].map(load)
  for (const generation of ['two', 'three', 'four']) {
    const leaf = await mountPair(folder, generation)
    const before = answered
    await until('the new one is shown', async () => (await leafAt(injector.port)) === leaf)
    await until('reviews go on', () => answered > before + 10)
  }
  running = false
  await Promise.all(loads)
  t.same(failures, [])
  t.ok(answered > 40)
})

function reviewWith(agent: Agent, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({
      agent,
      port,
      host: '127.0.0.1',
      path: '/inject',
      method: 'POST',
      headers: question.headers,
    })
    asked.on('response', response => response.resume().on('end', () => resolve(response.statusCode ?? 0)))
    asked.on('error', reject)
    asked.end(body)
  })
}

t.test('a pair that fits nobody is a failed renewal: the old one is shown on', async t => {
  const folder = await certificates(t)
  const first = await mountPair(folder, 'one')
  const { injector, lines } = await begin(t, folder)
  await writeFile(join(folder, '..one', 'tls.crt'), 'nonsense')
  await until('it is told', () => lines.some(line => line.includes('credential-renewal-failed')))
  t.equal(await leafAt(injector.port), first)
  t.equal((await ask(injector.sidePort, { path: '/readyz' })).status, 200)
  t.match((await ask(injector.sidePort, { path: '/metrics' })).body, /certificate_failures_total [1-9]/)
})

t.test('an expired certificate is no longer shown, and readiness fails', async t => {
  const folder = await certificates(t)
  await mountPair(folder, 'one', 1_500)
  const { injector } = await begin(t, folder)
  await until('not ready', async () => (await ask(injector.sidePort, { path: '/readyz' })).status === 503)
  await t.rejects(leafAt(injector.port))
})

t.test('while it waits for a certificate it is alive and not ready; without one the start fails', async t => {
  const folder = await certificates(t)
  const sidePort = await freePort()
  const starting = begin(t, folder, { sidePort, patienceMs: 600 })
  starting.catch(() => {})
  await until(
    'it is alive',
    async () => (await ask(sidePort, { path: '/healthz' }).catch(() => undefined))?.status === 200,
  )
  t.equal((await ask(sidePort, { path: '/readyz' })).status, 503)
  await t.rejects(starting, { code: 'credential-invalid' })
  await t.rejects(ask(sidePort, { path: '/healthz' }), 'and everything is closed again')
})

t.test('a port that is taken fails the start', async t => {
  const folder = await certificates(t)
  await mountPair(folder, 'one')
  const { injector } = await begin(t, folder)
  await t.rejects(begin(t, folder, { port: injector.port }), { code: 'bind-failed', message: /EADDRINUSE/ })
  await t.rejects(begin(t, folder, { sidePort: injector.sidePort }), { code: 'bind-failed' })
})

t.test('drain: readiness fails first, reviews are answered until the end', async t => {
  const folder = await certificates(t)
  await mountPair(folder, 'one')
  const { injector } = await begin(t, folder)
  const drained = injector.drain(300)
  t.equal((await ask(injector.sidePort, { path: '/readyz' })).status, 503)
  t.equal((await ask(injector.port, { ...question, body })).status, 200)
  await drained
  await t.rejects(ask(injector.port, { ...question, body }))
})
