// A client's connection: its settings, its streams, and how much a client may take without giving. Each stream is an
// exchange of its own; nothing here decides about one.

import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Peer } from '../../gate/contract.ts'
import { limits, type Misbehaviour } from '../engine.ts'
import { Allowance } from './allowance.ts'
import { Asked } from './asked.ts'
import { Exchange, type Front, type Shared } from './exchange.ts'
import { asReceived } from './fields.ts'
import { Window } from './window.ts'

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_FLAG_END_STREAM, NGHTTP2_NO_ERROR } = constants

/** What the Go proxy announces. */
const announced = {
  maxConcurrentStreams: 250,
  initialWindowSize: 1 << 20,
  maxFrameSize: 1 << 20,
  maxHeaderListSize: (1 << 20) + 320,
} as const

/** On a port that answers probes only. */
const probeStreams = 16

/** What all of a connection's uploads may have waiting together. Go: 1 MiB, which one stalled upload can use up. */
const uploadWindow = 2 << 20

/** Fields of one head; what they may add up to is announced. */
const maxFields = 4_096

/** Streams that a client may break off: so many at once, and so many a second. nghttp2 has the same bounds, told later. */
const resets = { burst: 1_000, perSecond: 33 } as const

/** How long a client may take to see that we leave. */
const leaveMs = 1_000

/** A stream ID that no client can have used: "whatever you send now is still served" (RFC 9113 §6.8). */
const lastStream = 2 ** 31 - 1

export class Connection implements Front {
  readonly window: Window
  readonly #session: ServerHttp2Session
  readonly #shared: Shared
  readonly #from: Peer
  readonly #gone: (connection: Connection) => void
  readonly #exchanges = new Set<Exchange>()
  readonly #mayTunnel: (token: string) => boolean
  #tunnels = 0
  /** Streams whose exchange is over and whose client has not taken everything, and since when. */
  readonly #untaken = new Map<ServerHttp2Stream, number>()
  #fresh = true
  #since: number
  #leaving = false
  readonly #resets: Allowance

  constructor(socket: Socket, from: Peer, shared: Shared, gone: (connection: Connection) => void) {
    this.#from = from
    this.#shared = shared
    this.#gone = gone
    const { clock, plaintext, extendedConnect = false, upgrades } = shared.options
    this.#since = clock.monotonic()
    this.#resets = new Allowance(clock, resets)
    const few = plaintext === 'probes-only' && !from.secure
    const enableConnectProtocol = extendedConnect && !few
    this.#mayTunnel = enableConnectProtocol ? upgrades : () => false
    this.#session = performServerHandshake(socket, {
      settings: {
        ...announced,
        ...(few ? { maxConcurrentStreams: probeStreams } : {}),
        ...(enableConnectProtocol ? { enableConnectProtocol } : {}),
      },
      maxHeaderListPairs: maxFields,
      streamResetBurst: resets.burst * 2,
      streamResetRate: resets.perSecond,
      maxSendHeaderBlockLength: limits.responseHeadBytes,
      ...asReceived,
    })
    const { destroy } = this.#session
    this.#session.destroy = (error, code) => destroy.call(this.#session, error, code ?? floodCode(error))
    this.window = new Window(this.#session, uploadWindow)
    this.#session.on('stream', (stream, _headers, flags, raw) => this.#open(stream, flags, raw))
    this.#session.on('error', error => this.#broke(error))
    this.#session.on('close', () => this.#gone(this))
    // Behind the session's own look at what the socket holds already.
    process.nextTick(() => socket.resume())
  }

  /** True while a request is under way that is no tunnel. */
  get busy(): boolean {
    return this.#exchanges.size > this.#tunnels
  }

  #open(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    this.#fresh = false
    const asked = new Asked(raw, this.#from, (flags & NGHTTP2_FLAG_END_STREAM) !== 0, this.#mayTunnel)
    const exchange = new Exchange(this.#shared, this, stream, asked)
    this.#exchanges.add(exchange)
    exchange.begin()
  }

  tunnelled(): void {
    this.#tunnels++
    this.#shared.changed()
  }

  over(exchange: Exchange, stream: ServerHttp2Stream): void {
    this.#exchanges.delete(exchange)
    if (exchange.tunnel) this.#tunnels--
    this.#since = this.#shared.options.clock.monotonic()
    if (!stream.destroyed) this.#untaken.set(stream, this.#since)
    this.#shared.changed()
  }

  closed(stream: ServerHttp2Stream): void {
    this.#untaken.delete(stream)
  }

  /** CVE-2023-44487: who opens streams only to break them off costs us more than it pays. */
  reset(): void {
    if (!this.#resets.take()) this.#refuse('reset-flood')
  }

  /** True where the client has had its time. Streams that it does not take to their end are broken off. */
  overdue(now: number, idleMs: number): boolean {
    for (const [stream, since] of this.#untaken) {
      if (now - since <= limits.headMs) break
      this.#shared.options.misbehaved?.('stalled')
      this.#untaken.delete(stream)
      stream.close(NGHTTP2_ENHANCE_YOUR_CALM)
    }
    if (this.#exchanges.size > 0 || this.#untaken.size > 0) return false
    const quiet = now - this.#since
    return this.#fresh ? quiet > limits.headMs : idleMs > 0 && quiet > idleMs
  }

  /**
   * Lets streams end and takes no new ones. The client is told first, and those that were on their way when it heard are
   * served (RFC 9113 §6.8).
   */
  leave(): void {
    if (this.#leaving || this.#session.destroyed) return
    this.#leaving = true
    this.#session.goaway(NGHTTP2_NO_ERROR, lastStream)
    const close = (): void => {
      stop()
      this.#session.close()
    }
    const stop = this.#shared.options.clock.after(leaveMs, close)
    this.#session.ping(close)
  }

  /** Ends an idle connection. */
  close(): void {
    this.#session.close()
  }

  destroy(): void {
    for (const exchange of this.#exchanges) exchange.cut()
    this.#session.destroy()
  }

  #refuse(what: Misbehaviour): void {
    if (this.#session.destroyed) return
    this.#shared.options.misbehaved?.(what)
    this.#session.destroy(new Error(what), NGHTTP2_ENHANCE_YOUR_CALM)
  }

  #broke(error: Error): void {
    if ('code' in error && String(error.code).startsWith('ERR_HTTP2_')) this.#shared.options.misbehaved?.('protocol')
  }
}

/** nghttp2's: FLOODED, TOO_MANY_CONTINUATIONS. */
const floods: ReadonlySet<unknown> = new Set([-904, -905, 'ERR_HTTP2_TOO_MANY_INVALID_FRAMES'])

/** Node would say INTERNAL_ERROR of it, as if it were our fault. */
function floodCode(error: NodeJS.ErrnoException | number | undefined): number | undefined {
  if (!(error instanceof Error)) return undefined
  return floods.has(error.errno) || floods.has(error.code) ? NGHTTP2_ENHANCE_YOUR_CALM : undefined
}
