// Tunnels over streams (RFC 8441), against a container of raw HTTP/1.1.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { constants } from 'node:http2'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { plainDialer } from '../support/engine.ts'
import { Backend, type Wire } from '../support/engine-wire.ts'
import { askTunnel, openTunnel } from '../support/extended-connect.ts'
import { block, flag, frame, framedClient, request, type } from '../support/frames.ts'
import { makeRig } from '../support/gate.ts'
import { hear, makeStreamStand, type StreamStand, type StreamStandOptions, sendable } from '../support/http2.ts'
import { until } from '../support/process.ts'
import { listen } from '../support/sockets.ts'

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR } = constants

/** @param valid whether the verdict about the container holds */
async function stand(
  t: Test,
  options: StreamStandOptions = {},
  valid = (): boolean => true,
): Promise<StreamStand & { backend: Backend }> {
  const backend = new Backend()
  const port = await listen(
    t,
    createServer({ allowHalfOpen: true, noDelay: true }, socket => backend.accept(socket)),
  )
  const made = await makeStreamStand(t, undefined, {
    extendedConnect: true,
    makeDialer: (_, clock) => ({ ...plainDialer(port, clock), valid }),
    ...options,
  })
  return { ...made, backend }
}

const accept = (key = ''): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

/** The container agrees. */
async function agree(container: Wire, fields = '', behind = ''): Promise<string> {
  const { head, field } = await container.head()
  const answer = `Sec-WebSocket-Accept: ${accept(field('sec-websocket-key'))}\r\n${fields}`
  container.send(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${answer}\r\n${behind}`,
  )
  return head
}

async function tunnel(t: Test, options?: StreamStandOptions, valid?: () => boolean) {
  const made = await stand(t, options, valid)
  const session = made.client()
  const opening = openTunnel(session)
  const container = await made.backend.next()
  await agree(container)
  const { stream } = await opening
  return { ...made, session, container, stream, visit: await made.gate.next() }
}

t.test('a tunnel that a stream asks for is an Upgrade to the container, and bytes go both ways', async t => {
  const { client, backend, gate } = await stand(t)
  const session = client()
  const opening = openTunnel(session, {
    'sec-websocket-protocol': 'chat',
    'sec-websocket-key': 'bm90IHRoZSBwcm94eSdzIQ==',
    cookie: ['a=1', 'b=2'],
  })
  const container = await backend.next()
  const head = await agree(container, 'Sec-WebSocket-Protocol: chat\r\nContent-Length: 0\r\n', 'early')
  const [line, ...fields] = head.split('\r\n')
  t.equal(line, 'GET /ws?a=b HTTP/1.1')
  t.match(fields.map(field => field.replace(/^(Sec-WebSocket-Key): [\w+/]{22}==$/, '$1: made')).sort(), [
    'Connection: Upgrade',
    'Host: app.example',
    'Sec-WebSocket-Key: made',
    'Upgrade: websocket',
    'X-Forwarded-For: 192.0.2.7',
    'cookie: a=1; b=2',
    'sec-websocket-protocol: chat',
    'sec-websocket-version: 13',
  ])
  t.notMatch(head, 'bm90IHRoZSBwcm94eSdzIQ', "the client's own key is nobody's")
  const { stream, headers } = await opening
  t.match(headers, {
    ':status': 200,
    'sec-websocket-protocol': 'chat',
    'sec-websocket-accept': undefined,
    'content-length': undefined,
    'content-type': undefined,
  })
  t.equal(String((await once(stream, 'data'))[0]), 'early')
  stream.write('hello')
  t.equal(await container.take(5), 'hello')
  container.send('and back')
  t.equal(String((await once(stream, 'data'))[0]), 'and back')
  const visit = await gate.next()
  t.match(
    [visit.head.method, visit.head.target, visit.head.upgrade, visit.head.header('upgrade')],
    ['GET', '/ws?a=b', true, 'websocket'],
    'the gate sees an Upgrade',
  )
  t.equal(visit.head.header('transfer-encoding'), undefined)
  stream.end('bye')
  t.equal(await container.rest(), 'bye')
  await until('the end', () => stream.closed)
  t.equal(stream.rstCode, NGHTTP2_NO_ERROR)
  t.same(await visit.over(), ['responded 101', 'finished complete 0'])
  t.match([visit.bytesReceived, visit.bytesSent], [8, 13])
})

t.test('an end of the container is the end of the stream; behind it what it had said', async t => {
  const { container, stream, visit } = await tunnel(t)
  const heard = hear(stream)
  container.end('last words')
  t.match(await heard, { body: 'last words', code: NGHTTP2_NO_ERROR })
  t.same(await visit.over(), ['responded 101', 'finished complete 0'])
})

t.test('a reset is one on the other side too', async t => {
  const theirs = await tunnel(t)
  const heard = hear(theirs.stream)
  theirs.container.reset()
  t.equal((await heard).code, NGHTTP2_CANCEL)
  t.same(await theirs.visit.over(), ['responded 101', 'finished complete 0'])
  const ours = await tunnel(t)
  ours.stream.close(NGHTTP2_CANCEL)
  await ours.container.gone()
  t.same(await ours.visit.over(), ['responded 101', 'finished client-left 0'])
})

t.test('who reads nothing stops the other side, not memory, both ways', async t => {
  const { container, stream } = await tunnel(t)
  stream.pause()
  const size = 32 << 20
  container.socket.write(Buffer.alloc(size))
  const waits = async (left: () => number): Promise<number> => {
    let before = -1
    while (left() !== before) {
      before = left()
      await new Promise(resolve => setTimeout(resolve, 150))
    }
    return before
  }
  t.ok((await waits(() => container.socket.writableLength)) > size / 2, 'most of it waits at the container')
  let taken = 0
  stream.on('data', chunk => {
    taken += chunk.length
  })
  stream.resume()
  await until('all of it', () => taken === size)

  container.socket.pause()
  const before = container.total
  stream.write(Buffer.alloc(size))
  t.ok((await waits(() => stream.writableLength + container.total)) > 0)
  t.ok(stream.writableLength > 0, 'some of it waits at the client')
  container.socket.resume()
  await until('all of it', () => container.total - before === size)
})

t.test('who speaks before the switch is stopped, and loses nothing', async t => {
  const { client, backend } = await stand(t)
  const session = client()
  const size = 1 << 20
  const streams = await Promise.all(Array.from({ length: 8 }, () => askTunnel(session)))
  for (const stream of streams) stream.write(Buffer.alloc(size, 'x'))
  const sent = await sendable(session)
  t.ok(sent < 4 << 20, `${sent} bytes of ${streams.length * size}`)
  for (let i = 0; i < streams.length; i++) await agree(await backend.next())
  for (const wire of backend.wires) t.equal((await wire.take(size)).length, size)
})

t.test('where it is not on, it is neither announced nor served', async t => {
  for (const options of [{ extendedConnect: false }, { plaintext: 'probes-only' }] as const) {
    const { client, gate, port } = await stand(t, options)
    const session = client()
    const [settings] = await once(session, 'remoteSettings')
    t.equal(settings.enableConnectProtocol, false)
    const connect = { ...request, ':method': 'CONNECT', ':protocol': 'websocket' }
    const wire = framedClient(t, port).send(frame(type.headers, flag.endHeaders, 1, block(connect)))
    await until('a reset', () => wire.resets.length > 0)
    t.equal(wire.resets[0], NGHTTP2_PROTOCOL_ERROR)
    t.equal(gate.visits.length, 0)
  }
})

t.test('what may not be tunnelled is a CONNECT like any other, and the container hears nothing', async t => {
  const { client, backend, gate } = await stand(t)
  for (const more of [
    { ':protocol': 'connect-udp' },
    { ':protocol': 'h2c' },
    { ':protocol': 'websocket, h2c' },
    { 'content-length': '5' },
  ]) {
    const heard = await hear(await askTunnel(client(), more))
    t.match(heard, { status: 502, body: 'connect-unsupported\n' }, JSON.stringify(more))
    const { head } = await gate.next()
    t.match([head.method, head.upgrade], ['CONNECT', false])
  }
  t.equal((await hear(await askTunnel(client(), { ':path': '/a b' }))).status, 0, 'and a path is looked at')
  t.equal(gate.visits.length, 4)
  t.equal(backend.wires.length, 0)
})

const unproven: readonly (readonly [name: string, answer: string])[] = [
  ['another key', 'HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n'],
  ['no key', 'HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'],
  ['another protocol', 'HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n'],
  ['no switch at all', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'],
]

t.test('a switch that does not answer what was asked is none, however lenient others are', async t => {
  const { client, backend, gate } = await stand(t, { lenientWebSocket: true })
  const session = client()
  for (const [name, answer] of unproven) {
    const heard = askTunnel(session).then(hear)
    const container = await backend.next()
    await container.head()
    container.send(answer)
    t.match(await heard, { status: 502, body: 'upstream-switched\n', code: NGHTTP2_NO_ERROR }, name)
    await container.gone()
    t.equal((await (await gate.next()).over()).at(-1), 'finished upstream-failed 0', name)
  }
})

t.test('a refusal of the container is the answer', async t => {
  const { client, backend, gate } = await stand(t)
  const heard = askTunnel(client()).then(hear)
  const container = await backend.next()
  await container.head()
  container.send('HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno')
  t.match(await heard, { status: 403, body: 'no', code: NGHTTP2_NO_ERROR })
  t.same(await (await gate.next()).over(), ['responded 403', 'finished complete 0'])
})

t.test('a cut ends a tunnel on both sides', async t => {
  const { container, stream, visit } = await tunnel(t)
  const heard = hear(stream)
  visit.driver.cut()
  t.equal((await heard).code, NGHTTP2_CANCEL)
  await container.gone()
  t.same(await visit.over(), ['responded 101', 'finished cut 0'])
})

t.test('a tunnel ends a minute after its verdict', async t => {
  let holds = true
  const { clock, container, stream, visit } = await tunnel(t, {}, () => holds)
  const heard = hear(stream)
  holds = false
  clock.advance(5_000)
  clock.advance(59_999)
  await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(stream.closed, false)
  clock.advance(1)
  t.equal((await heard).code, NGHTTP2_CANCEL)
  await container.gone()
  t.same(await visit.over(), ['responded 101', 'finished cut 0'])
})

t.test('tunnels do not hold up the drain of requests, but the end of connections', async t => {
  const { engine, clock, container, stream } = await tunnel(t)
  engine.drain()
  await engine.drained()
  clock.advance(1_000)
  let closed = false
  const end = engine.closed().then(() => {
    closed = true
  })
  container.send('still here')
  t.equal(String((await once(stream, 'data'))[0]), 'still here')
  t.equal(closed, false)
  stream.end()
  await container.gone()
  await end
})

t.test('an engine that goes down breaks tunnels off', async t => {
  const { engine, container, stream } = await tunnel(t)
  const heard = hear(stream)
  engine.destroy()
  await container.gone()
  t.not((await heard).code, NGHTTP2_NO_ERROR)
})

t.test('a tunnel holds its slot, and no idle connection', async t => {
  const { gate, limiter } = makeRig({ plaintext: 'serve', working: 1 })
  const { client, backend, clock } = await stand(t, { gate, idleConnectionMs: 5_000 })
  const session = client()
  const opening = openTunnel(session)
  const container = await backend.next()
  await agree(container)
  const { stream } = await opening
  t.equal(limiter.inFlight, 1)
  clock.advance(20_000)
  container.send('x')
  t.equal(String((await once(stream, 'data'))[0]), 'x', 'it is not idle')
  stream.end()
  await until('the slot is free', () => limiter.inFlight === 0)
})
