// Clients that use HTTP/2 against us: each costs no more than a bound, is counted, is told the right code, and does not
// keep its neighbours waiting.

import { constants } from 'node:http2'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { abuse, abuses } from '../support/abuse.ts'
import { block, type Framed, flag, frame, framedClient, request, type, u32 } from '../support/frames.ts'
import { ask, makeStreamStand, type Serve, type StreamStand } from '../support/http2.ts'
import { until } from '../support/process.ts'

const {
  NGHTTP2_COMPRESSION_ERROR,
  NGHTTP2_ENHANCE_YOUR_CALM,
  NGHTTP2_FLOW_CONTROL_ERROR,
  NGHTTP2_FRAME_SIZE_ERROR,
  NGHTTP2_INTERNAL_ERROR,
  NGHTTP2_PROTOCOL_ERROR,
} = constants

const headers = (
  fields: Parameters<typeof block>[0],
  stream = 1,
  flags: number = flag.endHeaders | flag.endStream,
): Buffer => frame(type.headers, flags, stream, block(fields))

/** A neighbour that is served while the abuse goes on. */
async function neighbour(t: Test, { client }: StreamStand): Promise<void> {
  t.equal((await ask(client())).status, 200, 'a neighbour is served')
}

interface Flood {
  readonly name: string
  readonly send: (wire: Framed) => void
  /** Codes of the GOAWAY; none: the connection is not ended by it. */
  readonly goodbye: readonly number[]
}

const floods: readonly Flood[] = [
  { ...abuses.continuation, goodbye: [NGHTTP2_ENHANCE_YOUR_CALM] },
  { ...abuses.pings, goodbye: [] },
  { ...abuses.settings, goodbye: [] },
  { ...abuses.empty, goodbye: [NGHTTP2_ENHANCE_YOUR_CALM] },
  {
    name: 'a window that overflows',
    send: wire => wire.send(frame(type.window, 0, 0, u32(0x7fffffff))),
    goodbye: [NGHTTP2_FLOW_CONTROL_ERROR],
  },
  {
    name: 'a window of nothing',
    send: wire => wire.send(frame(type.window, 0, 0, u32(0))),
    goodbye: [NGHTTP2_PROTOCOL_ERROR],
  },
  {
    name: 'fields that refer to nothing',
    send: wire => wire.send(frame(type.headers, flag.endHeaders | flag.endStream, 1, Buffer.of(0xff, 0x7f))),
    goodbye: [NGHTTP2_COMPRESSION_ERROR],
  },
  {
    name: 'a frame that is larger than announced',
    send: wire => wire.send(frame(type.data, 0, 1, Buffer.alloc((1 << 20) + 1))),
    goodbye: [NGHTTP2_FRAME_SIZE_ERROR],
  },
  {
    name: 'a stream that the server would open',
    send: wire => wire.send(headers(request, 2)),
    goodbye: [NGHTTP2_PROTOCOL_ERROR],
  },
  {
    name: 'a push',
    send: wire => wire.send(frame(type.push, flag.endHeaders, 1, Buffer.concat([u32(2), block(request)]))),
    goodbye: [NGHTTP2_PROTOCOL_ERROR],
  },
]

/** What may be read of a flood before it is broken off: some reads of 64 KiB. What it costs is a matter of that. */
const most = 1 << 20

/** Bytes that were read of the first connection. The largest flood brings ten times `most`. */
const readOf = ({ accepted }: StreamStand): number => accepted[0]?.bytesRead ?? Number.POSITIVE_INFINITY

for (const { name, send, goodbye } of floods) {
  t.test(name, async t => {
    const stand = await makeStreamStand(t)
    const before = process.memoryUsage().rss
    const wire = framedClient(t, stand.port)
    send(wire)
    await neighbour(t, stand)
    if (goodbye.length === 0) wire.socket.resume()
    await until('the connection is closed', () => wire.closed)
    if (goodbye.length > 0) t.ok(goodbye.includes(wire.goodbye ?? -1), `told code ${wire.goodbye}`)
    t.same(stand.misbehaviour, ['protocol'])
    t.ok(process.memoryUsage().rss - before < 200 << 20, 'memory is bounded')
    t.ok(stand.gate.visits.length <= 2, 'at most its first stream came to the gate, and the neighbour')
    t.ok(readOf(stand) < most, `${readOf(stand)} bytes of it were read`)
  })
}

