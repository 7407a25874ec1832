// Challenges over HTTP/2, through the dialer: whoever answers gets requests on the same connection, whoever does not hears
// one question and nothing else.

import { once } from 'node:events'
import { createSecureServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { Fault } from '../../src/base/errors.ts'
import type { Dialer, Link } from '../../src/engine/dial.ts'
import { dialUnused } from '../../src/engine/dial-unused.ts'
import type { Caller } from '../../src/engine/h2/call.ts'
import { Upstream } from '../../src/engine/h2/upstream.ts'
import { Upstreams } from '../../src/engine/h2/upstreams.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { challenge, credential, type RigOptions, rig } from '../support/challenging.ts'
import { FakeClock } from '../support/clock.ts'
import { frame, preface, type } from '../support/frames.ts'
import { settled } from '../support/gate.ts'
import { until } from '../support/process.ts'

interface Peer {
  readonly port: number
  /** Method, path and body of each stream. */
  readonly heard: string[]
  /** By the connection of each stream. */
  readonly exported: string[]
  readonly sessions: ServerHttp2Session[]
}

/** A container of HTTP/2 that does this with a question, and answers everything else. */
async function peer(t: Test, answer: (stream: ServerHttp2Stream) => void): Promise<Peer> {
  const heard: string[] = []
  const exported: string[] = []
  const sessions: ServerHttp2Session[] = []
  const server = withKeyPem(credential, pem =>
    createSecureServer({ ...pem, minVersion: 'TLSv1.3', noDelay: true } as Parameters<typeof createSecureServer>[0]),
  )
  server.on('session', session => sessions.push(session))
  server.on('sessionError', () => {})
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    const at = heard.push(`${headers[':method']} ${headers[':path']} `) - 1
    const socket = stream.session?.socket as TLSSocket
    exported.push(socket.exportKeyingMaterial(32, 'label', Buffer.from('context')).toString('hex'))
    stream.on('data', chunk => {
      heard[at] = `${heard[at]}${chunk}`
    })
    stream.on('end', () => {
      if (headers[':path'] === challenge.path) answer(stream)
      else stream.respond({ ':status': 204 }, { endStream: true })
    })
  })
  return { port: await serve(t, server, () => sessions), heard, exported, sessions }
}

async function serve(
  t: Test,
  server: ReturnType<typeof createTlsServer> | ReturnType<typeof createSecureServer>,
  open: () => readonly { destroy(): void }[],
): Promise<number> {
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const each of open()) each.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function good(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200 })
  stream.end('answer')
}

function upstreamsOf(t: Test, port: number, options?: RigOptions) {
  const made = rig(port, options)
  const upstreams = new Upstreams(made.dialer, made.clock, 'app')
  t.teardown(() => upstreams.destroy())
  const open = (): Promise<Upstream | Fault> => new Promise(done => upstreams.wait(done))
  return { ...made, upstreams, open }
}

/** The status of one request. */
function get(upstream: Upstream): Promise<number> {
  return new Promise((resolve, reject) => {
    const fields = [':method', 'GET', ':scheme', 'https', ':path', '/secret', ':authority', 'app']
    const nothing = (): void => {}
    const caller: Caller = {
      ...{ opened: nothing, interim: nothing, data: nothing, trailers: nothing, answered: nothing, drained: nothing },
      responded: resolve,
      broken: reject,
    }
    upstream.ask(fields, true, caller)
  })
}

const opened = (outcome: Upstream | Fault): Upstream => {
  if (!(outcome instanceof Upstream)) throw outcome
  return outcome
}

t.test('whoever answers gets requests on the same connection, behind both verdicts', async t => {
  const { port, heard, exported, sessions } = await peer(t, good)
  const answers: string[] = []
  const soon = new FakeClock().now() + 50
  const { open, upstreams, asked, refused, clock } = upstreamsOf(t, port, {
    weigh(answer) {
      answers.push(answer)
      return { accepted: true, until: soon }
    },
  })
  t.equal(upstreams.take(), undefined)
  const upstream = opened(await open())
  t.match([answers, refused, upstream.verdict.until], [['answer'], [], soon])
  t.equal(asked[0]?.exported, exported[0], 'both ends export the same')
  t.equal(await get(upstream), 204)
  t.same(heard, ['POST /ask question', 'GET /secret '])
  t.equal(upstream.used, false, 'the question was no request')
  t.equal(upstreams.take(), upstream)
  t.equal(sessions.length, 1)
  clock.advance(50)
  t.equal(upstreams.take(), undefined, 'not behind a verdict that is over')
})

