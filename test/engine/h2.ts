import { once } from 'node:events'
import { type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { Dialer, Link } from '../../src/engine/dial.ts'
import type { Verdict } from '../../src/gate/contract.ts'
import type { FakeClock } from '../support/clock.ts'
import { plainDialer, RecordingGate } from '../support/engine.ts'
import {
  block,
  Framed,
  flag,
  frame,
  framedClient,
  framedContainer,
  preface,
  request,
  type,
  u32,
} from '../support/frames.ts'
import { makeRig } from '../support/gate.ts'
import {
  ask,
  hear,
  introduced,
  makeStreamStand,
  type Serve,
  type StreamStandOptions,
  sendable,
  spoofed,
} from '../support/http2.ts'
import { until as untilNamed } from '../support/process.ts'
import { listen } from '../support/sockets.ts'

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } =
  constants

const until = (condition: () => boolean): Promise<true> => untilNamed('what the test waits for', condition)

const say =
  (status: number, body: string, more = {}): Serve =>
  stream => {
    stream.respond({ ':status': status, 'content-type': 'text/plain', ...more })
    stream.end(body)
  }

t.test('fields, body and trailers pass, each rewritten by the same rules as in HTTP/1.1', async t => {
  const seen: { raw: readonly string[]; trailers?: unknown; body?: string }[] = []
  const { client, gate } = await makeStreamStand(t, (stream, _headers, raw) => {
    const request: (typeof seen)[number] = { raw }
    seen.push(request)
    stream.on('trailers', (_trailers: unknown, _flags: number, fields: string[]) => {
      request.trailers = fields
    })
    stream.on('data', (chunk: Buffer) => {
      request.body = `${request.body ?? ''}${chunk}`
    })
    stream.on('end', () => {
      stream.respond(
        { ':status': 201, 'content-type': 'text/plain', trailer: 'x-sum', 'keep-alive': undefined },
        { waitForTrailers: true },
      )
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'abc', 'content-type': 'text/html' }))
      stream.end('answer')
    })
  })
  const stream = client().request(
    {
      ':method': 'POST',
      ':path': '/a?b=%zz;c',
      ':authority': 'app.example:99',
      te: 'trailers',
      trailer: 'x-sent',
      'x-forwarded-for': '192.0.2.1',
      'knative-serving-revision': 'r',
      cookie: ['a=1', 'b=2'],
      'http2-settings': undefined,
    },
    { waitForTrailers: true },
  )
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sent': 'v', host: 'smuggled' }))
  stream.end('body')
  const heard = await hear(stream)
  t.match(heard, { status: 201, body: 'answer', code: NGHTTP2_NO_ERROR })
  t.match(heard.headers, { trailer: 'x-sum', 'content-type': 'text/plain' })
  t.equal(heard.trailers?.['x-sum'], 'abc')
  const [{ raw, trailers, body } = { raw: [] }] = seen
  const text = [...raw.keys()].filter(i => i % 2 === 0).map(i => `${raw[i]}: ${raw[i + 1]}`)
  t.same(text.sort(), [
    ':authority: app.example:99',
    ':method: POST',
    ':path: /a?b=%zz;c',
    ':scheme: http',
    'cookie: a=1',
    'cookie: b=2',
    'forwarded: for=192.0.2.1',
    'te: trailers',
    'trailer: x-sent',
    'x-forwarded-for: 192.0.2.1, 192.0.2.7',
  ])
  t.same(trailers, ['x-sent', 'v'], 'what means something in a head does not pass behind the body')
  t.equal(body, 'body')
  const visit = await gate.next()
  t.same(await visit.over(), ['responded 201', 'finished complete 0'])
  t.match([visit.bytesReceived, visit.bytesSent, visit.head.version], [4, 6, '2'])
})

t.test('who the client is, the container hears from us alone', async t => {
  const peers: (readonly string[])[] = []
  const serve: Serve = (stream, _headers, raw) => {
    peers.push([...raw.keys()].filter(i => /peer/.test(raw[i] ?? '')).map(i => `${raw[i]}: ${raw[i + 1]}`))
    stream.respond({ ':status': 204 }, { endStream: true })
  }
  const known = await makeStreamStand(t, serve, introduced)
  await ask(known.client(), spoofed)
  const { identity: _, ...unproved } = introduced
  const unknown = await makeStreamStand(t, serve, unproved)
  await ask(unknown.client(), spoofed)
  t.same(peers, [['postern-peer: id="a"'], []])
})

t.test('the first K-Original-Host may choose the authority, and none reaches the container', async t => {
  const heads: string[] = []
  const { client } = await makeStreamStand(t, (stream, headers, raw) => {
    heads.push(`${headers[':authority']} ${raw.filter(name => /original/.test(name)).length}`)
    stream.respond({ ':status': 204 }, { endStream: true })
  })
  const session = client()
  await ask(session, { ':authority': 'app.example', 'k-original-host': ['a.example', 'b.example'] })
  await ask(session, { ':authority': 'app.example', 'k-original-host': ['', 'b.example'] })
  t.same(heads, ['a.example 0', 'app.example 0'])
})