/** Far more than a request takes, and far less than anybody waits for. */
const seconds = 10

/** Connections that do it at once, and how often they come back. */
const abusers = 4
const times = 3

/** As large as an answer may be that nobody reads. */
const large = Buffer.alloc(256 << 10)

for (const one of Object.values(abuses)) {
  t.test(`a connection that stands is answered within seconds beside ${one.name}`, async t => {
    const serve: Serve = (stream, headers) => {
      stream.respond({ ':status': 200, 'content-type': 'text/plain' })
      stream.end(headers[':path'] === '/large' ? large : 'hello')
    }
    const stand = await makeStreamStand(t, serve, { container: { maxSessionMemory: 1_000 } })
    const session = stand.client()
    const asks = (): ReturnType<typeof ask> => ask(session)
    await asks()
    let over = false
    const going = Promise.all(
      Array.from({ length: abusers }, async () => {
        for (let i = 0; i < times; i++) {
          const wire = abuse(t, stand.port, one)
          await delay(150)
          wire.socket.destroy()
        }
      }),
    ).finally(() => {
      over = true
    })
    let slowest = 0
    let answered = 0
    while (!over) {
      const began = performance.now()
      if ((await asks()).body !== 'hello') t.fail('a neighbour is not served')
      slowest = Math.max(slowest, performance.now() - began)
      answered++
    }
    await going
    t.ok(answered > 0 && session.destroyed === false, `${answered} requests meanwhile, on one connection`)
    t.ok(slowest < seconds * 1_000, `the slowest took ${Math.round(slowest)} ms`)
  })
}

t.test('who opens streams to break them off is told to calm down, and costs others nothing', async t => {
  const stand = await makeStreamStand(t)
  let lost = 0
  stand.container.on('session', each => each.on('error', () => lost++))
  const session = stand.client()
  await ask(session)
  for (let i = 1; i <= 3; i++) {
    const wire = abuse(t, stand.port, abuses.reset)
    t.equal((await ask(session)).status, 200)
    await until('the connection is closed', () => wire.closed)
    t.equal(wire.goodbye, NGHTTP2_ENHANCE_YOUR_CALM)
    t.same(stand.misbehaviour, Array(i).fill('reset-flood'))
    t.ok(stand.gate.visits.length <= 1 + 1_002 * i, `${stand.gate.visits.length} of ${i} times 20,000 came to the gate`)
    t.ok((stand.accepted[i]?.bytesRead ?? most) < most, 'and little more was read')
  }
  t.equal(lost, 0, 'the container, which has the bounds of nghttp2, never lost patience')
  t.ok(stand.sessions.length <= 8, `${stand.sessions.length} connections to it`)
})

t.test('streams that are broken off one by one do not cost others the connection to the container', async t => {
  let started = 0
  const serve: Serve = (stream, headers) => {
    if (headers[':path'] === '/neighbour') stream.respond({ ':status': 200 }, { endStream: true })
    else started++
  }
  const stand = await makeStreamStand(t, serve)
  let lost = 0
  let opened = 0
  stand.container.on('session', each => each.on('error', () => lost++))
  const session = stand.client()
  for (let client = 0; client < 3; client++) {
    const wire = framedClient(t, stand.port)
    for (let stream = 1; stream < 1_800; stream += 200) {
      const ids = Array.from({ length: 100 }, (_, i) => stream + 2 * i)
      opened += ids.length
      wire.send(...ids.map(id => headers(request, id)))
      await until('they have come to the container', () => started === opened)
      wire.send(...ids.map(id => frame(type.reset, 0, id, u32(8))))
      t.equal((await ask(session, { ':path': '/neighbour' })).status, 200)
    }
    wire.socket.destroy()
  }
  t.equal(lost, 0, 'the container, which has the bounds of nghttp2, never lost patience')
  t.ok(stand.sessions.length > 1 && stand.sessions.length <= 8, `${stand.sessions.length} connections`)
  const open = (): number => stand.sessions.filter(each => !each.closed && !each.destroyed).length
  await until('those that are used up are closed', () => open() === 1)
})

