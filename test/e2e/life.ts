// Leaving: TERM, the container's preStop hook, and what becomes of everybody who is connected. Inside the test's process
// where times have to be short; as a process where the end of the process is the question.

import { once } from 'node:events'
import { type ClientRequest, get } from 'node:http'
import t, { type Test } from 'tap'
import type { DrainOptions } from '../../src/gate/drain.ts'
import {
  type Answer,
  ask,
  choosePorts,
  environment,
  type Ports,
  probe,
  type Started,
  start,
  startServing,
  stopAtOnce,
  until,
} from '../support/process.ts'
import { open, startContainer, startDemoContainer, startInside, websocketHead } from '../support/process-inside.ts'

const short: DrainOptions = { quietMs: 500, hookMs: 300, calmMs: 0, maxWaiters: 16 }

async function inside(t: Test, drain: Partial<DrainOptions> = {}) {
  const ports = await choosePorts()
  const container = await startContainer(t, ports.user)
  const proxy = await startInside(t, { ports, drain: { ...short, ...drain } })
  return { ports, container, proxy, port: ports.serving }
}

const keepAlive = 'GET /hello HTTP/1.1\r\nHost: hello\r\n\r\n'
/** A probe, since a request would postpone what is waited for. */
const refused = (port: number) =>
  probe(port).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
  )
const hook = (ports: Ports): Promise<Answer> => ask(ports.admin, { path: '/wait-for-drain' })

t.test('after TERM probes fail at once, traffic is served, and each request postpones the end', async t => {
  const { port, proxy } = await inside(t)
  t.match(await probe(port), { status: 200, body: 'queue' })
  const left = proxy.drain()
  t.match(await probe(port), { status: 503, body: 'shutting down\n' })
  t.match(await ask(port, { headers: { 'K-Network-Probe': 'probe', 'K-Network-Hash': 'h' } }), {
    status: 503,
    body: 'shutting down\n',
  })
  const busyUntil = Date.now() + 3 * short.quietMs
  const statuses = new Set<number>()
  while (Date.now() < busyUntil) statuses.add((await ask(port)).status)
  t.same([...statuses], [200])
  t.notOk(proxy.drained(), 'three quiet periods have passed, but none was quiet')
  await left
  t.ok(Date.now() >= busyUntil + short.quietMs - 50)
  t.ok(await refused(port))
  const told = proxy.messages()
  t.same(told.slice(told.indexOf('Received TERM signal, attempting to gracefully shutdown servers.') + 1), [
    'Sleeping 30s to allow K8s propagation of non-ready state',
    ...told.filter(message => message.startsWith('Shutting down server: ')),
    'Shutdown complete, exiting...',
  ])
})

t.test('probes do not postpone the end', async t => {
  const { port, proxy } = await inside(t)
  const begun = Date.now()
  const left = proxy.drain()
  while (!proxy.drained() && Date.now() < begun + 5_000) {
    await probe(port).catch(() => undefined)
    await new Promise(resolve => setImmediate(resolve))
  }
  await left
  t.ok(Date.now() < begun + 4_000)
})

t.test('what is in flight finishes, the last responses close, idle connections are closed', async t => {
  const { port, container, proxy } = await inside(t)
  const idle = open(t, port)
  idle.send(keepAlive)
  await until('an idle connection', () => idle.text().includes('hello'))
  const fresh = open(t, port)
  await once(fresh.socket, 'connect')
  const holding = open(t, port)
  holding.send('GET /hold HTTP/1.1\r\nHost: hello\r\n\r\n')
  const streaming = open(t, port)
  streaming.send('GET /stream HTTP/1.1\r\nHost: hello\r\n\r\n')
  await until('both are in the container', () => container.held() === 2 && streaming.text().includes('begun'))

  const left = proxy.drain()
  await until('the listener is gone', () => refused(port))
  await until('the idle ones are closed', () => idle.ended() && fresh.ended())
  t.notMatch(idle.text(), /connection: close/i, 'its response was sent before')
  t.notOk(holding.ended() || streaming.ended() || proxy.drained())

  container.release()
  await left
  await until('the last ones are closed', () => holding.ended() && streaming.ended())
  t.match(holding.text(), /^HTTP\/1\.1 200 OK\r\n/)
  t.match(holding.text(), /\r\nConnection: close\r\n/)
  t.match(holding.text(), /\r\n\r\nheld$/)
  t.match(streaming.text(), 'and ended')
})