t.test('the gate sees a head as HTTP/1.1 would have it', async t => {
  const { client, gate } = await makeStreamStand(t)
  await ask(client(), { ':method': 'POST', ':authority': 'app.example', 'user-agent': 'ua' }, 'x')
  const { head } = await gate.next()
  t.match(
    [head.method, head.target, head.header('host'), head.header('user-agent'), head.header('transfer-encoding')],
    ['POST', '/', 'app.example', 'ua', 'chunked'],
  )
  t.equal(head.upgrade, false)
  await ask(client(), { ':method': 'POST', 'content-length': '1' }, 'x')
  t.equal((await gate.next()).head.header('transfer-encoding'), undefined)
})

t.test('settings are those of the Go proxy, and nothing is pushed', async t => {
  const { client, sessions } = await makeStreamStand(t)
  const session = client()
  const [settings] = await once(session, 'remoteSettings')
  t.match(settings, {
    headerTableSize: 4096,
    maxConcurrentStreams: 250,
    initialWindowSize: 1_048_576,
    maxFrameSize: 1_048_576,
    maxHeaderListSize: 1_048_896,
    enableConnectProtocol: false,
  })
  await ask(session)
  t.equal(sessions[0]?.remoteSettings.enablePush, false)
})

t.test('a PING is answered', async t => {
  const { client } = await makeStreamStand(t)
  const session = client()
  await once(session, 'connect')
  const payload = await new Promise(resolve => {
    session.ping(Buffer.from('12345678'), (error, _ms, back) => resolve(error ?? back.toString()))
  })
  t.equal(payload, '12345678')
})

t.test('all requests share one connection to the container', async t => {
  const { client, sessions } = await makeStreamStand(t)
  const two = [client(), client()]
  const heard = await Promise.all(
    Array.from({ length: 40 }, (_, i) => ask(two[i % 2] ?? client(), { ':path': `/${i}` })),
  )
  t.ok(heard.every(({ status }, i) => status === 200 && heard[i]?.headers['x-path'] === `/${i}`))
  t.equal(sessions.length, 1)
})

t.test('where its streams are all taken another connection is opened, and what is free is used again', async t => {
  const { client, sessions } = await makeStreamStand(t, undefined, {
    container: { settings: { maxConcurrentStreams: 2 } },
  })
  const session = client()
  const heard = await Promise.all(Array.from({ length: 20 }, () => ask(session)))
  t.ok(heard.every(({ status }) => status === 200))
  t.ok(sessions.length > 1 && sessions.length <= 10, `${sessions.length} connections`)
  const before = sessions.length
  for (let i = 0; i < 4; i++) t.equal((await ask(session)).status, 200)
  t.equal(sessions.length, before)
})

t.test('a container that allows no stream is told of at once, and is not dialed again and again', async t => {
  const { client, sessions } = await makeStreamStand(t, undefined, {
    container: { settings: { maxConcurrentStreams: 0 } },
  })
  const session = client()
  for (let i = 1; i <= 2; i++) {
    t.equal((await ask(session)).status, 502)
    t.equal(sessions.length, i)
  }
})

t.test('interim heads pass before the final one', async t => {
  const { client, gate } = await makeStreamStand(t, stream => {
    stream.additionalHeaders({ ':status': 103, link: '</a.css>' })
    stream.respond({ ':status': 404, 'content-type': 'text/plain' })
    stream.end('x')
  })
  t.match(await ask(client()), { status: 404, interim: [103], body: 'x' })
  t.same(await (await gate.next()).over(), ['interim 103', 'responded 404', 'finished complete 0'])
})

t.test('a client that waits to be asked for its body is asked after a second of silence', async t => {
  const { client, clock, gate, sessions } = await makeStreamStand(t)
  const stream = client().request({ ':method': 'POST', expect: '100-continue' })
  const asked = once(stream, 'continue')
  const heard = hear(stream)
  await gate.next()
  await until(() => sessions.length === 1)
  await delay(50)
  clock.advance(1_000)
  await asked
  stream.end('now')
  t.match(await heard, { status: 200, body: 'now' })
})

t.test('a body without a type gets the one that its first bytes show', async t => {
  const { client } = await makeStreamStand(t, (stream, headers) => {
    stream.respond({ ':status': 200, ...(headers['x-length'] ? { 'content-length': 6 } : {}) })
    if (headers['x-late']) setTimeout(() => stream.end('<html>'), 30)
    else stream.end('<html>')
  })
  const session = client()
  t.equal((await ask(session)).headers['content-type'], 'text/html; charset=utf-8')
  t.equal((await ask(session, { 'x-length': '1', 'x-late': '1' })).headers['content-type'], 'text/html; charset=utf-8')
  t.equal((await ask(session, { 'x-late': '1' })).headers['content-type'], undefined, 'nobody waits for it')
})

t.test('heads without a body stay without one', async t => {
  const { client } = await makeStreamStand(t, (stream, headers) => {
    const [, status = 200] = /(\d+)/.exec(String(headers[':path'])) ?? []
    stream.respond(
      { ':status': Number(status), 'content-length': headers['x-length'] as string | undefined },
      { endStream: true },
    )
  })
  const session = client()
  t.match(await ask(session, { ':path': '/204', 'x-length': '0' }), {
    status: 204,
    headers: { 'content-length': undefined },
  })
  t.match(await ask(session, { ':method': 'HEAD', 'x-length': '5' }), {
    status: 200,
    headers: { 'content-length': '5' },
  })
  t.match(await ask(session, { ':path': '/304' }), { status: 304, headers: { 'content-length': undefined } })
  t.match(await ask(session), { status: 200, headers: { 'content-length': '0' } })
})

