// Connections to the container for the reference engine: one undici Client each, last in first out, each behind the
// dialer. A lane is used again only while its verdict holds. The one door to the package undici.

import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { Client, type Dispatcher } from 'undici'
import { Fault, systemCode } from '../../base/errors.ts'
import type { Verdict } from '../../gate/contract.ts'
import type { Dialer, Link } from '../dial.ts'
import { limits } from '../engine.ts'
import { Lapse, lapsed } from '../expiry.ts'

export type Handler = Dispatcher.DispatchHandler
export type Controller = Dispatcher.DispatchController

export interface Dispatch {
  readonly method: string
  readonly path: string
  /** name, value, name, value, … */
  readonly headers: string[]
  readonly body: Readable | null
  /** The Upgrade token, or null. */
  readonly upgrade: string | null
}

const connectionLine = /\r\nconnection: (keep-alive|close|upgrade)\r\n/

export class Lane {
  readonly #client: Client
  #verdict: Verdict | undefined
  #socket: Socket | undefined
  #served = 0
  #bytesBefore = 0
  #broken = false
  readonly #lapse = new Lapse()

  constructor(dialer: Dialer, gone: (lane: Lane) => void) {
    this.#client = new Client('http://container.invalid', {
      connect: (_options, callback) => {
        dialer.dial(outcome => {
          if (outcome instanceof Fault) callback(outcome, null)
          else callback(null, this.#adopt(outcome))
        })
      },
      allowH2: false,
      pipelining: 1,
      keepAliveTimeout: limits.upstreamIdleMs,
      keepAliveMaxTimeout: limits.upstreamIdleMs,
      maxHeaderSize: limits.responseHeadBytes,
      // Deadlines are the gate's.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    this.#client.on('disconnect', () => gone(this))
  }

  get verdict(): Verdict | undefined {
    return this.#verdict
  }

  /**
   * True where this connection had carried a request before and gave not one byte for the last: only then can it have
   * gone stale, and only then may a request be sent again.
   */
  get stale(): boolean {
    return this.#served > 1 && this.#socket?.bytesRead === this.#bytesBefore
  }

  /** True where the connection ended with an error of its own, not with one of undici's. */
  get broken(): boolean {
    return this.#broken
  }

  dispatch(request: Dispatch, handler: Handler): void {
    this.#served++
    this.#bytesBefore = this.#socket?.bytesRead ?? 0
    this.#client.dispatch(request, handler)
  }

  destroy(): void {
    this.#client.destroy().catch(() => {})
  }

  /** Breaks off a response that has outlived its verdict for too long. */
  expire(valid: boolean, now: number): void {
    if (this.#lapse.isOver(valid, now)) this.#client.destroy(new Fault('upstream-untrusted', lapsed)).catch(() => {})
  }

  #adopt(link: Link): Socket {
    this.#verdict = link.verdict
    this.#socket = link.socket
    this.#served = 1
    this.#bytesBefore = 0
    this.#broken = false
    link.socket.once('error', error => {
      this.#broken = !systemCode(error)?.startsWith('UND_')
    })
    return withoutConnectionLine(link.socket)
  }
}

/**
 * undici writes `connection: keep-alive` into each head. The Go proxy sends no such field and persistence is the
 * default, so containers behind a drop-in should not see one either. Heads are the only strings with line breaks around a
 * whole field that undici writes; its own line is the first to match, as method, target and host hold no line break.
 */
function withoutConnectionLine(socket: Socket): Socket {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
  socket.write = ((chunk: unknown, ...rest: unknown[]): boolean =>
    write(
      typeof chunk === 'string'
        ? chunk.replace(connectionLine, (_, how) => (how === 'upgrade' ? '\r\nConnection: Upgrade\r\n' : '\r\n'))
        : chunk,
      ...rest,
    )) as Socket['write']
  return socket
}

export class Lanes {
  readonly #dialer: Dialer
  readonly #maxIdle: number
  readonly #all = new Set<Lane>()
  #idle: Lane[] = []
  readonly #gone = (lane: Lane): void => {
    const at = this.#idle.indexOf(lane)
    if (at < 0) return
    this.#idle.splice(at, 1)
    this.#discard(lane)
  }

  constructor(dialer: Dialer, maxIdle: number) {
    this.#dialer = dialer
    this.#maxIdle = maxIdle
  }

  /** The connection used last whose verdict still holds, or a new one; always a new one where `fresh`. */
  take(fresh: boolean): Lane {
    while (!fresh) {
      const lane = this.#idle.pop()
      if (!lane) break
      if (lane.verdict && this.#dialer.valid(lane.verdict)) return lane
      this.#discard(lane)
    }
    const lane = new Lane(this.#dialer, this.#gone)
    this.#all.add(lane)
    return lane
  }

  /** Back into the pool, where there is room. */
  give(lane: Lane): void {
    if (this.#idle.length < this.#maxIdle && this.#all.has(lane)) this.#idle.push(lane)
    else this.#discard(lane)
  }

  /** Not to be used again. */
  discard(lane: Lane): void {
    this.#discard(lane)
  }

  /** Closes whose verdict is over: those that wait at once, those at work in the end. */
  sweep(now: number): void {
    if (!this.#dialer.verified) return
    const holds = ({ verdict }: Lane): boolean => !verdict || this.#dialer.valid(verdict)
    for (const lane of this.#idle.filter(lane => !holds(lane))) this.#discard(lane)
    this.#idle = this.#idle.filter(holds)
    for (const lane of this.#all) lane.expire(holds(lane), now)
  }

  destroy(): void {
    for (const lane of this.#all) lane.destroy()
    this.#all.clear()
    this.#idle = []
  }

  #discard(lane: Lane): void {
    this.#all.delete(lane)
    lane.destroy()
  }
}
