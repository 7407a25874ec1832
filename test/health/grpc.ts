import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { createServer as createNetServer, type Socket } from 'node:net'
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { makeDialer } from '../../src/engine/dial.ts'
import { probeGrpc } from '../../src/health/grpc.ts'
import type { Dial, Means } from '../../src/health/reach.ts'
import { ecKeys, makeCertificate } from '../support/certificates.ts'
import { FakeClock } from '../support/clock.ts'
import { settled } from '../support/gate.ts'
import { freePort, listen } from '../support/sockets.ts'

const check = (port: number) => ({ kind: 'grpc', port, service: 'svc' }) as const

function asker(port: number, timeoutMs = 1000) {
  const clock = new FakeClock()
  const { dial } = makeDialer({ host: '127.0.0.1', port, clock, judge: undefined, refused() {} })
  const asked: string[] = []
  const means: Means = {
    clock,
    verified: false,
    dial(host, to) {
      asked.push(`${host}:${to}`)
      return dial
    },
  }
  return { clock, asked, answer: probeGrpc(check(port), timeoutMs, means) }
}

/** A health service. `answer` is called when the request has ended. */
async function service(t: Test, answer: (stream: ServerHttp2Stream) => void) {
  const seen: { fields: string[]; body: string }[] = []
  const server = createServer()
  server.on('session', session => session.on('error', () => {}))
  server.on('stream', (stream, _headers, _flags, fields) => {
    let body = ''
    stream.on('error', () => {})
    stream.setEncoding('latin1')
    stream.on('data', (chunk: string) => {
      body += chunk
    })
    stream.on('end', () => {
      seen.push({ fields, body })
      answer(stream)
    })
  })
  return { port: await listen(t, server), seen }
}

interface Answer {
  readonly body?: Uint8Array
  readonly trailers?: Record<string, string>
  readonly type?: string
  readonly status?: number
}

/** Answers as a gRPC server does: head, one message, trailers. */
const says =
  ({ body, trailers = { 'grpc-status': '0' }, type = 'application/grpc', status = 200 }: Answer = {}) =>
  (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': status, 'content-type': type }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    stream.end(body)
  }

const message = (status: number): Uint8Array => Uint8Array.of(0, 0, 0, 0, 2, 8, status)

t.test('a service that serves; exactly this is sent', async t => {
  const { port, seen } = await service(t, says({ body: message(1) }))
  const { answer, asked } = asker(port)
  t.equal(await answer, undefined)
  t.same(asked, [`127.0.0.1:${port}`])
  t.same(
    seen.map(({ fields, body }) => [body, fields.filter(each => !/^\d+u$/.test(each))]),
    [
      [
        '\0\0\0\0\x05\n\x03svc',
        [
          ...[':authority', `127.0.0.1:${port}`, ':method', 'POST', ':path', '/grpc.health.v1.Health/Check'],
          ...[':scheme', 'http', 'content-type', 'application/grpc', 'user-agent', 'kube-probe// grpc-go/1.82.1'],
          ...['te', 'trailers', 'grpc-timeout', 'grpc-accept-encoding', 'gzip'],
        ],
      ],
    ],
  )
})

const failure = (code: string, text: string): string =>
  `health rpc probe failed: rpc error: code = ${code} desc = ${text}`

const spoken: [name: string, answer: Answer, text: string | undefined][] = [
  ['a type with more', { body: message(1), type: 'application/grpc+proto' }, undefined],
  ['not serving', { body: message(2) }, 'service unhealthy (responded with "NOT_SERVING")'],
  ['a status alone', { trailers: { 'grpc-status': '5', 'grpc-message': 'gone' } }, failure('NotFound', 'gone')],
  [
    'no gRPC',
    { status: 404, type: 'text/html' },
    'this server does not implement the grpc health protocol (grpc.health.v1.Health) rpc error: code = Unimplemented ' +
      'desc = unexpected HTTP status code received from server: 404 (Not Found); ' +
      'transport: received unexpected content-type "text/html"',
  ],
]
for (const [name, answer, text] of spoken) {
  t.test(name, async t => {
    const { port } = await service(t, says(answer))
    t.equal(await asker(port).answer, text)
  })
}

const bare: [name: string, headers: Record<string, string>, text: string][] = [
  [
    'a head that says it all',
    { 'content-type': 'application/grpc', 'grpc-status': '5', 'grpc-message': 'nope' },
    failure('NotFound', 'nope'),
  ],
  ['a head alone', { 'content-type': 'application/grpc' }, failure('Unknown', '')],
]
for (const [name, headers, text] of bare) {
  t.test(name, async t => {
    const { port } = await service(t, stream => stream.respond({ ':status': 503, ...headers }, { endStream: true }))
    t.equal(await asker(port).answer, text)
  })
}