t.test('a body that comes in pieces passes piece by piece, with trailers behind it', async t => {
  const { client } = await makeStreamStand(t, stream => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.write('a')
    setTimeout(() => stream.write('b'.repeat(100_000)), 10)
    setTimeout(() => stream.end('c'), 20)
  })
  const { body, trailers, code } = await ask(client())
  t.match([body.length, trailers?.['grpc-status'], code], [100_002, '0', NGHTTP2_NO_ERROR])
})

t.test('resets map both ways', async t => {
  const closed: number[] = []
  const { client, gate } = await makeStreamStand(t, (stream, headers) => {
    stream.on('close', () => closed.push(stream.rstCode ?? -1))
    if (headers['x-head']) stream.respond({ ':status': 200, 'content-type': 'text/plain' })
    if (headers['x-head']) stream.write('partial')
    const code = headers['x-code']
    if (code !== undefined) setTimeout(() => stream.close(Number(code)), 10)
  })
  const session = client()
  t.match(await ask(session, { 'x-code': '11' }), { status: 502, body: 'upstream-reset\n', code: NGHTTP2_NO_ERROR })
  t.match((await gate.next()).faults[0]?.message, /stream error: stream ID \d+; ENHANCE_YOUR_CALM; received from peer/)
  t.match(await ask(session, { 'x-code': '99' }), { status: 502 })
  t.match((await gate.next()).faults[0]?.message, /unknown error code 0x63/)
  t.match(await ask(session, { 'x-code': '0' }), { status: 502 }, 'no error, and no answer either')
  await gate.next()

  closed.length = 0
  const stream = session.request({ 'x-head': '1' })
  stream.on('error', () => {})
  await once(stream, 'response')
  stream.close(NGHTTP2_CANCEL)
  const visit = await gate.next()
  t.same(await visit.over(), ['responded 200', 'finished client-left 0'])
  await until(() => closed.length > 0)
  t.same(closed, [NGHTTP2_CANCEL])
})

const head = frame(type.headers, flag.endHeaders, 1, block({ ':status': '200', 'content-type': 'text/plain' }))
const partial = frame(type.data, 0, 1, Buffer.from('partial'))

for (const [name, end] of [
  ['a reset', wire => wire.send(frame(type.reset, 0, 1, u32(NGHTTP2_CANCEL)))],
  ['a reset without an error', wire => wire.send(frame(type.reset, 0, 1, u32(NGHTTP2_NO_ERROR)))],
  ['an end of the connection', wire => wire.socket.end()],
  ['a reset of the connection', wire => wire.socket.resetAndDestroy()],
  ['a goodbye with an error', wire => wire.send(frame(type.goaway, 0, 0, Buffer.concat([u32(1), u32(2)])))],
  ['what is no HTTP/2', wire => wire.send(Buffer.from('HTTP/1.1 400 Bad Request'))],
] as [string, (wire: Framed) => void][]) {
  t.test(`${name} in the middle of a body is no end of it`, async t => {
    const port = await framedContainer(t, wire => {
      wire.send(head, partial)
      setTimeout(() => end(wire), 30)
    })
    const { client, gate } = await makeStreamStand(t, undefined, { makeDialer: (_, clock) => plainDialer(port, clock) })
    t.match(await ask(client()), { status: 200, body: 'partial', code: NGHTTP2_INTERNAL_ERROR })
    const [responded, failed, finished] = await (await gate.next()).over()
    t.match([responded, failed, finished], ['responded 200', /^failed upstream-/, 'finished upstream-failed 0'])
  })

  t.test(`${name} before a head is a 502`, async t => {
    const port = await framedContainer(t, wire => end(wire))
    const { client, gate } = await makeStreamStand(t, undefined, { makeDialer: (_, clock) => plainDialer(port, clock) })
    t.match(await ask(client()), {
      status: 502,
      body: /^upstream-(?:reset|closed|malformed)\n$/,
      code: NGHTTP2_NO_ERROR,
    })
    t.equal((await (await gate.next()).over()).at(-1), 'finished upstream-failed 0')
  })
}

t.test('a connection that was kept and dies without a word costs a request that may be repeated nothing', async t => {
  let serve: Serve = say(200, 'first')
  const { client, sessions, gate } = await makeStreamStand(t, (...args) => serve(...args))
  const session = client()
  await ask(session)
  serve = () => {
    serve = say(200, 'again')
    sessions[0]?.socket.destroy()
  }
  t.match(await ask(session), { status: 200, body: 'again' })
  await gate.next()
  t.same(await (await gate.next()).over(), ['responded 200', 'finished complete 1'])
  serve = () => sessions[1]?.socket.destroy()
  t.match(await ask(session, { ':method': 'POST' }, 'x'), { status: 502 }, 'and fails any other')
})

