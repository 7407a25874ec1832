// Between the versions of HTTP: clients and containers that speak different ones.

import { once } from 'node:events'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { Out } from '../../src/engine/bytes/out.ts'
import type { Pool } from '../../src/engine/bytes/pool.ts'
import { deaf, type Ear } from '../../src/engine/bytes/wire.ts'
import type { Dialer, Protocol } from '../../src/engine/dial.ts'
import type { EngineOptions } from '../../src/engine/engine.ts'
import { Asked } from '../../src/engine/h2/asked.ts'
import { BridgeWire } from '../../src/engine/h2/bridge-wire.ts'
import type { TunnelCaller } from '../../src/engine/h2/call.ts'
import type { Discovery } from '../../src/engine/h2/discovery.ts'
import { Reaching } from '../../src/engine/h2/reach.ts'
import type { Upstream } from '../../src/engine/h2/upstream.ts'
import type { FakeClock } from '../support/clock.ts'
import { plainDialer } from '../support/engine.ts'
import { Backend, dialWire, type Wire } from '../support/engine-wire.ts'
import {
  ask,
  hear,
  introduced,
  makeStreamStand,
  type StreamStand,
  type StreamStandOptions,
  spoofed,
} from '../support/http2.ts'
import { until } from '../support/process.ts'
import { listen } from '../support/sockets.ts'

/** Clients of HTTP/2, and a container of raw HTTP/1.1. @param valid whether the verdict about it holds */
async function toHttp1(
  t: Test,
  options: StreamStandOptions = {},
  valid = (): boolean => true,
): Promise<StreamStand & { backend: Backend }> {
  const backend = new Backend()
  const port = await listen(
    t,
    createServer({ allowHalfOpen: true, noDelay: true }, socket => backend.accept(socket)),
  )
  const stand = await makeStreamStand(t, undefined, {
    protocol: 'http/1.1',
    makeDialer: (_, clock) => ({ ...plainDialer(port, clock), verified: true, valid }),
    ...options,
  })
  return { ...stand, backend }
}

