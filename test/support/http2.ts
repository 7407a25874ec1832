// An engine between clients and a container that both speak HTTP/2 with node:http2, with a gate that writes down every
// report.

import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer as createHttp2Server,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2'
import { createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { makeBytesEngine } from '../../src/engine/bytes.ts'
import type { Dialer } from '../../src/engine/dial.ts'
import type { Engine, EngineOptions, MakeEngine } from '../../src/engine/engine.ts'
import { bothVersions } from '../../src/engine/versions.ts'
import type { ClientIdentity, Gate, Order, RequestHead } from '../../src/gate/contract.ts'
import { FakeClock } from './clock.ts'
import { plainDialer, RecordingGate } from './engine.ts'
import { listen } from './sockets.ts'

export const both: MakeEngine = bothVersions(makeBytesEngine)

export interface StreamStandOptions extends Partial<Omit<EngineOptions, 'clock'>> {
  readonly makeEngine?: MakeEngine
  readonly gate?: Gate
  readonly order?: (head: RequestHead, n: number) => Order
  readonly secure?: boolean
  /** Who every client has proved to be. */
  readonly identity?: ClientIdentity
  readonly clock?: FakeClock
  readonly makeDialer?: (port: number, clock: FakeClock) => Dialer
  /** Settings and limits of the container. */
  readonly container?: ServerOptions
}

/** What the container does with a stream. */
export type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[]) => void

export interface StreamStand {
  readonly engine: Engine
  readonly gate: RecordingGate
  readonly clock: FakeClock
  readonly port: number
  readonly container: Http2Server
  /** The container's connections, in order. */
  readonly sessions: ServerHttp2Session[]
  readonly misbehaviour: string[]
  /** Lets each connection end, in the order in which they came. */
  readonly retires: (() => void)[]
  /** Our ends of clients' connections, in order. */
  readonly accepted: readonly Socket[]
  client(): ClientHttp2Session
}

const echo: Serve = (stream, headers) => {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('end', () => {
    if (stream.destroyed) return
    stream.respond({ ':status': 200, 'content-type': 'text/plain', 'x-path': headers[':path'] })
    stream.end(Buffer.concat(chunks))
  })
}

/** All of it ends with the test. */
export async function makeStreamStand(
  t: Test,
  serve: Serve = echo,
  options: StreamStandOptions = {},
): Promise<StreamStand> {
  const { makeEngine = both, gate: otherGate, order, makeDialer, container: limits, ...more } = options
  const { secure = false, identity, ...rest } = more
  const clock = options.clock ?? new FakeClock()
  const sessions: ServerHttp2Session[] = []
  const container = createHttp2Server(limits ?? {})
  container.on('session', session => sessions.push(session))
  container.on('sessionError', () => {})
  container.on('stream', (stream, headers, _flags, raw) => {
    stream.on('error', () => {})
    serve(stream, headers, raw as unknown as string[])
  })
  const containerPort = await listen(t, container as unknown as ReturnType<typeof createServer>)
  const gate = new RecordingGate(order)
  const misbehaviour: string[] = []
  const engine = makeEngine(otherGate ?? gate, {
    dialer: makeDialer?.(containerPort, clock) ?? plainDialer(containerPort, clock),
    authority: '127.0.0.1:8080',
    upgrades: token => token === 'websocket',
    strip: [],
    allowUnframed: false,
    maxIdleUpstream: 10,
    idleConnectionMs: 0,
    misbehaved: what => misbehaviour.push(what),
    ...rest,
    clock,
  })
  const accepted: Socket[] = []
  const retires: (() => void)[] = []
  const from = { address: '192.0.2.7', secure, client: identity }
  const front = createServer({ allowHalfOpen: true, noDelay: true }, (socket: Socket) => {
    accepted.push(socket)
    retires.push(engine.accept(socket, from))
  })
  const port = await listen(t, front)
  t.teardown(() => engine.destroy())
  const client = (): ClientHttp2Session => {
    const session = connect(`http://127.0.0.1:${port}`)
    session.on('error', () => {})
    t.teardown(() => session.destroy())
    return session
  }
  return { engine, gate, clock, port, container, sessions, misbehaviour, accepted, retires, client }
}

/** A policy that tells the container who calls, and a client that has proved it. */
export const introduced = {
  strip: ['postern-peer'],
  identityHeader: 'postern-peer',
  identity: { text: 'id="a"', until: Number.POSITIVE_INFINITY },
} as const

/** What such a client says of itself. */
export const spoofed = { 'postern-peer': 'id="b"', postern_peer: 'id="c"' } as const

export interface Heard {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly trailers: IncomingHttpHeaders | undefined
  readonly interim: readonly number[]
  /** How the stream ended: 0 is well. */
  readonly code: number
}

/** Everything that comes on a stream until it closes. */
export async function hear(stream: ClientHttp2Stream): Promise<Heard> {
  const interim: number[] = []
  const chunks: Buffer[] = []
  let headers: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders | undefined
  stream.on('headers', each => interim.push(Number(each[':status'])))
  stream.on('response', each => {
    headers = each
  })
  stream.on('trailers', each => {
    trailers = each
  })
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('error', () => {})
  // Not once(), which takes an error for a failure of the test.
  await new Promise<void>(resolve => stream.on('close', resolve))
  const body = Buffer.concat(chunks).toString('latin1')
  return { status: Number(headers[':status'] ?? 0), headers, body, trailers, interim, code: stream.rstCode ?? -1 }
}

/** One request and what is heard of it. */
export function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders = {},
  body?: string | Buffer,
): Promise<Heard> {
  const stream = session.request({ ':path': '/', ...headers }, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return hear(stream)
}

/** Bytes that a client could send until it has no credit left, however long it waits. */
export async function sendable(session: ClientHttp2Session): Promise<number> {
  const answered = (): Promise<void> => new Promise((resolve, reject) => session.ping(e => (e ? reject(e) : resolve())))
  if (session.connecting) await once(session, 'connect')
  for (;;) {
    const before = session.socket.bytesWritten
    // What is given back for the bytes before a PING has come when a second one is answered.
    await answered()
    await answered()
    if (session.socket.bytesWritten - before < 100) return session.socket.bytesWritten
  }
}