t.test('a refused stream is asked again, later and later, while its body is still whole', async t => {
  let refusals = 2
  const { client, clock, gate } = await makeStreamStand(t, (stream, headers, raw) => {
    let taken = 0
    if (headers['x-late']) {
      stream.on('data', (chunk: Buffer) => {
        taken += chunk.length
        if (taken === 200_000) stream.close(NGHTTP2_REFUSED_STREAM)
      })
    } else if (refusals-- > 0) stream.close(NGHTTP2_REFUSED_STREAM)
    else if (headers[':method'] === 'POST') {
      let body = ''
      stream.on('data', chunk => {
        body += chunk
      })
      stream.on('end', () => say(200, body)(stream, headers, raw))
    } else say(200, 'taken')(stream, headers, raw)
  })
  const session = client()
  const heard = ask(session)
  const visit = await gate.next()
  await until(() => refusals === 0)
  await delay(20)
  clock.advance(999)
  await delay(20)
  t.equal(refusals, 0, 'the second time a second passes')
  clock.advance(1)
  t.match(await heard, { status: 200, body: 'taken' })
  t.match((await visit.over()).at(-1), 'finished complete 2')

  refusals = 1
  t.match(await ask(session, { ':method': 'POST' }, 'small'), { status: 200, body: 'small' })
  const large = session.request({ ':method': 'POST', 'x-late': '1' })
  large.write(Buffer.alloc(200_000))
  t.match(await hear(large), { status: 502, body: 'upstream-reset\n' }, 'what is gone cannot be sent again')

  refusals = 99
  const never = ask(session)
  for (let i = 0; i < 20; i++) {
    await delay(10)
    clock.advance(8_000)
  }
  t.match(await never, { status: 502 })
})

t.test('a container that says goodbye gets no new stream, and ends those that it has', async t => {
  const { client, sessions } = await makeStreamStand(t, (stream, headers, raw) => {
    setTimeout(() => say(200, 'late')(stream, headers, raw), 50)
  })
  const session = client()
  const before = ask(session)
  await until(() => sessions.length === 1)
  await delay(20)
  sessions[0]?.close()
  await delay(10)
  const after = ask(session)
  t.match([await before, await after], [{ body: 'late' }, { body: 'late' }])
  t.equal(sessions.length, 2)
})

/** A dialer whose verdicts hold for as long as `holds` says. @param links what it has opened */
function judged(port: number, clock: FakeClock, holds: (verdict: Verdict) => boolean, links: Link[] = []): Dialer {
  const plain = plainDialer(port, clock)
  return {
    verified: false,
    dial: done =>
      plain.dial(outcome => {
        if (!('socket' in outcome)) return done(outcome)
        const link = { ...outcome, verdict: { ...outcome.verdict, until: links.length } }
        links.push(link)
        done(link)
      }),
    valid: holds,
  }
}

t.test('a verdict that is over opens a new connection; streams on the old one end', async t => {
  let newest = 0
  const { client, sessions, clock } = await makeStreamStand(
    t,
    (stream, headers, raw) => {
      setTimeout(() => say(200, 'ok')(stream, headers, raw), headers['x-slow'] ? 60 : 0)
    },
    { makeDialer: (port, clock) => judged(port, clock, verdict => verdict.until >= newest) },
  )
  const session = client()
  const slow = ask(session, { 'x-slow': '1' })
  await until(() => sessions.length === 1)
  newest = 1
  t.match(await ask(session), { body: 'ok' })
  t.equal(sessions.length, 2)
  t.match(await slow, { body: 'ok' })
  newest = 2
  clock.advance(1_000)
  await until(() => sessions.every(each => each.destroyed))
  t.match(await ask(session), { body: 'ok' }, 'and where nobody asked it is closed all the same')
})

t.test('a stream outlives its verdict by ten minutes and no more, and both ends can tell', async t => {
  let holds = true
  let begun = 0
  const codes: number[] = []
  const { client, sessions, clock, gate } = await makeStreamStand(
    t,
    (stream, headers) => {
      begun++
      stream.on('close', () => codes.push(stream.rstCode ?? -1))
      if (headers[':path'] === '/silent') return
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.on('data', (chunk: Buffer) => stream.write(chunk))
    },
    { makeDialer: (port, clock) => judged(port, clock, () => holds) },
  )
  const session = client()
  const stream = session.request({ ':method': 'POST', ':path': '/grpc' })
  const heard = hear(stream)
  stream.write('one ')
  await once(stream, 'data')
  const silent = hear(session.request({ ':method': 'POST', ':path': '/silent' }))
  const [visit, second] = [await gate.next(), await gate.next()]
  await until(() => begun === 2)
  clock.advance(3_600_000)
  holds = false
  clock.advance(600_000)
  stream.write('two')
  await once(stream, 'data')
  clock.advance(1_000)
  t.match(await heard, { status: 200, body: 'one two', code: NGHTTP2_INTERNAL_ERROR })
  t.match(await silent, { status: 502, body: 'upstream-untrusted\n' })
  t.match([visit.faults, second.faults], [[{ code: 'upstream-untrusted' }], [{ code: 'upstream-untrusted' }]])
  t.same(await visit.over(), ['responded 200', 'failed upstream-untrusted', 'finished upstream-failed 0'])
  await until(() => sessions[0]?.destroyed === true && codes.length === 2)
  t.same(codes, [NGHTTP2_CANCEL, NGHTTP2_CANCEL])
})

