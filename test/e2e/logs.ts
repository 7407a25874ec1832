// What leaves in log lines and on stderr, and what must not: nothing that a client wrote ever does.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { loadPolicy } from '../../src/config/policy.ts'
import {
  ask,
  choosePorts,
  environment,
  type Ports,
  probe,
  startServing,
  stopAtOnce,
  until,
} from '../support/process.ts'
import { type Container, open, startContainer, startDemoContainer, websocketHead } from '../support/process-inside.ts'
import { exchange } from '../support/sockets.ts'

/** The place in the code may stand among them. */
const keysOf = (line: object): string[] => Object.keys(line).filter(key => key !== 'caller')
const knativeKeys = ['severity', 'timestamp', 'logger', 'message', 'commit', 'knative.dev/key', 'knative.dev/pod']

async function setUp(t: Test, policy: 'compatible' | 'demo', env: Record<string, string> = {}) {
  const ports = await choosePorts()
  const container = policy === 'demo' ? await startDemoContainer(t, ports.user) : await startContainer(t, ports.user)
  const proxy = await startServing(t, policy, environment(ports, env))
  return { ports, container, proxy }
}

t.test("every line is JSON with Knative's keys, and the first one says what runs", async t => {
  const { proxy, ports } = await setUp(t, 'demo', { CONTAINER_CONCURRENCY: '7' })
  t.match(await ask(ports.tls, { tls: true }), { status: 200 })
  await stopAtOnce(proxy)
  const lines = proxy.lines()
  for (const line of lines) {
    t.same(keysOf(line).slice(0, knativeKeys.length), knativeKeys)
    t.match(line, {
      severity: /^(debug|info|warn|error|fatal)$/,
      timestamp: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
      logger: 'queueproxy',
      commit: /^\d+\.\d+\.\d+$/,
      'knative.dev/key': 'default/hello-00001',
      'knative.dev/pod': 'hello-00001-deployment-5f7c-abcde',
    })
  }
  const { digest } = loadPolicy('demo', () => new Uint8Array())
  const starts = lines.filter(({ message }) => message === 'Starting queue-proxy')
  t.equal(starts.length, 1)
  t.equal(starts[0], lines[0])
  t.match(lines[0], {
    severity: 'info',
    policy: 'demo',
    policyDigest: Buffer.from(digest).toString('hex'),
    upstream: 'attested',
    tee: 'SYNTHETIC, NOT ATTESTED',
    dangers: ['dangerSyntheticRoot'],
    config: {
      'ports.serving': `${ports.serving} (host)`,
      concurrency: '7 (host)',
      'tls.minVersion': 'TLSv1.3 (policy)',
      'readiness.checks': 'tcp (policy)',
      maxConnections: '10000 (default)',
    },
  })
  t.match(
    lines.slice(0, 8).map(({ message }) => message),
    [
      'Starting queue-proxy',
      /^Queue container is starting with BreakerParams = .*MaxConcurrency:7/,
      `Starting http server admin:${ports.admin}`,
      `Starting http server metrics:${ports.autoscaler}`,
      `Starting http server main:${ports.serving}`,
      `Starting http server main tls:${ports.tls}`,
      'certificate installed',
      'Received TERM signal, attempting to gracefully shutdown servers.',
    ],
  )
})

t.test('a level hides what is below it', async t => {
  const { proxy } = await setUp(t, 'compatible', { SERVING_LOGGING_LEVEL: 'error' })
  proxy.signal('SIGTERM')
  proxy.signal('SIGINT')
  await proxy.exit
  t.equal(proxy.stdout(), '')
})

const canary = `canary${randomBytes(8).toString('hex')}`

/** Sends bytes to a port and waits until the other side has closed, or has had its time. */
async function throwAt(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    answer += text
  })
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(bytes, 'latin1')
  await until('an answer or the end', () => answer !== '' || socket.destroyed || socket.readableEnded, 3_000).catch(
    () => {},
  )
  socket.destroy()
  return answer
}

/** Bytes inside a TLS session of their own. */
async function throwAtTls(port: number, bytes: string): Promise<string> {
  const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  let answer = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    answer += text
  })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  socket.write(bytes, 'latin1')
  await until('an answer or the end', () => answer !== '' || socket.destroyed || socket.readableEnded, 3_000).catch(
    () => {},
  )
  socket.destroy()
  return answer
}

type Throw = (port: number, bytes: string) => Promise<string>

