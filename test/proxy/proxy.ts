import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import t from 'tap'
import type { QuoteSource } from '../../src/attest/evidence.ts'
import { systemClock } from '../../src/base/clock.ts'
import { compatible } from '../../src/config/policies.ts'
import { decodeStat } from '../../src/demo/autoscaler.ts'
import { demoFunction, demoProxy, demoStranger } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { chainPem } from '../../src/identity/credential.ts'
import { makeRatlsCredential } from '../../src/identity/sources/self-signed.ts'
import { startProxy } from '../../src/proxy/proxy.ts'
import { FakeClock } from '../support/clock.ts'
import { makeCredential } from '../support/identity.ts'
import { ask, choosePorts, type Environment, type Ports, probe, until } from '../support/process.ts'
import {
  insideOptions,
  open,
  startContainer,
  startDemoContainer,
  startInside,
  websocketHead,
} from '../support/process-inside.ts'
import { exchange, listen } from '../support/sockets.ts'

const prometheus = { OBSERVABILITY_CONFIG: '{"requestMetrics":{"protocol":"prometheus"}}' }
const ours = ['serving', 'tls', 'admin', 'autoscaler', 'metrics'] as const

/** Our ports on which somebody listens. */
async function openPorts(ports: Ports): Promise<string[]> {
  const found = await Promise.all(
    ours.map(async name => {
      const socket = connect(ports[name], '127.0.0.1')
      const taken = await once(socket, 'connect').then(
        () => true,
        () => false,
      )
      socket.destroy()
      return taken ? [name] : []
    }),
  )
  return found.flat()
}

t.test('it opens the ports that its policy and environment ask for, and abort closes them', async t => {
  const cases: [name: string, policy: string, env: Record<string, string>, want: string[]][] = [
    ['compatible', 'compatible', {}, ['serving', 'admin', 'autoscaler']],
    ['with metrics', 'compatible', prometheus, ['serving', 'admin', 'autoscaler', 'metrics']],
    ['with evidence', 'demo', prometheus, ['serving', 'tls', 'admin', 'autoscaler', 'metrics']],
  ]
  for (const [name, policy, env, want] of cases) {
    t.test(name, async t => {
      const { running, ports } = await startInside(t, { policy, env })
      t.same(await openPorts(ports), want)
      await running.abort()
      t.same(await openPorts(ports), [])
      await running.abort()
    })
  }
})

t.test('a start that fails leaves nothing open', async t => {
  for (const name of ours) {
    t.test(`${name} is taken`, async t => {
      const ports = { ...(await choosePorts()), [name]: await listen(t, createServer()) }
      const { proxyOptions } = await insideOptions({ policy: 'demo', env: prometheus, ports })
      await t.rejects(startProxy(proxyOptions), {
        code: 'bind-failed',
        message: new RegExp(`^listen tcp :${ports[name]}: `),
      })
      t.same(await openPorts(ports), [name])
    })
  }

  t.test('there is no TEE', async t => {
    const { proxyOptions, ports, stdout } = await insideOptions({ policy: 'demo' })
    await t.rejects(startProxy({ ...proxyOptions, syntheticTee: undefined }), { code: 'policy-invalid' })
    t.equal(stdout(), '', 'and nothing was said')
    t.same(await openPorts(ports), [])
  })

  t.test('the TEE gives no quote for a minute', async t => {
    const clock = new FakeClock(Date.now())
    const silent = (): QuoteSource => ({ ...demoProxy(), quote: () => Promise.reject(new Error('no quote today')) })
    const { proxyOptions, ports, stdout } = await insideOptions({ policy: 'demo', clock, syntheticTee: silent })
    const started = startProxy(proxyOptions).then(
      () => 'started',
      (error: { code: string }) => error.code,
    )
    await until('the trouble is told', () => stdout().includes('certificate trouble'))
    t.notMatch(stdout(), 'no quote today')
    clock.advance(60_000)
    t.type(await started, 'string')
    t.not(await started, 'started')
    t.same(await openPorts(ports), [])
  })
})