t.test('a service that compresses', async t => {
  const { port } = await service(t, stream => {
    const head = { ':status': 200, 'content-type': 'application/grpc', 'grpc-encoding': 'gzip' }
    stream.respond(head, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    const packed = gzipSync(Uint8Array.of(8, 1))
    stream.end(Buffer.concat([Uint8Array.of(1, 0, 0, 0, packed.length), packed]))
  })
  t.equal(await asker(port).answer, undefined)
})

t.test('a service that ends without trailers', async t => {
  const { port } = await service(t, stream => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    stream.end(message(1))
  })
  t.equal(await asker(port).answer, failure('Internal', 'server closed the stream without sending trailers'))
})

t.test('a service that does not stop', async t => {
  const { port } = await service(t, stream => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    stream.write(Buffer.alloc(100_000, 0xff))
  })
  t.match(await asker(port).answer, failure('Internal', 'grpc: received unexpected payload format 255'))
})

const resets: [number: number, code: string, name: string][] = [
  [2, 'Internal', 'INTERNAL_ERROR'],
  [7, 'Unavailable', 'REFUSED_STREAM'],
  [8, 'Canceled', 'CANCEL'],
  [200, 'Internal', '200'],
]
for (const [number, code, name] of resets) {
  t.test(`a stream that is reset with ${name}`, async t => {
    const { port } = await service(t, stream => stream.close(number))
    t.equal(await asker(port).answer, failure(code, `stream terminated by RST_STREAM with error code: ${name}`))
  })
}

t.test('a connection that is lost on the way', async t => {
  const { port } = await service(t, stream => stream.session?.destroy())
  t.equal(await asker(port).answer, failure('Unavailable', 'error reading from server: EOF'))
})

const dialling: [name: string, serve: (socket: Socket) => void, text: string][] = [
  ['closes', socket => socket.end(), 'EOF'],
  ['resets', socket => socket.resetAndDestroy(), 'connection reset by peer'],
  [
    'speaks HTTP/1.1',
    socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    'http2: failed reading the frame payload: http2: frame too large, note that the frame header looked like an HTTP/1.1 header',
  ],
]
for (const [name, serve, text] of dialling) {
  t.test(`a container that ${name}`, async t => {
    const port = await listen(
      t,
      createNetServer(socket => socket.once('data', () => serve(socket))),
    )
    const expected = failure('Unavailable', `connection error: desc = "error reading server preface: ${text}"`)
    t.equal(await asker(port).answer, expected)
  })
}

t.test('nobody listens', async t => {
  const port = await freePort()
  const text = `transport: Error while dialing: dial tcp 127.0.0.1:${port}: connect: connection refused`
  t.equal(await asker(port).answer, failure('Unavailable', `connection error: desc = "${text}"`))
})

const late = (text: string, time = '1s'): string =>
  `health rpc did not complete within ${time}: rpc error: code = DeadlineExceeded desc = context deadline exceeded${text}`

t.test('a container that says nothing', async t => {
  let arrive: () => void = () => {}
  const arrived = new Promise<void>(resolve => {
    arrive = resolve
  })
  const port = await listen(
    t,
    createNetServer(socket => socket.once('data', arrive)),
  )
  const { clock, answer } = asker(port)
  await arrived
  clock.advance(1000)
  t.equal(await answer, late(' while waiting for connections to become ready'))
})

t.test('a service that does not answer in time', async t => {
  let arrive: () => void = () => {}
  const arrived = new Promise<void>(resolve => {
    arrive = resolve
  })
  const { port } = await service(t, () => arrive())
  const { clock, answer } = asker(port, 100)
  await arrived
  clock.advance(100)
  t.equal(await answer, late('', '100ms'))
})

t.test('a time of 0 is over', async t => {
  const { answer, asked } = asker(1, 0)
  t.equal(await answer, late('', '0s'))
  t.same(asked, [])
})

/** A dialer that ends in TLS, with what the container agreed to. */
async function secure(t: Test, protocols: string[]) {
  const keys = ecKeys()
  const der = Buffer.from(await makeCertificate({ name: 'self-signed', keys })).toString('base64')
  const cert = `-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----\n`
  const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' })
  const seen: IncomingHttpHeaders[] = []
  const h2 = createServer()
  h2.on('stream', (stream, headers) => {
    seen.push(headers)
    stream.resume()
    says({ body: message(1) })(stream)
  })
  const port = await listen(
    t,
    createTlsServer({ cert, key, ALPNProtocols: protocols }, socket => h2.emit('connection', socket)),
  )
  const dial: Dial = done => {
    const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: protocols }, () =>
      done({ socket }),
    )
    return () => {}
  }
  const means: Means = { clock: new FakeClock(), verified: true, dial: () => dial }
  return { seen, answer: probeGrpc(check(port), 1000, means) }
}

t.test('behind a verified dialer gRPC needs a container that agreed to HTTP/2', async t => {
  const agreed = await secure(t, ['h2'])
  t.equal(await agreed.answer, undefined)
  t.match(agreed.seen, [{ ':scheme': 'https' }])
  const other = await secure(t, ['http/1.1'])
  t.equal(await other.answer, 'grpc probe: the container did not choose HTTP/2 (want ALPN h2)')
  await settled()
  t.same(other.seen, [])
})