t.test('answers that nobody takes hold up nobody else, and what waits for them is bounded', async t => {
  let given = 0
  const serve: Serve = (stream, headers) => {
    stream.respond({ ':status': 200, 'content-type': 'text/plain' })
    if (headers[':path'] !== '/large') {
      stream.end('hello')
      return
    }
    const chunk = Buffer.alloc(16 << 10)
    const more = (): void => {
      do given += chunk.length
      while (stream.write(chunk))
    }
    stream.on('drain', more)
    more()
  }
  const stand = await makeStreamStand(t, serve, { container: { maxSessionMemory: 1_000 } })
  const before = process.memoryUsage().rss
  const wires = Array.from({ length: 3 }, () => abuse(t, stand.port, abuses.stall))
  await until('all of them are answered', () => wires.every(wire => wire.of(type.headers).length === 250))
  let last = -1
  await until('nothing moves', async () => {
    if (given === last) return true
    last = given
    await delay(200)
    return false
  })
  t.equal(stand.sessions.length, 1, 'the neighbour shares their connection to the container')
  const session = stand.client()
  for (let i = 0; i < 20; i++) t.equal((await ask(session)).body, 'hello')
  t.equal(stand.sessions.length, 1)
  const each = given / (3 * 250)
  t.ok(each < 256 << 10, `${Math.round(each / 1024)} KiB of each answer have left the container`)
  t.ok(process.memoryUsage().rss - before < 400 << 20, 'memory is bounded')
})

const malformed: readonly (readonly [name: string, fields: Parameters<typeof block>[0]])[] = [
  ['no method', { ':scheme': 'http', ':path': '/', ':authority': 'a' }],
  ['no path', { ':method': 'GET', ':scheme': 'http', ':authority': 'a' }],
  ['an empty path', { ...request, ':path': '' }],
  ['two methods', [...Object.entries(request), [':method', 'POST']]],
  ['an unknown pseudo-field', { ...request, ':x': '1' }],
  ['a pseudo-field of responses', { ...request, ':status': '200' }],
  [
    'a pseudo-field behind the others',
    [
      [':method', 'GET'],
      [':scheme', 'http'],
      ['x', '1'],
      [':path', '/'],
    ],
  ],
  ['an upper-case name', { ...request, 'X-A': '1' }],
  ['a path with a space', { ...request, ':path': '/ HTTP/1.1' }],
  ['a path with CR LF', { ...request, ':path': '/\r\nHost: evil' }],
  ['an authority with CR LF', { ...request, ':authority': 'a\r\nx: y' }],
  ['a method with a space', { ...request, ':method': 'GET /x HTTP/1.1' }],
  ['a transfer coding', { ...request, 'transfer-encoding': 'chunked' }],
  ['a Connection field', { ...request, connection: 'close' }],
  ['an Upgrade', { ...request, upgrade: 'websocket' }],
  ['a TE that is not trailers', { ...request, te: 'gzip' }],
  ['two lengths', [...Object.entries(request), ['content-length', '0'], ['content-length', '1']]],
  ['a length that is none', { ...request, 'content-length': '+1' }],
  ['a length without a body', { ...request, 'content-length': '5' }],
  ['a CONNECT for a tunnel, which is not on', { ...request, ':method': 'CONNECT', ':protocol': 'websocket' }],
]

t.test('malformed heads are reset one by one, and come neither to the gate nor to the container', async t => {
  const stand = await makeStreamStand(t)
  for (const [name, fields] of malformed) {
    const wire = framedClient(t, stand.port).send(headers(fields))
    await until(name, () => wire.resets.length > 0 || wire.closed || wire.of(type.headers).length > 0)
    const [answer] = wire.of(type.headers)
    t.equal(answer, undefined, `${name}: not answered`)
    t.equal(wire.resets[0] ?? wire.goodbye, NGHTTP2_PROTOCOL_ERROR, name)
    wire.socket.destroy()
  }
  t.equal(stand.gate.visits.length, 0)
  await neighbour(t, stand)
})