t.test('a connection that takes no more streams goes when its time is over, whatever the container does', async t => {
  for (const end of ['lapse', 'engine'] as const) {
    let holds = true
    const links: Link[] = []
    const deaf = await framedContainer(
      t,
      (wire, stream) => {
        wire.send(
          frame(
            type.headers,
            flag.endHeaders,
            stream,
            block([
              [':status', '200'],
              ['content-type', 'a/b'],
            ]),
          ),
        )
      },
      { allowHalfOpen: true },
    )
    const { client, clock, engine } = await makeStreamStand(t, undefined, {
      makeDialer: (_, clock) => judged(deaf, clock, () => holds, links),
    })
    const stream = client().request()
    const heard = hear(stream)
    await once(stream, 'response')
    holds = false
    clock.advance(1_000)
    t.equal(links[0]?.socket.destroyed, false)
    if (end === 'lapse') clock.advance(600_000)
    else engine.destroy()
    t.equal(links[0]?.socket.destroyed, true, end)
    t.not((await heard).code, NGHTTP2_NO_ERROR)
  }
})

t.test('a connection to the container that waits for too long is closed', async t => {
  const { client, sessions, clock } = await makeStreamStand(t)
  await ask(client())
  clock.advance(1_000)
  await delay(20)
  t.equal(sessions[0]?.destroyed, false)
  clock.advance(92_000)
  await until(() => sessions[0]?.destroyed === true)
  t.pass('closed')
})

t.test('a connection that is being opened is none that has waited, however old the process is', async t => {
  const wires: Framed[] = []
  const slow = await listen(
    t,
    createServer(socket => {
      wires.push(new Framed(socket, preface.length))
    }),
  )
  const { client, clock } = await makeStreamStand(t, undefined, {
    makeDialer: (_, clock) => plainDialer(slow, clock),
  })
  clock.advance(3_600_000)
  const heard = ask(client())
  await until(() => wires[0]?.of(type.settings).length === 1)
  clock.advance(1_000)
  wires[0]?.send(frame(type.settings, 0, 0))
  await until(() => wires[0]?.of(type.headers).length === 1)
  wires[0]?.send(frame(type.headers, flag.endHeaders | flag.endStream, 1, block([[':status', '204']])))
  t.match(await heard, { status: 204 })
})

