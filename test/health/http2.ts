import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { createServer as createNetServer } from 'node:net'
import t, { type Test } from 'tap'
import { makeDialer } from '../../src/engine/dial.ts'
import { http2 } from '../../src/health/http2.ts'
import { type Fields, targetOf } from '../../src/health/target.ts'
import { FakeClock } from '../support/clock.ts'
import { freePort, listen } from '../support/sockets.ts'

function asker(port: number, fields: Fields = [], drain = true) {
  const clock = new FakeClock()
  const dialer = makeDialer({ host: '127.0.0.1', port, clock, judge: undefined, refused() {} })
  const target = targetOf({ kind: 'http', scheme: 'http', host: '127.0.0.1', port, path: 'a?b', headers: [] })
  const get = http2({ clock, dial: () => dialer.dial, verified: false })
  return { clock, answer: get(target, fields, clock.monotonic() + 1000, drain) }
}

async function container(t: Test, answer: (stream: ServerHttp2Stream) => void) {
  const seen: string[][] = []
  const server: Http2Server = createServer()
  server.on('stream', (stream, _headers, _flags, raw) => {
    stream.on('error', () => {})
    seen.push(raw)
    answer(stream)
  })
  server.on('session', session => session.on('error', () => {}))
  return { port: await listen(t, server), seen }
}

const pseudo = (port: number) => [
  ':authority',
  `127.0.0.1:${port}`,
  ':method',
  'GET',
  ':path',
  '/a?b',
  ':scheme',
  'http',
]

t.test('exactly these fields are sent', async t => {
  const { port, seen } = await container(t, stream => {
    stream.respond({ ':status': 200 })
    stream.end('body')
  })
  t.same(await asker(port).answer, { status: 200, location: '' })
  t.same(seen, [[...pseudo(port), 'user-agent', 'kube-probe//', 'accept-encoding', 'gzip']])
})

t.test('what was declared is added, but for what HTTP/2 does not have', async t => {
  const { port, seen } = await container(t, stream => stream.respond({ ':status': 204 }, { endStream: true }))
  const refused = [
    'Host',
    'User-Agent',
    'Connection',
    'Keep-Alive',
    'Transfer-Encoding',
    'Upgrade',
    'TE',
    'Content-Length',
  ]
  const { answer } = asker(port, [
    ['X-Custom', 'a'],
    ['x-custom', 'b'],
    ['Authorization', 'c'],
    ...refused.map(name => [name, 'x'] as const),
  ])
  t.match(await answer, { status: 204 })
  t.same(seen, [
    [
      ...pseudo(port),
      ...['user-agent', 'kube-probe//', 'x-custom', 'a', 'x-custom', 'b', 'authorization', 'c'],
      ...['accept-encoding', 'gzip'],
    ],
  ])
})

t.test('status and Location come back at once where a redirect is one', async t => {
  const { port } = await container(t, stream => stream.respond({ ':status': 307, location: '/next' }))
  t.same(await asker(port).answer, { status: 307, location: '/next' })
})

t.test('the body is read to its end, or for as long as there is time', async t => {
  let whole = false
  const slow = await container(t, stream => {
    stream.respond({ ':status': 200 })
    setTimeout(() => {
      whole = true
      stream.end('b')
    }, 30)
  })
  t.match(await asker(slow.port).answer, { status: 200 })
  t.ok(whole)
  let wrote: () => void = () => {}
  const written = new Promise<void>(resolve => {
    wrote = resolve
  })
  const endless = await container(t, stream => {
    stream.respond({ ':status': 200 })
    stream.write('a', () => setTimeout(wrote, 20))
  })
  const { clock, answer } = asker(endless.port)
  await written
  clock.advance(1000)
  t.match(await answer, { status: 200 })
  t.match(await asker(endless.port, [], false).answer, { status: 200 })
})

t.test('nobody listens', async t => {
  const port = await freePort()
  t.equal(await asker(port).answer, `dial tcp 127.0.0.1:${port}: connect: connection refused`)
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

t.test('a container that speaks HTTP/1.1', async t => {
  const port = await listen(
    t,
    createNetServer(socket => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))),
  )
  t.equal(await asker(port).answer, 'ERR_HTTP2_ERROR')
})

t.test('a container that closes', async t => {
  const port = await listen(
    t,
    createNetServer(socket => socket.once('data', () => socket.end())),
  )
  t.equal(await asker(port).answer, 'unexpected EOF')
})

t.test('a container that refuses the request', async t => {
  const { port } = await container(t, stream => stream.close(7))
  t.equal(await asker(port).answer, 'ERR_HTTP2_STREAM_ERROR')
})

t.test('a field that cannot be sent', async t => {
  const { port } = await container(t, () => {})
  t.equal(await asker(port, [['a b', 'c']]).answer, 'ERR_INVALID_HTTP_TOKEN')
})
