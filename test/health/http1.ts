import { createServer, type RequestListener } from 'node:http'
import { createServer as createNetServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import { makeDialer } from '../../src/engine/dial.ts'
import { http1 } from '../../src/health/http1.ts'
import type { Fields } from '../../src/health/target.ts'
import { targetOf } from '../../src/health/target.ts'
import { ecKeys, makeCertificate } from '../support/certificates.ts'
import { FakeClock } from '../support/clock.ts'
import { listen } from '../support/sockets.ts'

interface Asking {
  readonly scheme?: 'http' | 'https'
  readonly path?: string
  readonly fields?: Fields
  readonly drain?: boolean
  readonly host?: string
}

/** One GET to a port of this machine. */
function asker(port: number, asking: Asking = {}) {
  const { scheme = 'http', path = 'healthz', fields = [], drain = true, host = '127.0.0.1' } = asking
  const clock = new FakeClock()
  const dialer = makeDialer({ host: '127.0.0.1', port, clock, judge: undefined, refused() {} })
  const target = targetOf({ kind: 'http', scheme, host, port, path, headers: [] })
  const get = http1({ clock, dial: () => dialer.dial, verified: false })
  return { clock, answer: get(target, fields, clock.monotonic() + 1000, drain) }
}

async function container(t: Test, answer: RequestListener) {
  const seen: { target: string; fields: string[] }[] = []
  const server = createServer((request, response) => {
    seen.push({ target: `${request.method} ${request.url}`, fields: request.rawHeaders })
    answer(request, response)
  })
  return { port: await listen(t, server), seen }
}

const served = (status: number, headers: Record<string, string> = {}): RequestListener => {
  return (_request, response) => {
    response.writeHead(status, headers).end('body')
  }
}

const ordinary = (port: number) => ['Host', `127.0.0.1:${port}`, 'User-Agent', 'kube-probe//']
const gzip = ['Accept-Encoding', 'gzip']
const close = ['Connection', 'close']

t.test('exactly these fields are sent', async t => {
  const { port, seen } = await container(t, served(200))
  t.same(await asker(port, { path: 'a/b?c=d' }).answer, { status: 200, location: '' })
  t.same(seen, [{ target: 'GET /a/b?c=d', fields: [...ordinary(port), ...gzip, ...close] }])
})

const declared: [name: string, fields: Fields, sent: string[]][] = [
  [
    'what was declared is added',
    [
      ['X-Custom', 'a'],
      ['X-Custom', 'b'],
    ],
    ['X-Custom', 'a', 'X-Custom', 'b', ...gzip, ...close],
  ],
  [
    'Host, User-Agent and what frames a body are not declared',
    [
      ['Host', 'h.example'],
      ['user-agent', 'custom'],
      ['HOST', 'i.example'],
      ['Content-Length', '5'],
      ['Transfer-Encoding', 'chunked'],
      ['Trailer', 'X-A'],
    ],
    [...gzip, ...close],
  ],
  ['another compression', [['accept-encoding', 'br']], ['accept-encoding', 'br', ...close]],
  ['a declared close is not repeated', [['connection', 'Close']], ['connection', 'Close', ...gzip]],
  [
    'a declared keep-alive is not kept',
    [['Connection', 'keep-alive']],
    ['Connection', 'keep-alive', ...gzip, ...close],
  ],
]
for (const [name, fields, sent] of declared) {
  t.test(name, async t => {
    const { port, seen } = await container(t, served(200))
    t.match(await asker(port, { fields }).answer, { status: 200 })
    t.same(seen[0]?.fields, [...ordinary(port), ...sent])
  })
}

t.test('status and Location come back', async t => {
  const { port } = await container(t, served(302, { Location: '/next' }))
  t.same(await asker(port).answer, { status: 302, location: '/next' })
})

t.test('the body is read to its end', async t => {
  let whole = false
  const { port } = await container(t, (_request, response) => {
    response.write('a')
    setTimeout(() => {
      whole = true
      response.end('b')
    }, 30)
  })
  t.match(await asker(port).answer, { status: 200 })
  t.ok(whole)
})

t.test('who wants the head only waits for the head only', async t => {
  const { port } = await container(t, (_request, response) => {
    response.write('a')
  })
  t.match(await asker(port, { drain: false }).answer, { status: 200 })
})

t.test('a body that does not end in time, or breaks off, does not matter', async t => {
  let wrote: () => void = () => {}
  const written = new Promise<void>(resolve => {
    wrote = resolve
  })
  const endless = await container(t, (_request, response) => {
    response.write('a', () => setTimeout(wrote, 20))
  })
  const { clock, answer } = asker(endless.port)
  await written
  clock.advance(1000)
  t.match(await answer, { status: 200 })
  const cut = await listen(
    t,
    createNetServer(socket => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc'))),
  )
  t.match(await asker(cut).answer, { status: 200 })
})

t.test('a container that does not answer in time', async t => {
  let asked: () => void = () => {}
  const arrived = new Promise<void>(resolve => {
    asked = resolve
  })
  const { port } = await container(t, () => asked())
  const { clock, answer } = asker(port)
  await arrived
  clock.advance(1000)
  t.equal(await answer, 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)')
})

const rude: [name: string, serve: (socket: Socket) => void, answer: RegExp | object][] = [
  ['closes', socket => socket.end(), /^EOF$/],
  [
    'resets',
    socket => socket.resetAndDestroy(),
    /^read tcp 127\.0\.0\.1:\d+->127\.0\.0\.1:\d+: read: connection reset/,
  ],
  ['speaks something else', socket => socket.end('hello\r\n\r\n'), /malformed HTTP response \(HPE_INVALID_CONSTANT\)$/],
  ['ends in its head', socket => socket.end('HTTP/1.1 200 OK\r\nA'), /^net\/http: .* unexpected EOF$|^EOF$/],
  [
    'switches protocols unasked',
    socket => socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
    { status: 101 },
  ],
  ['sends a large head', socket => socket.end(`HTTP/1.1 200 OK\r\nA: ${'a'.repeat(100_000)}\r\n\r\n`), { status: 200 }],
  [
    'sends an interim response',
    socket => socket.end('HTTP/1.1 103 Hi\r\n\r\nHTTP/1.1 204 No\r\n\r\n'),
    { status: 204 },
  ],
]
for (const [name, serve, expected] of rude) {
  t.test(`a container that ${name}`, async t => {
    const port = await listen(
      t,
      createNetServer(socket => socket.once('data', () => serve(socket))),
    )
    t.match(await asker(port).answer, expected)
  })
}

// The declaration comes from the environment: what cannot be sent fails the probe, never the process.
const unsendable: [name: string, asking: Asking, text: string][] = [
  ['a field name', { fields: [['a b', 'c']] }, 'ERR_INVALID_HTTP_TOKEN'],
  ['a field value', { fields: [['a', 'b\r\nc: d']] }, 'ERR_INVALID_CHAR'],
  ['a path', { path: 'a b' }, 'ERR_UNESCAPED_CHARACTERS'],
]
for (const [name, asking, text] of unsendable) {
  t.test(`${name} that cannot be sent`, async t => {
    const { port, seen } = await container(t, served(200))
    t.equal(await asker(port, asking).answer, text)
    t.same(seen, [])
  })
}

async function credential() {
  const keys = ecKeys()
  const der = await makeCertificate({ name: 'self-signed', keys })
  const cert = `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`
  return { cert, key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) }
}

t.test('https to a container in plaintext: whatever certificate it shows', async t => {
  let name: string | false | undefined
  let protocol: string | false | null = null
  const server = createTlsServer({ ...(await credential()), ALPNProtocols: ['http/1.1'] }, socket => {
    name = 'servername' in socket && typeof socket.servername === 'string' ? socket.servername : false
    protocol = socket.alpnProtocol
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\n'))
  })
  const port = await listen(t, server)
  t.match(await asker(port, { scheme: 'https' }).answer, { status: 200 })
  t.equal(protocol, 'http/1.1')
  t.notOk(name, 'an address is no name')
  t.match(await asker(port, { scheme: 'https', host: 'h.example' }).answer, { status: 200 })
  t.equal(name, 'h.example')
})

t.test('https to a container that speaks http', async t => {
  const { port } = await container(t, served(200))
  t.equal(await asker(port, { scheme: 'https' }).answer, 'http: server gave HTTP response to HTTPS client')
})

t.test('behind a verified dialer TLS is already there', async t => {
  const { port, seen } = await container(t, served(200))
  const clock = new FakeClock()
  const { dial } = makeDialer({ host: '127.0.0.1', port, clock, judge: undefined, refused() {} })
  const target = targetOf({ kind: 'http', scheme: 'https', host: '127.0.0.1', port, path: '', headers: [] })
  const get = http1({ clock, dial: () => dial, verified: true })
  t.match(await get(target, [], Number.POSITIVE_INFINITY, true), { status: 200 })
  t.equal(seen.length, 1)
})