t.test('requests that a kept connection sends in the quiet period are served', async t => {
  const { port, proxy } = await inside(t)
  const kept = open(t, port)
  const left = proxy.drain()
  for (let n = 1; n <= 3; n++) {
    kept.send(keepAlive)
    await until(`answer ${n}`, () => kept.text().split('hello').length === n + 1)
  }
  t.notMatch(kept.text(), /connection: close/i)
  await left
  await until('it is closed', () => kept.ended())
})

t.test('a tunnel outlives the drain and holds it until its own end', async t => {
  const { port, proxy } = await inside(t)
  const tunnel = open(t, port)
  tunnel.send(websocketHead)
  await until('the tunnel', () => tunnel.text().includes('\r\n\r\n'))
  t.match(tunnel.text(), 'HTTP/1.1 101 Switching Protocols')
  const left = proxy.drain()
  await until('the listener is gone', () => refused(port))
  tunnel.send('still here')
  await until('an echo', () => tunnel.text().endsWith('still here'))
  t.notOk(proxy.drained())
  tunnel.socket.end()
  await left
})

t.test('the side ports stay until the last request has gone', async t => {
  const { port, ports, container, proxy } = await inside(t)
  const holding = open(t, port)
  holding.send('GET /hold HTTP/1.1\r\nHost: hello\r\n\r\n')
  await until('it is in the container', () => container.held() === 1)
  const left = proxy.drain()
  await until('the listener is gone', () => refused(port))
  t.match(await ask(ports.autoscaler, { path: '/metrics' }), { status: 200 })
  t.match(await hook(ports), { status: 200, body: '' }, 'a hook that comes late does not wait')
  container.release()
  await left
  t.ok(await refused(ports.autoscaler))
  t.ok(await refused(ports.admin))
})

t.test('a preStop hook returns with the drain', async t => {
  const { ports, port, proxy } = await inside(t, { hookMs: 2_000 })
  const begun = Date.now()
  const answers = [hook(ports), hook(ports)]
  await until('probes fail', async () => (await probe(port)).status === 503)
  const left = proxy.drain()
  answers.push(hook(ports))
  for (const answer of await Promise.all(answers)) t.match(answer, { status: 200, body: '' })
  const took = Date.now() - begun
  t.ok(took >= short.quietMs - 50, `returned after ${took} ms`)
  await left
})

t.test('a hook without TERM interrupts the service and gives it back', async t => {
  const { ports, port, proxy } = await inside(t)
  const answer = hook(ports)
  await until('probes fail', async () => (await probe(port)).status === 503)
  t.match(await ask(port), { status: 200 }, 'traffic does not')
  t.match(await answer, { status: 200, body: '' })
  t.match(await probe(port), { status: 200, body: 'queue' })
  t.notOk(proxy.drained())
})

t.test('more hooks than may wait are turned away', async t => {
  const { ports } = await inside(t, { maxWaiters: 2 })
  const answers = await Promise.all([hook(ports), hook(ports), hook(ports)])
  t.same(answers.map(({ status }) => status).sort(), [200, 200, 429])
})

// As a process.

/** Quiet for 300 ms is quiet enough. Everything else is as in a pod. */
async function process(t: Test, policy: 'compatible' | 'demo') {
  const ports = await choosePorts()
  const container = policy === 'demo' ? await startDemoContainer(t, ports.user) : await startContainer(t, ports.user)
  const proxy = start(t, ['proxy', '--policy', policy], { env: environment(ports), quietMs: 300 })
  await until('the proxy serves', async () => (await probe(ports.serving).catch(() => undefined))?.status === 200)
  return { proxy, ports, container }
}

/** Exit code 0, nothing on stderr, and soon. */
async function leftByItself(t: Test, proxy: Started, since: number): Promise<void> {
  t.match(await proxy.exit, { code: 0, signal: null })
  const took = Date.now() - since
  t.ok(took < 1_000, `gone ${took} ms after the last close`)
  t.equal(proxy.stderr(), '')
  t.equal(proxy.lines().at(-1)?.['message'], 'Shutdown complete, exiting...')
}