/** Everywhere where a client may write something; each with the status that it must get. */
const attempts: [name: string, bytes: string, status: RegExp][] = [
  ['a header', `GET / HTTP/1.1\r\nHost: a\r\nX-Secret: ${canary}\r\n\r\n`, / 200 /],
  ['a header name', `GET / HTTP/1.1\r\nHost: a\r\nX-${canary}: 1\r\n\r\n`, / 200 /],
  ['a target', `GET /${canary}?q=${canary} HTTP/1.1\r\nHost: a\r\n\r\n`, / 200 /],
  ['an absolute target', `GET http://${canary}/ HTTP/1.1\r\nHost: a\r\n\r\n`, / 200 /],
  ['a host', `GET / HTTP/1.1\r\nHost: ${canary}\r\n\r\n`, / 200 /],
  [
    'credentials',
    `GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${canary}\r\nCookie: s=${canary}\r\n\r\n`,
    / 200 /,
  ],
  ['a body', `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${canary.length}\r\n\r\n${canary}`, / 200 /],
  [
    'a probe header',
    `GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: kube-probe/1\r\nK-Network-Probe: ${canary}\r\n\r\n`,
    / 400 /,
  ],
  ['an expectation', `POST / HTTP/1.1\r\nHost: a\r\nExpect: ${canary}\r\nContent-Length: 1\r\n\r\nx`, / 417 /],
  ['CONNECT', `CONNECT ${canary}:443 HTTP/1.1\r\nHost: ${canary}:443\r\n\r\n`, / 502 /],
  // A method that nobody knows is the container's business: this one refuses it without a length.
  ['a method', `${canary.toUpperCase()} / HTTP/1.1\r\nHost: a\r\n\r\n`, / (?:400|502) /],
  ['a version', `GET / ${canary}\r\nHost: a\r\n\r\n`, / (400|505) /],
  ['a broken header', `GET / HTTP/1.1\r\nHost: a\r\n${canary} : x\r\n\r\n`, / 400 /],
  ['a header that has no colon', `GET / HTTP/1.1\r\n${canary}\r\n\r\n`, / 400 /],
  ['two lengths', `POST /${canary} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx`, / 400 /],
  ['a broken chunk', `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${canary}\r\n`, / \d\d\d |^$/],
  ['a head beyond all limits', `GET / HTTP/1.1\r\nHost: a\r\nX: ${canary.repeat(50_000)}\r\n\r\n`, / 431 /],
  ['an unprintable target', `GET /\u0001${canary} HTTP/1.1\r\nHost: a\r\n\r\n`, / 400 /],
  ['no HTTP at all', `${canary}\r\n\r\n`, / 400 /],
  [
    'an upgrade that is no websocket',
    `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${canary}\r\n\r\n`,
    / \d\d\d /,
  ],
  [
    'a websocket key',
    websocketHead.replace('dGhlIHNhbXBsZSBub25jZQ==', canary).replace('/socket', `/socket?${canary}`),
    / 101 /,
  ],
]

async function throwEverything(t: Test, port: number, send: Throw): Promise<void> {
  for (const [name, bytes, status] of attempts) t.match((await send(port, bytes)).split('\r\n')[0], status, name)
}

async function withoutContainer(t: Test, ports: Ports, container: Container, tls: boolean): Promise<void> {
  container.kill()
  await until('the container is gone', () => container.killed())
  const headers = { 'X-Secret': canary, Authorization: canary }
  const answer = await ask(tls ? ports.tls : ports.serving, {
    tls,
    path: `/${canary}`,
    headers,
    method: 'POST',
    body: canary,
  })
  t.equal(answer.status, 502)
}

async function quiet(t: Test, ports: Ports, proxy: Awaited<ReturnType<typeof setUp>>['proxy']): Promise<void> {
  t.notMatch((await ask(ports.autoscaler, { path: '/metrics' })).body, canary)
  if (proxy.stdout().includes(`user-metrics:${ports.metrics}`)) {
    t.notMatch((await ask(ports.metrics, { path: '/metrics' })).body, canary)
  }
  t.notOk(proxy.exited())
  await stopAtOnce(proxy)
  const said = proxy.stdout() + proxy.stderr()
  t.notOk(said.includes(canary) || said.toLowerCase().includes(canary), 'nothing of it was said')
  t.notMatch(said, /rawPacket|bytesParsed|\bat .*\.[jt]s:\d/, 'no error object and no stack')
  t.equal(proxy.lines().filter(({ code }) => code === 'internal').length, 0)
}

const metrics = { OBSERVABILITY_CONFIG: '{"requestMetrics":{"protocol":"prometheus"}}', SERVING_LOGGING_LEVEL: 'debug' }

t.test('nothing that a client writes on the plain port is ever logged', async t => {
  const { proxy, ports, container } = await setUp(t, 'compatible', metrics)
  await throwEverything(t, ports.serving, throwAt)
  t.ok(
    container.received.some(({ headers }) => headers['x-secret'] === canary),
    'while the container gets it',
  )
  const tunnel = open(t, ports.serving)
  tunnel.send(websocketHead)
  await until('the tunnel', () => tunnel.text().includes(' 101 '))
  tunnel.send(canary)
  await until('an echo', () => tunnel.text().includes(canary))
  tunnel.socket.resetAndDestroy()
  await withoutContainer(t, ports, container, false)
  await quiet(t, ports, proxy)
})