t.test('a container that does not speak HTTP/2 is told so to the client', async t => {
  const port = await listen(
    t,
    createServer(socket => socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')),
  )
  const { client, gate } = await makeStreamStand(t, undefined, { makeDialer: (_, clock) => plainDialer(port, clock) })
  t.match(await ask(client()), { status: 502, body: 'upstream-malformed\n' })
  t.match((await gate.next()).faults[0]?.message, 'http2: what answered does not speak HTTP/2, as the request does')
})

t.test('a container that is not there, or says nothing, fails all who wait for it', async t => {
  const silent = await listen(t, createServer())
  const { client, clock, gate } = await makeStreamStand(t, undefined, {
    makeDialer: (_, clock) => plainDialer(silent, clock),
  })
  const session = client()
  const heard = [ask(session), ask(session)]
  await gate.next()
  await gate.next()
  await delay(30)
  clock.advance(10_000)
  t.match(await Promise.all(heard), [{ status: 502 }, { status: 502 }])
  const gone = await makeStreamStand(t, undefined, { makeDialer: (_, clock) => plainDialer(1, clock) })
  t.match(await ask(gone.client()), { status: 502, body: 'upstream-refused\n' })
})

t.test('a verified container has to choose HTTP/2', async t => {
  const { client, gate } = await makeStreamStand(t, undefined, {
    makeDialer: (port, clock) => ({ ...plainDialer(port, clock), verified: true }),
  })
  t.match(await ask(client()), { status: 502 })
  t.match((await gate.next()).faults[0]?.message, /did not choose HTTP\/2 .* "auto" bridges/)
})

t.test('a client that leaves while it waits takes nothing from those behind it', async t => {
  const { client, gate, sessions } = await makeStreamStand(t, undefined, {
    order: (_head, n) => (n === 0 ? 'wait' : 'start'),
  })
  const session = client()
  const stream = session.request({ ':method': 'POST' })
  stream.on('error', () => {})
  const visit = await gate.next()
  stream.close(NGHTTP2_CANCEL)
  t.same(await visit.over(), ['finished client-left 0'])
  visit.driver.start()
  t.equal((await ask(session)).status, 200)
  t.equal(sessions.length, 1)
})

t.test("the gate's answers and orders are obeyed", async t => {
  const reply = { status: 503, headers: [['Content-Type', 'text/plain']], body: 'full\n' } as const
  const { client, gate } = await makeStreamStand(
    t,
    stream => {
      stream.respond({ ':status': 200, 'content-type': 'text/plain' })
      stream.write('begun')
    },
    { order: head => (head.target === '/full' ? reply : head.target === '/wait' ? 'wait' : 'start') },
  )
  const session = client()
  t.match(await ask(session, { ':path': '/full' }), { status: 503, body: 'full\n', headers: { 'content-length': '5' } })
  t.match(await ask(session, { ':path': '/full', ':method': 'HEAD' }), { status: 503, body: '' })
  t.match(await ask(session, { ':path': '/full', ':method': 'POST' }, 'unread'), { status: 503, body: 'full\n' })
  for (let i = 0; i < 3; i++) t.same(await (await gate.next()).over(), ['finished answered 0'])

  const waiting = ask(session, { ':path': '/wait', ':method': 'POST' }, 'x')
  const visit = await gate.next()
  visit.driver.answer({ status: 504, headers: [], body: '' })
  t.match(await waiting, { status: 504, body: '' })

  const stream = session.request()
  const begun = hear(stream)
  const running = await gate.next()
  await once(stream, 'response')
  running.driver.answer(reply)
  running.driver.start()
  running.driver.cut()
  running.driver.cut()
  t.match(await begun, { status: 200, code: NGHTTP2_INTERNAL_ERROR })
  t.equal(running.story.at(-1), 'finished cut 0')

  const stalled = session.request({ ':method': 'POST', ':path': '/wait' })
  stalled.write('a')
  const late = await gate.next()
  late.driver.start()
  await late.reported('received')
  t.equal((await Promise.all([hear(stalled), late.driver.cut()]))[0].code, NGHTTP2_INTERNAL_ERROR)
})

t.test('an answer that ends a connection lets its other streams end', async t => {
  const reply = { status: 421, headers: [], body: 'elsewhere\n', close: true } as const
  const { client, clock } = await makeStreamStand(
    t,
    (stream, headers, raw) => {
      setTimeout(() => say(200, 'slow')(stream, headers, raw), 50)
    },
    { order: head => (head.target === '/not-ours' ? reply : 'start') },
  )
  const session = client()
  const slow = ask(session)
  t.match(await ask(session, { ':path': '/not-ours' }), { status: 421, body: 'elsewhere\n' })
  clock.advance(1_000)
  t.match(await slow, { status: 200, body: 'slow' })
  await until(() => session.destroyed)
  t.pass('and closes behind them')
})

t.test('heads that could be read in two ways are refused before the gate', async t => {
  const { client, gate } = await makeStreamStand(t)
  const session = client()
  for (const headers of [{ ':authority': 'a.example', host: 'b.example' }, { ':path': '/a#b' }, { ':path': '/%zz' }]) {
    t.match(await ask(session, headers), { status: 400, body: /^400 Bad Request/ }, JSON.stringify(headers))
  }
  t.equal(gate.visits.length, 0)
  t.equal((await ask(session, { ':authority': 'a.example', host: 'a.example' })).status, 200)
})

t.test('fields that HTTP/2 cannot carry are left out, whoever sends them', async t => {
  const settings = ['http2-settings', 'AAMAAABk'] as const
  const answer = [
    frame(type.headers, flag.endHeaders, 1, block([[':status', '103'], settings])),
    frame(type.headers, flag.endHeaders, 1, block([[':status', '200'], ['content-type', 'a/b'], settings])),
    frame(type.data, 0, 1, Buffer.from('hello')),
    frame(type.headers, flag.endHeaders | flag.endStream, 1, block([['x-t', 'v'], settings])),
  ]
  const got: Framed[] = []
  const container = await framedContainer(t, (wire, stream) => {
    got.push(wire)
    if (stream === 1 && got.length === 1) setTimeout(() => wire.send(...answer), 50)
  })
  const { port } = await makeStreamStand(t, undefined, { makeDialer: (_, clock) => plainDialer(container, clock) })
  const wire = framedClient(t, port).send(
    frame(type.headers, flag.endHeaders, 1, block([...Object.entries({ ...request, ':method': 'POST' }), settings])),
    frame(type.data, 0, 1, Buffer.from('x')),
    frame(type.headers, flag.endHeaders | flag.endStream, 1, block([['x-sent', '1'], settings])),
  )
  await until(() => wire.of(type.headers).length === 3)
  t.equal(wire.of(type.headers).at(-1)?.flags, flag.endHeaders | flag.endStream)
  await until(() => got[0]?.of(type.headers).length === 2)
  t.pass('all of it passed but the field')
})

t.test('streams that are broken off at any moment break nothing else', async t => {
  const { client, gate, sessions } = await makeStreamStand(t, (stream, headers, raw) => {
    stream.additionalHeaders({ ':status': 103, link: 'x' })
    say(200, headers[':method'] === 'HEAD' ? '' : 'x')(stream, headers, raw)
  })
  const session = client()
  await ask(session)
  const streams = Array.from({ length: 200 }, (_, i) => {
    const stream = session.request({ ':method': i % 2 ? 'HEAD' : 'POST' })
    stream.on('error', () => {})
    setTimeout(() => stream.close(NGHTTP2_CANCEL), i / 10)
    return hear(stream)
  })
  await Promise.all(streams)
  await until(() => gate.visits.every(visit => visit.finishes === 1))
  t.equal((await ask(session)).status, 200)
  t.equal(sessions.length, 1)
})

t.test('CONNECT is not forwarded', async t => {
  const { client } = await makeStreamStand(t)
  const stream = client().request({ ':method': 'CONNECT', ':authority': 'a:1' })
  t.match(await hear(stream), { status: 502, body: 'connect-unsupported\n' })
})

t.test('a client that does not read stops the container', async t => {
  let written = 0
  const { client } = await makeStreamStand(t, stream => {
    stream.respond({ ':status': 200, 'content-type': 'text/plain' })
    const more = (): void => {
      while (written < 64 << 20) {
        written += 65_536
        if (!stream.write(Buffer.alloc(65_536))) break
      }
    }
    stream.on('drain', more)
    more()
  })
  const stream = client().request()
  stream.on('error', () => {})
  await once(stream, 'response')
  let before = -1
  while (written !== before) {
    before = written
    await delay(100)
  }
  t.ok(written < 4 << 20, `${written} bytes were taken`)
  let got = 0
  stream.on('data', (chunk: Buffer) => {
    got += chunk.length
  })
  await until(() => got >= 8 << 20)
  t.pass('and goes on when it reads')
})

t.test('a container that does not read stops the client: a stream, and a connection', async t => {
  let reading = false
  const resumed: (() => void)[] = []
  const { client } = await makeStreamStand(t, (stream, headers, raw) => {
    const read = (): void => {
      let bytes = 0
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      stream.on('end', () => say(200, String(bytes))(stream, headers, raw))
    }
    if (reading) read()
    else resumed.push(read)
  })
  const session = client()
  const length = 4 << 20
  let taken = 0
  const uploads = Array.from({ length: 12 }, () => {
    const stream = session.request({ ':method': 'POST' })
    let left = length
    const more = (): void => {
      while (left > 0) {
        left -= 65_536
        taken += 65_536
        if (!stream.write(Buffer.alloc(65_536))) break
      }
      if (left === 0) stream.end()
    }
    stream.on('drain', more)
    more()
    return hear(stream)
  })
  let before = -1
  while (taken !== before) {
    before = taken
    await delay(150)
  }
  t.ok(taken < 10 << 20, `${taken} bytes were taken of ${12 * length}`)
  reading = true
  for (const read of resumed) read()
  const heard = await Promise.all(uploads)
  t.ok(heard.every(({ body }) => body === String(length)))
})

const waits: readonly (readonly [name: string, options: (release: Set<() => void>) => StreamStandOptions])[] = [
  [
    'in line',
    release => {
      const gate = new RecordingGate(() => 'wait')
      release.add(() => {
        for (const { driver } of gate.visits) driver.start()
      })
      return { gate }
    },
  ],
  [
    'for a connection to the container',
    release => ({
      makeDialer: (port, clock) => ({
        ...plainDialer(port, clock),
        dial: (...how) => {
          release.add(() => plainDialer(port, clock).dial(...how))
          return () => {}
        },
      }),
    }),
  ],
]
for (const [name, options] of waits) {
  t.test(`uploads that wait ${name} stop their client: they hold one window together`, async t => {
    const release = new Set<() => void>()
    const { client } = await makeStreamStand(t, undefined, options(release))
    const session = client()
    const body = Buffer.alloc(1 << 20, 'x')
    const heard = Array.from({ length: 8 }, () => ask(session, { ':method': 'POST' }, body))
    const sent = await sendable(session)
    t.ok(sent < 4 << 20, `${sent} bytes of ${heard.length * body.length}`)
    for (const go of release) go()
    for (const { status, body: back } of await Promise.all(heard)) t.match([status, back.length], [200, body.length])
  })
}

t.test('uploads that end in line give back what they held', async t => {
  const { client, gate } = await makeStreamStand(t, undefined, {
    order: head => (head.target === '/wait' ? 'wait' : 'start'),
  })
  const session = client()
  const upload = (path: string): ClientHttp2Stream => {
    const stream = session.request({ ':method': 'POST', ':path': path })
    stream.end(Buffer.alloc(2 << 20))
    return stream
  }
  const waiting = [upload('/wait'), upload('/wait')] as const
  const heard = waiting.map(hear)
  await sendable(session)
  const passing = hear(upload('/pass'))
  await sendable(session)
  const [left, full, held] = [await gate.next(), await gate.next(), await gate.next()]
  t.ok(held.bytesReceived < 2 << 20, 'who comes after them gets no further')
  waiting[0].close(NGHTTP2_CANCEL)
  t.same(await left.over(), ['finished client-left 0'])
  full.driver.answer({ status: 503, headers: [], body: '' })
  t.match(await heard[1], { status: 503 })
  t.equal((await passing).body.length, 2 << 20)
})

t.test('a drain says goodbye, serves what is on its way, and ends with the last stream', async t => {
  const { engine, client, clock } = await makeStreamStand(t, (stream, headers, raw) => {
    setTimeout(() => say(200, 'late')(stream, headers, raw), 80)
  })
  const [session, idle] = [client(), client()]
  await once(idle, 'connect')
  const goodbyes: number[] = []
  session.on('goaway', (_code, last) => goodbyes.push(last))
  const late = ask(session)
  await delay(30)
  engine.drain()
  let drained = false
  const both = engine.drained().then(() => {
    drained = true
  })
  const closed = engine.closed()
  t.equal(drained, false)
  t.match(await late, { status: 200, body: 'late' })
  await both
  clock.advance(1_000)
  await closed
  await until(() => session.destroyed && idle.destroyed)
  t.equal(goodbyes[0], 2 ** 31 - 1, 'told before anything is refused')
  const after = client()
  await Promise.race([once(after, 'close'), once(after, 'goaway')])
  t.pass('who comes now is told at once')
})

t.test('one connection is said goodbye to, and no other', async t => {
  const { client, clock, retires } = await makeStreamStand(t, (stream, headers, raw) => {
    setTimeout(() => say(200, 'late')(stream, headers, raw), 80)
  })
  // Before its engine was even loaded: what has begun is served.
  const early = client()
  const asked = ask(early)
  await until(() => retires.length === 1)
  retires[0]?.()
  t.match(await asked, { status: 200 })
  const [gone, stays] = [client(), client()]
  await Promise.all([ask(gone), ask(stays)])
  const goodbye = once(gone, 'goaway')
  const late = ask(gone)
  await delay(30)
  retires[1]?.()
  t.match(await late, { status: 200, body: 'late' })
  t.equal((await goodbye)[1], 2 ** 31 - 1, 'told before anything is refused')
  clock.advance(1_000)
  await until(() => gone.destroyed && early.destroyed)
  t.match(await ask(stays), { status: 200, body: 'late' })
})

t.test('a drain before HTTP/2 was ever spoken has nothing to wait for', async t => {
  const { engine } = await makeStreamStand(t)
  engine.drain()
  await engine.drained()
  await engine.closed()
  t.pass('over')
})

t.test('connections that say nothing are closed after a minute, idle ones where they are not to be kept', async t => {
  const { client, clock } = await makeStreamStand(t, undefined, { idleConnectionMs: 5_000 })
  const [silent, idle] = [client(), client()]
  await Promise.all([once(silent, 'remoteSettings'), ask(idle)])
  clock.advance(4_000)
  await delay(20)
  t.equal(idle.destroyed, false)
  clock.advance(3_000)
  await until(() => idle.closed || idle.destroyed)
  t.equal(silent.destroyed, false)
  clock.advance(60_000)
  await until(() => silent.closed || silent.destroyed)
})

t.test('every way in asks the same gate, on a port for probes too', async t => {
  const { gate, stats, limiter, summaries } = makeRig({ plaintext: 'probes-only' })
  const { client, sessions, clock } = await makeStreamStand(t, undefined, {
    gate,
    secure: false,
    plaintext: 'probes-only',
  })
  const session = client()
  const [settings] = await once(session, 'remoteSettings')
  t.equal(settings.maxConcurrentStreams, 16)
  t.match(await ask(session, { 'user-agent': 'kube-probe/1.34', 'k-network-probe': 'queue' }), {
    status: 200,
    body: 'queue',
  })
  for (const [headers, body] of [
    [{}, undefined],
    [{ 'k-kubelet-probe': 'x' }, undefined],
    [{ ':method': 'POST' }, 'x'],
    [{ ':method': 'GET', 'user-agent': 'kube-probe/1.34' }, 'smuggled'],
    [{ expect: '100-continue', 'user-agent': 'kube-probe/1.34' }, undefined],
    [{ ':method': 'OPTIONS', ':path': '*' }, undefined],
  ] as const) {
    const fresh = client()
    t.match(await ask(fresh, headers, body), { status: 421 }, JSON.stringify(headers))
    clock.advance(1_000)
  }
  stats.tick()
  t.match([stats.latest?.requests, limiter.inFlight, sessions.length], [0, 0, 0])
  t.ok(summaries.every(({ counted }) => !counted))
})

t.test('one gate counts and limits HTTP/1.1 and HTTP/2 together', async t => {
  const { gate, limiter } = makeRig({ plaintext: 'serve', working: 1 })
  const { client } = await makeStreamStand(
    t,
    (stream, headers, raw) => {
      setTimeout(() => say(200, 'x')(stream, headers, raw), 20)
    },
    { gate },
  )
  const session = client()
  const heard = await Promise.all(Array.from({ length: 12 }, () => ask(session)))
  t.same(heard.map(({ status }) => status).sort(), [...Array(11).fill(200), 503])
  t.equal(limiter.inFlight, 0)
})

t.test('a client that only opens streams and breaks them off is told to calm down, and counted', async t => {
  const { client, gate, misbehaviour } = await makeStreamStand(t, () => {})
  const session = client()
  const goodbye = once(session, 'goaway')
  await once(session, 'remoteSettings')
  for (let sent = 0; sent < 1_200 && !session.destroyed; sent += 100) {
    const streams = Array.from({ length: 100 }, () => session.request())
    for (const stream of streams) {
      stream.on('error', () => {})
      stream.close(NGHTTP2_CANCEL)
    }
    await delay(10)
  }
  t.equal((await goodbye)[0], NGHTTP2_ENHANCE_YOUR_CALM)
  t.same(misbehaviour, ['reset-flood'])
  await until(() => gate.visits.every(visit => visit.finishes === 1))
  t.ok(gate.visits.length <= 1_200, `${gate.visits.length} were looked at`)
})

t.test('an answer that its client does not take is given up after a minute', async t => {
  const { port, clock, gate, misbehaviour } = await makeStreamStand(t, say(200, 'x'.repeat(50_000)))
  const session = connectHttp2(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 0 } })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  const stream = session.request()
  const heard = hear(stream)
  t.same(await (await gate.next()).over(), ['responded 200', 'finished complete 0'], 'the gate does not wait for it')
  clock.advance(59_000)
  await delay(20)
  t.equal(stream.closed, false)
  clock.advance(3_000)
  t.equal((await heard).code, NGHTTP2_ENHANCE_YOUR_CALM)
  t.same(misbehaviour, ['stalled'])
})