for (const policy of ['compatible', 'demo'] as const) {
  t.test(`under the policy ${policy} the process ends by itself after the last close`, async t => {
    const { proxy, ports, container } = await process(t, policy)
    const tls = policy === 'demo'
    const port = tls ? ports.tls : ports.serving
    t.match(await ask(port, { tls }), { status: 200, body: 'hello' })
    const held = ask(port, { tls, path: '/hold' })
    await until('it is in the container', () => container.held() === 1)
    proxy.signal('SIGTERM')
    await until('the listener is gone', () => refused(ports.serving))
    container.release()
    t.match(await held, { status: 200, body: 'held', headers: { connection: 'close' } })
    await leftByItself(t, proxy, Date.now())
  })
}

t.test('the process waits for a tunnel and ends by itself after it', async t => {
  const { proxy, ports } = await process(t, 'compatible')
  const tunnel = open(t, ports.serving)
  tunnel.send(websocketHead)
  await until('the tunnel', () => tunnel.text().includes('\r\n\r\n'))
  proxy.signal('SIGINT')
  await until('the listener is gone', () => refused(ports.serving))
  tunnel.send('still here')
  await until('an echo', () => tunnel.text().endsWith('still here'))
  t.notOk(proxy.exited())
  tunnel.socket.end()
  await leftByItself(t, proxy, Date.now())
})

t.test('a scraper that never closes holds nobody up', async t => {
  const { proxy, ports } = await process(t, 'compatible')
  const side = open(t, ports.autoscaler, { allowHalfOpen: true })
  side.send('GET /metrics HTTP/1.1\r\nHost: hello\r\n\r\n')
  await until('a scrape', () => side.text().includes('200 OK'))
  proxy.signal('SIGTERM')
  await until('the listener is gone', () => refused(ports.serving))
  await leftByItself(t, proxy, Date.now())
})

t.test('an idle client that never closes its side holds nobody up', async t => {
  const { proxy, ports } = await process(t, 'compatible')
  const kept = open(t, ports.serving, { allowHalfOpen: true })
  kept.send(keepAlive)
  await until('an idle connection', () => kept.text().includes('hello'))
  proxy.signal('SIGTERM')
  await until('the idle one is closed', () => kept.ended())
  const gone = until('the process is gone', () => proxy.exited(), 2_000).catch(() => false)
  t.ok(await gone, 'soon after the idle one was closed')
})

t.test('a scrape under way does not hold the process', async t => {
  const { proxy, ports } = await process(t, 'compatible')
  const half = open(t, ports.admin)
  half.send('GET /wait-for-drain HTTP/1.1\r\n')
  await once(half.socket, 'connect')
  proxy.signal('SIGTERM')
  await until('the listener is gone', () => refused(ports.serving))
  await leftByItself(t, proxy, Date.now())
})

for (const [first, second] of [
  ['SIGTERM', 'SIGTERM'],
  ['SIGINT', 'SIGTERM'],
  ['SIGINT', 'SIGINT'],
] as const) {
  t.test(`${first} and ${second}: exit code 1 at once`, async t => {
    const ports = await choosePorts()
    await startContainer(t, ports.user)
    const proxy = await startServing(t, 'compatible', environment(ports))
    const held: ClientRequest = get({ port: ports.serving, path: '/hold' }).on('error', () => {})
    t.teardown(() => held.destroy())
    proxy.signal(first)
    await until('the first is heard', () => proxy.stdout().includes('Received TERM signal'))
    t.match(await probe(ports.serving), { status: 503, body: 'shutting down\n' })
    proxy.signal(second)
    t.match(await proxy.exit, { code: 1, signal: null })
    t.equal(proxy.stderr(), '')
  })
}

t.test('a preStop hook of a process without TERM: out of service for a second', async t => {
  const ports = await choosePorts()
  await startContainer(t, ports.user)
  const proxy = await startServing(t, 'compatible', environment(ports))
  const begun = Date.now()
  const answer = hook(ports)
  await until('probes fail', async () => (await probe(ports.serving)).status === 503)
  t.match(await answer, { status: 200, body: '' })
  const took = Date.now() - begun
  t.ok(took >= 950 && took < 3_000, `returned after ${took} ms`)
  t.match(await probe(ports.serving), { status: 200, body: 'queue' })
  t.match(await stopAtOnce(proxy), { code: 1 })
})