const ok = (body: string, fields = ''): string =>
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`

t.test('a stream becomes a request of HTTP/1.1, and its answer a stream', async t => {
  const { client, backend, gate } = await toHttp1(t)
  const session = client()
  const heard = ask(session, {
    ':path': '/a?b',
    ':authority': 'app.example',
    cookie: ['a=1', 'b=2'],
    te: 'trailers',
    'x-a': '1',
  })
  const container = await backend.next()
  const { head, line } = await container.head()
  t.equal(line, 'GET /a?b HTTP/1.1')
  t.same(head.toLowerCase().split('\r\n').slice(1).sort(), [
    'cookie: a=1; b=2',
    'host: app.example',
    'te: trailers',
    'x-a: 1',
    'x-forwarded-for: 192.0.2.7',
  ])
  container.send('HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n')
  container.send(ok('hello', 'Connection: X-Gone\r\nX-Gone: 1\r\nKeep-Alive: 5\r\n'))
  const answer = await heard
  t.match(answer, { status: 200, body: 'hello', interim: [103], code: 0 })
  t.match(answer.headers, { 'x-gone': undefined, 'keep-alive': undefined, 'content-length': '5' })
  t.same(await (await gate.next()).over(), ['interim 103', 'responded 200', 'finished complete 0'])

  const again = ask(session, { ':method': 'HEAD' })
  t.equal((await container.head()).line, 'HEAD / HTTP/1.1')
  container.send('HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n')
  t.match(await again, { status: 200, headers: { 'content-length': '7' }, body: '' })
  t.equal(backend.wires.length, 1, 'on the connection that was kept')
})

t.test('bodies pass both ways with their lengths, or in chunks with their trailers', async t => {
  const { client, backend } = await toHttp1(t)
  const session = client()
  const sized = ask(session, { ':method': 'POST', 'content-length': '5' }, 'hello')
  const container = await backend.next()
  t.match(await container.message(), { body: 'hello' })
  container.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: v\r\n\r\n')
  t.match(await sized, { body: 'abc', trailers: { 'x-t': 'v' }, headers: { trailer: 'X-T' } })

  const stream = session.request({ ':method': 'POST', trailer: 'x-sum' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1', 'transfer-encoding-x': 'y' }))
  stream.write('one')
  const chunked = hear(stream)
  t.equal((await container.head()).field('transfer-encoding'), 'chunked')
  stream.end('two')
  t.equal(await container.through('x-sum: 1\r\n'), '3\r\none\r\n3\r\ntwo\r\n0\r\nx-sum: 1\r\n')
  t.equal(await container.through('\r\n\r\n'), 'transfer-encoding-x: y\r\n\r\n')
  container.send(ok('done'))
  t.match(await chunked, { body: 'done' })

  const none = ask(session, { ':method': 'POST' })
  t.equal((await container.head()).field('content-length'), '0')
  container.send(ok(''))
  t.match(await none, { status: 200 })
})

const unfit: readonly (readonly [name: string, method: string, target: string, fields: readonly string[]])[] = [
  ['a method with a space', 'GET /x HTTP/1.1', '/', []],
  ['a target with a space', 'GET', '/ HTTP/1.1', []],
  ['a target with CR LF', 'GET', '/\r\nX: y', []],
  ['a name with a colon', 'GET', '/', ['x:', 'y']],
  ['a value with CR LF', 'GET', '/', ['x', 'a\r\nGET / HTTP/1.1']],
  ['a cookie with CR LF', 'GET', '/', ['cookie', 'a=1\r\nx: y']],
  ['two lengths', 'POST', '/', ['content-length', '1', 'content-length', '2']],
]

t.test('what HTTP/1.1 would read in another way is not sent there, whoever let it through', async t => {
  for (const [name, method, target, fields] of unfit) {
    let destroyed = 0
    const pool = { take: () => ({ destroy: () => destroyed++ }) } as unknown as Pool
    const discovery = { spoken: 'http/1.1' } as unknown as Discovery
    const options = { authority: 'a', strip: [], allowUnframed: false } as unknown as EngineOptions
    const raw = [':method', method, ':scheme', 'http', ':path', target, ':authority', 'a', ...fields]
    const asked = new Asked(raw, { address: '192.0.2.7', secure: true }, true, () => false)
    let outcome: unknown
    const caller = { opened: (call: unknown) => (outcome = call) } as unknown as TunnelCaller
    new Reaching(options, discovery, pool).call(asked, caller)
    t.match(outcome, { code: 'request-malformed' }, name)
    t.equal(destroyed, 1)
  }
})

t.test('a kept connection that is gone costs nothing, one that breaks is told', async t => {
  const { client, backend, gate } = await toHttp1(t)
  const session = client()
  const first = ask(session)
  const container = await backend.next()
  await container.head()
  container.send(ok('first'))
  await first
  await gate.next()
  const second = ask(session)
  await container.head()
  container.socket.destroy()
  const fresh = await backend.next()
  await fresh.head()
  fresh.send(ok('second'))
  t.match(await second, { body: 'second' })
  t.same(await (await gate.next()).over(), ['responded 200', 'finished complete 1'])

  const begun = session.request()
  const third = hear(begun)
  await fresh.head()
  fresh.send('HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 10\r\n\r\npart')
  await once(begun, 'response')
  fresh.socket.destroy()
  t.match(await third, { status: 200, code: 2 })

  const fourth = ask(session)
  const next = await backend.next()
  await next.head()
  next.send('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n')
  t.match(await fourth, { status: 502, body: 'upstream-switched\n' })

  const fifth = session.request({ ':method': 'POST' })
  fifth.on('error', () => {})
  const left = await backend.next()
  await left.head()
  fifth.close(8)
  await left.gone()
  t.pass('and hears when the client leaves')
})

t.test('a stream outlives the verdict about a container of HTTP/1.1 by ten minutes and no more', async t => {
  let holds = true
  const { client, backend, gate, clock } = await toHttp1(t, {}, () => holds)
  const stream = client().request({ ':method': 'POST' })
  const heard = hear(stream)
  const container = await backend.next()
  await container.head()
  container.send('HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n')
  await once(stream, 'data')
  clock.advance(3_600_000)
  holds = false
  clock.advance(600_000)
  container.send('3\r\ntwo\r\n')
  await once(stream, 'data')
  clock.advance(1_000)
  t.match(await heard, { status: 200, body: 'onetwo', code: 2 })
  await container.gone()
  const visit = await gate.next()
  t.match(visit.faults, [{ code: 'upstream-untrusted' }])
  t.same(await visit.over(), ['responded 200', 'failed upstream-untrusted', 'finished upstream-failed 0'])
})

t.test('a client that does not read stops a container of HTTP/1.1', async t => {
  const { client, backend } = await toHttp1(t)
  const stream = client().request()
  const container = await backend.next()
  await container.head()
  container.send('HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 33554432\r\n\r\n')
  await once(stream, 'response')
  const all = container.socket.write(Buffer.alloc(32 << 20))
  t.equal(all, false)
  let before = -1
  while (container.socket.bytesWritten - container.socket.writableLength !== before) {
    before = container.socket.bytesWritten - container.socket.writableLength
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  t.ok(container.socket.writableLength > 16 << 20, 'most of it waits at the container')
  const { body } = await hear(stream)
  t.equal(body.length, 32 << 20)
})

/** A client of raw HTTP/1.1 before a container of HTTP/2. */
async function fromHttp1(t: Test, serve?: Parameters<typeof makeStreamStand>[1], options: StreamStandOptions = {}) {
  const stand = await makeStreamStand(t, serve, { protocol: 'h2', ...options })
  const wire = (): Promise<Wire> => dialWire(t, stand.port)
  return { ...stand, wire }
}

t.test('a response outlives the verdict about a container of HTTP/2 by ten minutes and no more', async t => {
  let holds = true
  const codes: number[] = []
  const { wire, sessions, gate, clock } = await fromHttp1(
    t,
    stream => {
      stream.respond({ ':status': 200, 'content-type': 'a/b' })
      stream.on('close', () => codes.push(stream.rstCode ?? -1))
      stream.on('data', (chunk: Buffer) => stream.write(chunk))
    },
    {
      makeDialer: (port, clock) => ({
        ...choosing(port, clock, () => 'h2', []),
        verified: true,
        valid: () => holds,
      }),
    },
  )
  const client = await wire()
  client.send('POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n')
  t.match(await client.head(), { line: 'HTTP/1.1 200 OK' })
  t.equal(await client.take(8), '3\r\none\r\n')
  clock.advance(3_600_000)
  holds = false
  clock.advance(600_000)
  client.send('3\r\ntwo\r\n')
  t.equal(await client.take(8), '3\r\ntwo\r\n')
  clock.advance(1_000)
  t.equal(await client.rest(), '', 'broken off, not ended')
  await until('the container hears', () => codes.length > 0 && sessions[0]?.destroyed === true)
  t.same(codes, [8])
  const visit = await gate.next()
  t.match(visit.faults, [{ code: 'upstream-untrusted' }])
  t.same(await visit.over(), ['responded 200', 'failed upstream-untrusted', 'finished upstream-failed 0'])
})

t.test('a request of HTTP/1.1 becomes a stream, and keeps its connection', async t => {
  const seen: string[] = []
  const { wire, sessions } = await fromHttp1(t, (stream, headers, raw) => {
    seen.push(
      raw
        .filter((_, i) => i % 2 === 0)
        .map((name, i) => `${name}=${raw[2 * i + 1]}`)
        .sort()
        .join(' '),
    )
    let body = ''
    let sum = ''
    stream.on('trailers', trailers => {
      sum = String(trailers['x-sum'])
    })
    stream.on('data', chunk => {
      body += chunk
    })
    stream.on('end', () => {
      stream.additionalHeaders({ ':status': 103, link: 'x' })
      stream.respond({ ':status': 200, 'content-type': 'text/plain' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-t': 'v' }))
      stream.end(headers[':method'] === 'HEAD' ? undefined : `${body}${sum}`)
    })
  })
  const client = await wire()
  client.send('GET /a HTTP/1.1\r\nHost: app\r\nX-A: 1\r\nTE: trailers\r\n\r\n')
  t.equal((await client.head()).line, 'HTTP/1.1 103 Early Hints')
  t.match(await client.head(), { line: 'HTTP/1.1 200 OK' })
  t.equal(await client.take('0\r\nx-t: v\r\n\r\n'.length), '0\r\nx-t: v\r\n\r\n')
  t.equal(seen[0], ':authority=app :method=GET :path=/a :scheme=http te=trailers x-a=1 x-forwarded-for=192.0.2.7')

  client.send(
    'POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n',
  )
  await client.head()
  t.match(await client.head(), { line: 'HTTP/1.1 200 OK' })
  t.equal(await client.take(4 + 5), '4\r\nabc6\r\n')
  await client.take('0\r\nx-t: v\r\n\r\n'.length)

  client.send('POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 5\r\n\r\nhello')
  await client.head()
  await client.head()
  t.equal(await client.take(5 + 5), '5\r\nhello\r\n')
  t.equal(sessions.length, 1)
})

t.test('who the client is, the container hears from us alone, whatever the two speak', async t => {
  const { client, backend } = await toHttp1(t, introduced)
  void ask(client(), spoofed)
  const { head } = await (await backend.next()).head()
  t.same(head.match(/^.*peer.*$/gim), ['postern-peer: id="a"'])

  const peers: string[] = []
  const serve: Parameters<typeof makeStreamStand>[1] = (stream, _headers, raw) => {
    peers.push(...[...raw.keys()].filter(i => /peer/.test(raw[i] ?? '')).map(i => `${raw[i]}: ${raw[i + 1]}`))
    stream.respond({ ':status': 204 }, { endStream: true })
  }
  const { wire } = await fromHttp1(t, serve, introduced)
  const http1 = await wire()
  const lines = Object.entries(spoofed).map(([name, value]) => `${name}: ${value}\r\n`)
  http1.send(`GET / HTTP/1.1\r\nHost: app\r\n${lines.join('')}\r\n`)
  t.match(await http1.head(), { line: 'HTTP/1.1 204 No Content' })
  t.same(peers, ['postern-peer: id="a"'])
})

t.test('heads without a body, lengths and resets of a stream mean the same in HTTP/1.1', async t => {
  const { wire, gate } = await fromHttp1(t, (stream, headers) => {
    if (headers[':path'] === '/204') stream.respond({ ':status': 204 }, { endStream: true })
    else if (headers[':path'] === '/empty') stream.respond({ ':status': 200 }, { endStream: true })
    else if (headers[':path'] === '/sized') {
      stream.respond({ ':status': 200, 'content-type': 'a/b', 'content-length': 3 })
      stream.end('abc')
    } else if (headers[':path'] === '/reset') stream.close(2)
    else {
      stream.respond({ ':status': 200, 'content-type': 'a/b', 'content-length': 9 })
      stream.write('part')
      setTimeout(() => stream.close(2), 20)
    }
  })
  const client = await wire()
  const get = (path: string): Wire => client.send(`GET ${path} HTTP/1.1\r\nHost: app\r\n\r\n`)
  get('/204')
  t.match(await client.head(), { line: 'HTTP/1.1 204 No Content' })
  get('/empty')
  t.match(await client.message(), { line: 'HTTP/1.1 200 OK', body: '' })
  get('/sized')
  t.match(await client.message(), { line: 'HTTP/1.1 200 OK', body: 'abc' })
  get('/reset')
  t.match(await client.message(), { line: 'HTTP/1.1 502 Bad Gateway' })
  get('/part')
  await client.head()
  t.equal(await client.rest(), 'part')
  await until('the last report', () => gate.visits.every(visit => visit.finishes === 1))
  t.same(gate.visits.at(-1)?.story.at(-1), 'finished upstream-failed 0')
})

t.test('a large body passes, and a container that does not read stops the client', async t => {
  let read = (): void => {}
  const { wire } = await fromHttp1(t, stream => {
    let bytes = 0
    read = () =>
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'a/b' })
      stream.end(String(bytes))
    })
  })
  const client = await wire()
  const size = 16 << 20
  client.send(`POST / HTTP/1.1\r\nHost: app\r\nContent-Length: ${size}\r\n\r\n`)
  client.socket.write(Buffer.alloc(size))
  await new Promise(resolve => setTimeout(resolve, 400))
  t.ok(client.socket.writableLength > 4 << 20, 'most of it waits at the client')
  read()
  t.match(await client.head(), { line: 'HTTP/1.1 200 OK' })
  t.match(await client.take(4), '8\r\n1')
})

t.test('a bridge has no socket to give away, and what is only for sockets does nothing', async t => {
  let closed = 0
  const ear: Ear = { ...deaf, closed: () => closed++ }
  const asked: string[][] = []
  const upstream = {
    room: true,
    scheme: 'http',
    ask: (fields: string[]) => {
      asked.push(fields)
      return { send: () => true, end() {}, stop() {}, go() {}, cancel() {} }
    },
  } as unknown as Upstream
  const wire = new BridgeWire(upstream, ear)
  t.throws(() => wire.release(), { code: 'internal' })
  t.equal(wire.keep(), undefined)
  t.match([wire.writable, wire.pending, wire.full], [true, 0, false])
  for (const nothing of ['end', 'keepFrom', 'cork', 'uncork', 'gather', 'pause', 'resume', 'opened'] as const)
    wire[nothing]()
  const out = new Out()
  t.equal(wire.send(out.text('GET / HTTP/1.1\r\nHost: a\r\nHTTP2-Settings: x\r\n\r\n')), true)
  t.same(asked, [[':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'a']])
  wire.pause()
  wire.resume()
  wire.reset()
  wire.close()
  t.equal(wire.writable, false)
  await new Promise(resolve => setImmediate(resolve))
  t.equal(closed, 1)
})

t.test('a client that leaves resets its stream', async t => {
  const codes: number[] = []
  const { wire, gate } = await fromHttp1(t, stream => {
    stream.on('close', () => codes.push(stream.rstCode ?? -1))
  })
  const client = await wire()
  client.send('GET / HTTP/1.1\r\nHost: app\r\n\r\n')
  await gate.next()
  await new Promise(resolve => setTimeout(resolve, 50))
  client.socket.destroy()
  await until('a reset', () => codes.length > 0)
  t.same(codes, [8])
})

/** A dialer whose container chooses as `chosen` says, as ALPN would have it. */
function choosing(port: number, clock: FakeClock, chosen: () => Protocol, offers: string[]): Dialer {
  const plain = plainDialer(port, clock)
  return {
    ...plain,
    dial: (done, how = {}) => {
      offers.push((how.offer ?? ['http/1.1']).join())
      return plain.dial(outcome => {
        const protocol = how.offer?.includes('h2') ? chosen() : 'http/1.1'
        done('socket' in outcome ? { ...outcome, protocol } : outcome)
      }, how)
    },
  }
}

t.test('the container says what it speaks, once, and both versions of client reach it', async t => {
  for (const speaks of ['h2', 'http/1.1'] as const) {
    const offers: string[] = []
    const backend = createServer(socket => {
      socket.on('error', () => {})
      socket.on('data', () => socket.write(ok('one')))
    })
    const http1 = await listen(t, backend)
    const { client, port } = await makeStreamStand(t, undefined, {
      protocol: 'auto',
      makeDialer: (http2, clock) => choosing(speaks === 'h2' ? http2 : http1, clock, () => speaks, offers),
    })
    const wire = await dialWire(t, port)
    wire.send('GET / HTTP/1.1\r\nHost: app\r\n\r\n')
    const session = client()
    const [first, ...heard] = await Promise.all([wire.head(), ask(session), ask(session)])
    t.equal(first.line, 'HTTP/1.1 200 OK', speaks)
    t.match(heard, [{ status: 200 }, { status: 200 }])
    t.equal(offers.filter(offer => offer === 'h2,http/1.1').length, 1, 'asked once')
    t.ok(speaks === 'http/1.1' || offers.length === 1, 'and shared where it can be')
  }
})

t.test('clients that leave while the container is asked what it speaks are not waited for', async t => {
  let tell = (): void => {}
  const { client, gate, sessions } = await makeStreamStand(t, undefined, {
    protocol: 'auto',
    makeDialer: (port, clock) => {
      const chosen = choosing(port, clock, () => 'h2', [])
      return {
        ...chosen,
        dial: (done, how) => {
          tell = () => chosen.dial(done, how)
          return () => {}
        },
      }
    },
  })
  const session = client()
  const leaving = [session.request(), session.request()]
  const staying = ask(session)
  const visits = [await gate.next(), await gate.next(), await gate.next()]
  for (const stream of leaving) {
    stream.on('error', () => {})
    stream.close(8)
  }
  for (const visit of visits.slice(0, 2)) t.same(await visit.over(), ['finished client-left 0'])
  tell()
  t.match(await staying, { status: 200 })
  t.equal(sessions.length, 1)
})

t.test('a container that could not be had is asked anew', async t => {
  const offers: string[] = []
  let port = 1
  const { client } = await makeStreamStand(t, undefined, {
    protocol: 'auto',
    makeDialer: (http2, clock) => {
      const chosen: Dialer = choosing(http2, clock, () => 'h2', offers)
      return {
        ...chosen,
        dial: (done, how) => (port === 1 ? choosing(1, clock, () => 'h2', offers) : chosen).dial(done, how),
      }
    },
  })
  const session = client()
  t.match(await Promise.all([ask(session), ask(session)]), [{ status: 502 }, { status: 502 }])
  port = 2
  t.match(await ask(session), { status: 200 })
  const gone = session.request()
  gone.on('error', () => {})
  gone.close(8)
  t.match(await ask(session), { status: 200 })
})