t.test('until its certificate stands it is not ready and forwards nothing', async t => {
  let go = (): void => {}
  const gate = new Promise<void>(resolve => {
    go = resolve
  })
  const tee = demoProxy()
  const slow = (): QuoteSource => ({ ...tee, quote: data => gate.then(() => tee.quote(data)) })
  const { proxyOptions, ports } = await insideOptions({ policy: 'demo', syntheticTee: slow })
  const container = await startDemoContainer(t, ports.user)
  const starting = startProxy(proxyOptions)
  await until('the ports are open', async () => (await openPorts(ports)).length === 4)
  t.match(await probe(ports.serving), { status: 503 })
  await t.rejects(ask(ports.tls, { tls: true }), 'no handshake either')
  go()
  const running = await starting
  t.teardown(() => running.abort())
  t.match(await probe(ports.serving), { status: 200, body: 'queue' })
  t.match(await ask(ports.tls, { tls: true }), { status: 200, body: 'hello' })
  t.equal(container.received.length, 1)
})

t.test('collateral that cannot be taken is told once, at the start, however many connections want it', async t => {
  const folder = join(t.testdir(), 'none')
  const { lines, messages, ports } = await startInside(t, {
    policy: {
      version: 1,
      name: 'mine',
      inbound: { plaintext: 'serve' },
      identity: { source: 'files', dangerAcceptForeignKey: true },
      upstream: { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' },
      peers: { app: { enclaves: [{ mrenclave: 'ab'.repeat(32) }] } },
      collateral: { sources: [{ kind: 'directory', at: folder }] },
    },
  })
  const told = () => lines().filter(line => line['message'] === 'collateral not taken')
  const reason = `directory ${folder}: collateral-missing: ${folder}: ENOENT`
  t.match(told(), [
    { what: 'root-crl', reason },
    { what: 'qe-identity', reason },
  ])
  t.equal(messages()[0], 'Starting queue-proxy', 'and what runs is told before')
  await startDemoContainer(t, ports.user)
  for (let i = 0; i < 3; i++) t.match(await ask(ports.serving), { status: 502 })
  t.equal(messages().filter(message => message === 'container refused').length, 3)
  t.equal(told().length, 2)
})

t.test("Knative's mounted certificate is shown where it is mounted", async t => {
  const certificateFolder = t.testdir({})
  const { chain, key } = await makeCredential({ notBefore: Date.now() - 1_000, notAfter: Date.now() + 3_600_000 })
  await writeFile(join(certificateFolder, 'tls.crt'), chainPem(chain))
  await writeFile(join(certificateFolder, 'tls.key'), key.export({ type: 'pkcs8', format: 'pem' }))
  const { ports, lines } = await startInside(t, { certificateFolder, env: prometheus })
  await startContainer(t, ports.user)
  const socket = tlsConnect({ port: ports.tls, host: '127.0.0.1', rejectUnauthorized: false })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  t.ok(socket.getPeerX509Certificate()?.raw.equals(chain[0]))
  t.match(await ask(ports.tls, { tls: true }), { status: 200, body: 'hello' })
  t.match(
    lines().find(({ message }) => message === 'certificate installed'),
    { source: 'files', keyOrigin: 'file' },
  )
  t.match((await ask(ports.metrics, { path: '/metrics' })).body, 'postern_certificate_not_after_timestamp_seconds')
})

t.test('what it counts and says of a container that it refuses', async t => {
  const { ports, lines } = await startInside(t, { policy: 'demo', env: prometheus })
  await startContainer(t, ports.user, await demoCredential(demoStranger()))
  t.match(await ask(ports.tls, { tls: true }), { status: 502, body: /^mrenclave: want/ })
  t.match(await ask(ports.serving), { status: 421 })
  t.match(
    lines().find(({ message }) => message === 'container refused'),
    { severity: 'error', code: 'upstream-untrusted', reasons: [{ rule: 'mrenclave' }] },
  )
  const { body } = await ask(ports.metrics, { path: '/metrics' })
  t.match(body, 'postern_upstream_refused_total{rule="mrenclave"} 1')
  t.match(body, 'postern_plaintext_refused_total 1')
  t.match(body, /postern_info\{.*policy="demo".*upstream="attested",tee="SYNTHETIC"\} 1/)
})

t.test('connections are counted while they are open, places where there is a limit', async t => {
  const { ports, lines } = await startInside(t, { env: { ...prometheus, CONTAINER_CONCURRENCY: '1' } })
  const container = await startContainer(t, ports.user)
  const page = async (): Promise<string> => (await ask(ports.metrics, { path: '/metrics' })).body
  t.match(await page(), /^postern_connections 0$/m)
  const held = open(t, ports.serving)
  held.send('GET /hold HTTP/1.1\r\nHost: hello\r\n\r\n')
  await until('it is in the container', () => container.held() === 1)
  const busy = await page()
  t.match(busy, /^postern_connections 1$/m)
  t.match(busy, /^kn_serving_queue_depth(?:\{.*\})? 1$/m)
  const limited = /^Queue container is starting with BreakerParams = .*QueueDepth:10, MaxConcurrency:1,/
  t.ok(lines().some(({ message }) => limited.test(String(message))))
  held.socket.destroy()
  await until('it is counted out', async () => /^postern_connections 0$/m.test(await page()))
})

const served = JSON.parse(compatible)

t.test('fields that the policy takes away are gone in every spelling', async t => {
  const policy = { ...served, inbound: { ...served.inbound, strip: ['x_internal_user'] } }
  const { ports } = await startInside(t, { policy })
  const container = await startContainer(t, ports.user)
  const headers = { 'X-Internal-User': 'a', x_internal_user: 'b', kept: 'c' }
  t.match(await ask(ports.serving, { headers }), { status: 200 })
  const received = container.received.at(-1)?.headers ?? {}
  t.same(
    Object.keys(headers).filter(name => name.toLowerCase() in received),
    ['kept'],
  )
})

t.test("whoever says that it is the kubelet waits below the policy's own ceiling, and passes the host's", async t => {
  const send = async (limits: object, env: Environment): Promise<number> => {
    const { ports } = await startInside(t, { policy: { ...served, limits }, env })
    const container = await startContainer(t, ports.user)
    const head = 'GET /hold HTTP/1.1\r\nHost: hello\r\nK-Kubelet-Probe: queue\r\n\r\n'
    for (let i = 0; i < 2; i++) open(t, ports.serving).send(head)
    await until('one is in the container', () => container.held() > 0)
    await until('both have come', async () => {
      const page = (await ask(ports.metrics, { path: '/metrics' })).body
      return /^postern_connections 2$/m.test(page)
    })
    await probe(ports.serving)
    return container.held()
  }
  t.equal(await send({ concurrency: 1 }, prometheus), 1)
  t.equal(await send({}, { ...prometheus, CONTAINER_CONCURRENCY: '1' }), 2)
})

t.test('hosts of the policy hold in plaintext too', async t => {
  const { ports } = await startInside(t, { policy: { ...served, hosts: ['cart.example'] } })
  const container = await startContainer(t, ports.user)
  t.match(await ask(ports.serving, { headers: { host: 'cart.example' } }), { status: 200 })
  t.match(await ask(ports.serving, { headers: { host: 'other.example' } }), { status: 421 })
  t.equal(container.received.length, 1)
})

t.test('a container that is not ready is told of on stderr, in plain words', async t => {
  const probeOnce = { SERVING_READINESS_PROBE: '{"tcpSocket":{},"periodSeconds":1,"timeoutSeconds":1}' }
  const { ports, stderr, lines } = await startInside(t, { env: probeOnce })
  t.match(await probe(ports.serving), { status: 503 })
  t.match(stderr(), /^dial tcp 127\.0\.0\.1:\d+: connect: connection refused\n$/)
  t.notOk(lines().some(({ severity }) => severity === 'error'))
})

t.test('the autoscaler sees one window a second', async t => {
  const clock = new FakeClock()
  const { ports } = await startInside(t, { clock })
  const scrape = async () => {
    const text = await exchange(ports.autoscaler, 'GET /metrics HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n')
    return decodeStat(Buffer.from(text.split('\r\n\r\n')[1] ?? '', 'latin1'))
  }
  t.match(await scrape(), { pod: 'hello-00001-deployment-5f7c-abcde', uptimeSeconds: 0 })
  clock.advance(1_000)
  t.match(await ask(ports.serving), { status: 502 }, 'nobody is there, but it counts')
  clock.advance(1_000)
  const seen = await scrape()
  t.match(seen, { requestsPerSecond: 1, uptimeSeconds: 2 })
})

t.test('a clock below the day of the build is told, and nothing is judged by it', async t => {
  const now = Date.now()
  const behind = { ...systemClock, now: () => now - 400 * 86_400_000 }
  const { ports, lines } = await startInside(t, { policy: 'demo', clock: behind, builtAfter: now })
  t.match(
    lines().find(({ message }) => message === 'the clock of the host is wrong'),
    { severity: 'error', behindSeconds: 400 * 86_400 },
  )
  const container = await startDemoContainer(t, ports.user)
  t.match(await ask(ports.tls, { tls: true }), { status: 200, body: 'hello' })
  t.equal(container.received.length, 1, "the container's certificate, made now, holds")
  const installed = lines().find(({ message }) => message === 'certificate installed')
  t.ok(Number(installed?.['notAfter']) > now, 'and so does ours')
  const line = lines()[0]?.['timestamp']
  t.ok(Date.parse(String(line)) < now - 300 * 86_400_000, "lines carry the host's own time")
})

t.test('a clock that is set back revives no verdict and no certificate', async t => {
  const now = Date.now()
  let shift = 0
  const clock = { ...systemClock, now: () => Date.now() + shift }
  const { ports } = await startInside(t, { policy: 'demo', clock, builtAfter: now })
  // A certificate that ended before the build: a clock of a year ago would take it.
  const old = await makeRatlsCredential({
    source: demoFunction(),
    role: 'workload',
    policyDigest: new Uint8Array(32),
    service: undefined,
    dnsNames: ['localhost'],
    lifetimeMs: 86_400_000,
    clock: { ...systemClock, now: () => now - 400 * 86_400_000 },
  })
  const container = await startContainer(t, ports.user, old)
  shift = -400 * 86_400_000
  t.match(await ask(ports.tls, { tls: true }), { status: 502 })
  t.equal(container.received.length, 0)
})

t.test('a drain waits thirty quiet seconds, then a minute at most for tunnels', async t => {
  const clock = new FakeClock()
  const env = { REVISION_TIMEOUT_SECONDS: '3600' }
  const { ports, drain, drained, messages } = await startInside(t, { clock, env })
  await startContainer(t, ports.user)
  const tunnel = open(t, ports.serving)
  tunnel.send(websocketHead)
  await until('the tunnel', () => tunnel.text().includes(' 101 '))
  const left = drain()
  clock.advance(29_900)
  t.match(await probe(ports.serving), { status: 503, body: 'shutting down\n' })
  clock.advance(200)
  await until('the listener is gone', async () => !(await openPorts(ports)).includes('serving'))
  tunnel.send('ping')
  await until('an echo', () => tunnel.text().endsWith('ping'))
  clock.advance(59_000)
  await new Promise(resolve => setImmediate(resolve))
  t.notOk(drained() || tunnel.ended())
  clock.advance(2_000)
  await left
  await until('it is cut', () => tunnel.ended())
  t.same(await openPorts(ports), [])
  t.equal(messages().at(-1), 'Shutdown complete, exiting...')
  // The ticker of deadlines stops when it finds nothing to do.
  clock.advance(1_000)
  t.equal(clock.pending, 0, 'no timer is left')
})