const rows: [name: string, answer: (stream: ServerHttp2Stream) => void, want: RegExp][] = [
  ['refused by the judge', good, /^channel: want ours, got another$/],
  ['a 404', stream => stream.respond({ ':status': 404 }, { endStream: true }), /status 404$/],
  ['nothing', stream => stream.respond({ ':status': 200 }, { endStream: true }), /an empty answer$/],
  [
    'an empty body',
    stream => {
      stream.respond({ ':status': 200 })
      setImmediate(() => stream.end())
    },
    /an empty answer$/,
  ],
  [
    'an interim answer',
    stream => {
      stream.additionalHeaders({ ':status': 103 })
      good(stream)
    },
    /status 103$/,
  ],
  [
    'too long',
    stream => {
      stream.respond({ ':status': 200 })
      stream.end('x'.repeat(101))
    },
    /more than 100 bytes$/,
  ],
  [
    'followed by fields',
    stream => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ a: 'b' }))
      stream.end('answer')
    },
    /fields behind the answer$/,
  ],
  [
    'shorter than it says',
    stream => {
      stream.respond({ ':status': 200, 'content-length': '7' })
      stream.end('answer')
    },
    /stream error|closed connection/,
  ],
  ['a reset', stream => stream.close(8), /stream error: stream ID 1; CANCEL/],
  ['the end of the connection', stream => stream.session?.destroy(), /challenge: want an answer/],
]
for (const [name, answer, want] of rows) {
  t.test(`an answer that is ${name} is a refusal, and no request leaves`, async t => {
    const { port, heard, sessions } = await peer(t, answer)
    const reason = { rule: 'channel', want: 'ours', got: 'another' }
    const { open, upstreams, refused, clock } = upstreamsOf(t, port, {
      weigh: () => ({ accepted: false, reasons: [reason] }),
    })
    t.match(await open(), { code: 'upstream-untrusted', message: want })
    t.equal(refused.length, 1)
    t.equal(upstreams.take(), undefined)
    await until('the connection is closed', () => sessions.every(session => session.destroyed))
    t.same([heard, clock.pending], [['POST /ask question'], 0])
  })
}

/** Chooses h2 and then says only this. */
async function mute(t: Test, says: readonly Buffer[]): Promise<{ port: number; heard: string[] }> {
  const heard: string[] = []
  const sockets: TLSSocket[] = []
  const server = withKeyPem(credential, pem =>
    createTlsServer({ ...pem, minVersion: 'TLSv1.3', ALPNProtocols: ['h2'] }, socket => {
      sockets.push(socket)
      const at = heard.push('') - 1
      socket.on('error', () => {})
      socket.on('data', chunk => {
        heard[at] += chunk.toString('latin1')
      })
      socket.write(Buffer.concat(says))
    }),
  )
  return { port: await serve(t, server, () => sockets), heard }
}

t.test('whoever says nothing, something else, or goodbye with its first word is refused unasked', async t => {
  const settings = frame(type.settings, 0, 0)
  const goodbye = frame(type.goaway, 0, 0, Buffer.alloc(8))
  for (const [says, want] of [
    [[], /none within 5 s$/],
    [[Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')], /challenge: want an answer, got /],
    [[settings, goodbye], /challenge: want an answer/],
  ] as const) {
    const { port, heard } = await mute(t, says)
    const { open, refused, clock } = upstreamsOf(t, port)
    const opening = open()
    await until('it is heard', () => (heard[0] ?? '').startsWith(preface.toString('latin1')))
    for (let i = 0; i < 50; i++) await settled()
    clock.advance(5_000)
    t.match(await opening, { code: 'upstream-untrusted', message: want })
    t.same([refused.length, clock.pending], [1, 0])
  }
})

t.test('a connection whose verdict is over when it stands takes no request, and is not dialed for again', async t => {
  const { port, heard } = await peer(t, good)
  const over = new FakeClock().now()
  const { open } = upstreamsOf(t, port, { weigh: () => ({ accepted: true, until: over }) })
  t.match(await open(), { code: 'upstream-closed', message: /takes no request/ })
  t.same(heard, ['POST /ask question'])
})

t.test('whoever was given up while asked is not handed over, and closing closes it', async t => {
  let answering: ServerHttp2Stream | undefined
  const { port, sessions } = await peer(t, stream => {
    answering = stream
  })
  const { open, upstreams } = upstreamsOf(t, port)
  const opening = open()
  await until('it is asked', () => answering !== undefined)
  upstreams.destroy()
  good(answering as ServerHttp2Stream)
  const upstream = await opening
  t.equal(upstream instanceof Upstream && upstream.living, false)
  await until('the connection is closed', () => sessions.every(session => session.destroyed))
})

t.test('a probe gets a connection on which nothing was said, and asks for it once in a while only', async t => {
  const { port, heard, sessions } = await peer(t, good)
  const { dialer, clock } = rig(port, { freshForMs: 1_000 })
  const dial = (by: Dialer): Promise<Link | Fault> =>
    new Promise(done => dialUnused(by, ['h2', 'http/1.1'], 'app', done))
  for (const [after, questions] of [
    [0, 1],
    [999, 1],
    [1, 2],
  ] as const) {
    clock.advance(after)
    const link = await dial(dialer)
    if (link instanceof Fault) throw link
    t.equal(link.protocol, 'h2')
    t.equal(heard.length, questions)
    const upstream = await new Promise<Upstream | Fault>(done => {
      const made: Upstream = new Upstream(link, 'app', { roomier() {}, gone() {} }, fault => done(fault ?? made))
    })
    t.equal(await get(opened(upstream)), 204)
    heard.pop()
    opened(upstream).destroy()
  }
  await until('all are closed', () => sessions.every(session => session.destroyed))
  t.match(await dial(rig(port).dialer), { code: 'upstream-untrusted', message: /another certificate/ })
  const refusing = rig(port, { weigh: () => ({ accepted: false, reasons: [] }) })
  t.match(await dial(refusing.dialer), { code: 'upstream-untrusted' })
})

t.test('a probe that is given up while the question is open hears nothing', async t => {
  const { port, heard, sessions } = await peer(t, () => {})
  const { dialer } = rig(port, { freshForMs: 1_000 })
  let told = 0
  const giveUp = dialUnused(dialer, ['h2'], 'app', () => told++)
  await until('it is asked', () => heard.length === 1)
  giveUp()
  await until('the connection is closed', () => sessions.every(session => session.destroyed))
  t.equal(told, 0)
})