const dropped: typeof malformed = [
  ['a name with a space', { ...request, 'x a': '1' }],
  ['a name with a colon', { ...request, 'x:': '1' }],
  ['a name with CR LF', { ...request, 'x\r\ny': '1' }],
  ['a value with CR LF', { ...request, x: 'a\r\nGET /smuggled HTTP/1.1' }],
  ['a value with NUL', { ...request, x: 'a\0b' }],
]

t.test('fields that could be read as more than one are not passed on: nghttp2 drops them', async t => {
  const heads: string[] = []
  const stand = await makeStreamStand(t, (stream, _headers, raw) => {
    heads.push(raw.join('|'))
    stream.respond({ ':status': 200 }, { endStream: true })
  })
  for (const [name, fields] of [['a clean head', request] as const, ...dropped]) {
    const wire = framedClient(t, stand.port).send(headers(fields))
    await until(name, () => wire.of(type.headers).length > 0)
    t.equal(heads.at(-1), heads[0], name)
    wire.socket.destroy()
  }
  t.equal(heads.length, 1 + dropped.length)
})

t.test('a body that is not as long as its head says is cut off, at both ends', async t => {
  const reset: number[] = []
  let started = 0
  let opened = 0
  const stand = await makeStreamStand(t, stream => {
    started++
    stream.resume()
    stream.on('close', () => reset.push(stream.rstCode ?? -1))
  })
  for (const [length, body] of [
    ['5', 'abc'],
    ['2', 'abc'],
  ] as const) {
    opened++
    const fields = { ...request, ':method': 'POST', 'content-length': length }
    const wire = framedClient(t, stand.port).send(headers(fields, 1, flag.endHeaders))
    await until('the container has it', () => started === opened)
    wire.send(frame(type.data, flag.endStream, 1, Buffer.from(body)))
    await until('an end', () => wire.resets.length > 0 || wire.closed)
    t.ok([NGHTTP2_PROTOCOL_ERROR, NGHTTP2_INTERNAL_ERROR].includes(wire.resets[0] ?? wire.goodbye ?? 0))
    wire.socket.destroy()
  }
  await until('the container hears', () => reset.length === 2)
  t.ok(
    reset.every(code => code !== 0),
    'never a whole request',
  )
})

t.test('fields that grow out of few bytes (HPACK bomb) are bounded by what they grow to', async t => {
  const stand = await makeStreamStand(t)
  const before = process.memoryUsage().rss
  const wire = abuse(t, stand.port, abuses.bomb)
  await neighbour(t, stand)
  await until('resets', () => wire.resets.length > 0 || wire.closed)
  await delay(50)
  t.ok(
    wire.resets.every(code => code === NGHTTP2_ENHANCE_YOUR_CALM),
    [...new Set(wire.resets)].join(),
  )
  t.ok(stand.gate.visits.length <= 1)
  t.ok(process.memoryUsage().rss - before < 200 << 20, 'memory is bounded')
})

t.test('more fields than anybody needs are refused, a few hundred pass', async t => {
  const stand = await makeStreamStand(t, undefined, { container: { maxHeaderListPairs: 8_192 } })
  const fields = (n: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: n }, (_, i) => [`x-${i}`, '1']))
  t.equal((await ask(stand.client(), fields(500))).status, 200)
  const refused = await ask(stand.client(), fields(5_000))
  t.equal(refused.status, 0)
  t.ok([NGHTTP2_ENHANCE_YOUR_CALM, constants.NGHTTP2_REFUSED_STREAM].includes(refused.code), `code ${refused.code}`)
})

t.test('streams beyond the number announced are refused, and do nobody harm', async t => {
  const stand = await makeStreamStand(t, () => {})
  const wire = framedClient(t, stand.port).send(frame(type.settings, flag.ack, 0))
  for (let stream = 1; stream <= 2 * 300; stream += 2) wire.send(headers(request, stream))
  await until('refusals', () => wire.resets.length >= 50 || wire.closed)
  t.ok(stand.gate.visits.length <= 250, `${stand.gate.visits.length} came in`)
  t.ok(wire.resets.every(code => code === constants.NGHTTP2_REFUSED_STREAM))
})