t.test('nor through the TLS port, nor by a broken handshake', async t => {
  const { proxy, ports, container } = await setUp(t, 'demo', metrics)
  await throwEverything(t, ports.tls, throwAtTls)
  for (const [, bytes] of attempts) await throwAt(ports.serving, bytes)
  for (const bytes of [
    canary,
    `GET /${canary} HTTP/1.1\r\n\r\n`,
    `\x16\x03\x01\x00\x50\x01${canary}`,
    `\x15\x03\x03\x00\x02${canary}`,
  ]) {
    await throwAt(ports.tls, bytes)
  }
  const named = tlsConnect({ port: ports.tls, host: '127.0.0.1', servername: canary, ALPNProtocols: [canary] })
  named.on('error', () => {})
  await until('the handshake is refused', () => named.destroyed)
  t.match(await ask(ports.tls, { tls: true }), { status: 200 }, 'it still serves')
  await withoutContainer(t, ports, container, true)
  await quiet(t, ports, proxy)
})

t.test('nor on a side port: the preStop hook is logged without its request', async t => {
  const { proxy, ports } = await setUp(t, 'compatible', metrics)
  for (const port of [ports.admin, ports.autoscaler, ports.metrics]) {
    for (const [, bytes] of attempts) await throwAt(port, bytes)
  }
  const head = `GET /wait-for-drain?${canary} HTTP/1.1\r\nHost: ${canary}\r\nX-${canary}: ${canary}\r\n`
  t.match(await exchange(ports.admin, `${head}Connection: close\r\n\r\n`), / 200 OK/)
  const hooks = proxy.lines().filter(({ message }) => message === 'Attached drain handler from user-container')
  t.equal(hooks.length, 1)
  t.same(keysOf(hooks[0] ?? {}), knativeKeys)
  await quiet(t, ports, proxy)
})

t.test('what an impostor says is not logged either', async t => {
  const ports = await choosePorts()
  const proxy = await startImpostor(t, ports)
  const answer = await ask(ports.tls, { tls: true, path: `/${canary}`, headers: { 'X-Secret': canary } })
  t.equal(answer.status, 502)
  await stopAtOnce(proxy)
  t.match(
    proxy.lines().find(({ message }) => message === 'container refused'),
    {
      severity: 'error',
      code: 'upstream-untrusted',
      reasons: [{ rule: 'handshake' }],
    },
  )
  t.notOk((proxy.stdout() + proxy.stderr()).includes(canary))
})

/** A plain server that answers everything with the canary, in the container's place. */
async function startImpostor(t: Test, ports: Ports) {
  const container = await startDemoContainer(t, ports.user)
  const proxy = await startServing(t, 'demo', environment(ports))
  container.kill()
  await until('the container is gone', () => container.killed())
  const impostor = createServer(socket => {
    socket.on('error', () => {})
    socket.write(`HTTP/1.1 200 ${canary}\r\n\r\n${canary}`)
  }).listen(ports.user, '127.0.0.1')
  await once(impostor, 'listening')
  t.teardown(() => impostor.close())
  return proxy
}

const poison = ['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString', 'valueOf', '__defineGetter__']

t.test('names of prototypes in headers are names like any other', async t => {
  const { proxy, ports, container } = await setUp(t, 'compatible', metrics)
  for (const name of poison) {
    const head = `GET /${name} HTTP/1.1\r\nHost: a\r\n${name}: polluted\r\nConnection: close, ${name}x\r\nTE: ${name}\r\n`
    t.match(await exchange(ports.serving, `${head}Upgrade: ${name}\r\nK-Network-Hash: ${name}\r\n\r\n`), / 200 OK/)
    t.match(
      await exchange(ports.admin, `GET /${name} HTTP/1.1\r\nHost: a\r\n${name}: x\r\nConnection: close\r\n\r\n`),
      / 404 /,
    )
  }
  t.equal(container.received.length, poison.length)
  t.match(await ask(ports.serving), { status: 200, body: 'hello' })
  t.match(await probe(ports.serving), { status: 200, body: 'queue' })
  await quiet(t, ports, proxy)
  for (const line of proxy.lines()) t.same(keysOf(line).slice(0, knativeKeys.length), knativeKeys)
})

t.test('names of prototypes in the JSON of the environment change nothing', async t => {
  const planted = (rest: string) =>
    `{"__proto__":{"polluted":"yes","enableRequestLog":true,"tcpSocket":{"port":1}},"constructor":{"prototype":{"polluted":"yes"}},${rest}`
  const { proxy, ports } = await setUp(t, 'compatible', {
    OBSERVABILITY_CONFIG: planted('"requestMetrics":{"__proto__":{"protocol":"prometheus"},"protocol":"none"}}'),
    SERVING_READINESS_PROBE: planted(
      '"periodSeconds":1,"timeoutSeconds":1,"httpGet":{"path":"/ready","__proto__":{"port":1}}}',
    ),
    SERVING_LOGGING_CONFIG: planted(
      '"level":"info","outputPaths":["stdout"],"encoderConfig":{"__proto__":{"messageKey":"polluted"}}}',
    ),
  })
  t.match(await probe(ports.serving), { status: 200, body: 'queue' })
  t.match(await ask(ports.serving), { status: 200, body: 'hello' })
  await stopAtOnce(proxy)
  t.notMatch(proxy.stdout() + proxy.stderr(), 'polluted')
  t.match(proxy.lines()[0], {
    config: {
      'observability.enableRequestLog': 'false (host)',
      'observability.requestMetrics': 'none (host)',
      'readiness.checks': 'http (host)',
    },
  })
})
