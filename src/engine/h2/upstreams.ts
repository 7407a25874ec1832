// Connections to the container that speak HTTP/2: all requests share the first one with room, and another is dialed only
// where every one is full. Each stands behind its verdict: when that is over it takes no new stream, and closes when those
// that it has have ended or have had their time.

import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/errors.ts'
import type { AskHttp2, Dialer, Link } from '../dial.ts'
import { limits } from '../engine.ts'
import { Allowance } from './allowance.ts'
import { ask } from './question.ts'
import { Upstream } from './upstream.ts'

/** How long a container may take to say that it speaks HTTP/2. */
const settingsMs = 10_000

/**
 * Streams of one connection that may be broken off: less than Node's server takes (nghttp2: 1,000, and 33 a second), which
 * else ends the connection, and with it the requests of clients that broke nothing off.
 */
const resets = { burst: 900, perSecond: 30 } as const

/** The next one would do no better: it allows no stream, or its verdict was over before it could be used. */
const unfit = new Fault('upstream-closed', 'http2: a new connection to the container takes no request')

type Done = (outcome: Upstream | Fault) => void

export class Upstreams {
  readonly #dialer: Dialer
  readonly #clock: Clock
  readonly #authority: string
  /** Those that take no more streams among them, until they are gone. */
  #all: Upstream[] = []
  /** In line for room, in order. */
  readonly #waiting = new Set<Done>()
  /** Connections that were asked a challenge and are not handed over yet, by socket. */
  readonly #asked = new WeakMap<Link['socket'], Upstream>()
  #dialing = false
  #closed = false
  #telling = false

  constructor(dialer: Dialer, clock: Clock, authority: string) {
    this.#dialer = dialer
    this.#clock = clock
    this.#authority = authority
  }

  /** One with room whose verdict holds, now. */
  take(): Upstream | undefined {
    if (this.#waiting.size > 0) return undefined
    return this.#find()
  }

  /** One with room, later; told once. The returned function gives up. */
  wait(done: Done): () => void {
    const mine: Done = outcome => done(outcome)
    this.#waiting.add(mine)
    this.#dial()
    return () => this.#waiting.delete(mine)
  }

  /** For the dialer: it has no stream but the question until adopt() is told the verdict. */
  readonly ask: AskHttp2 = (socket, challenge, done) => {
    this.#asked.set(socket, ask(socket, challenge, this.#authority, this, done))
  }

  /** Takes over a connection that speaks HTTP/2, whatever it was dialed for. */
  adopt(link: Link, done: Done): void {
    const asked = this.#asked.get(link.socket)
    if (link.socket.destroyed || asked?.living === false) {
      link.socket.destroy()
      done(asked?.lost ?? new Fault('upstream-closed', 'EOF'))
      return
    }
    if (asked) {
      asked.admit(link.verdict)
      this.#add(asked)
      done(asked)
      return
    }
    const settled = (outcome: Upstream | Fault): void => {
      stop()
      done(outcome)
    }
    const upstream = new Upstream(link, this.#authority, this, fault => settled(fault ?? upstream))
    const stop = this.#clock.after(settingsMs, () => upstream.destroy())
    this.#add(upstream)
  }

  #add(upstream: Upstream): void {
    upstream.idleSince = this.#clock.monotonic()
    upstream.resets = new Allowance(this.#clock, resets)
    this.#all.push(upstream)
    if (this.#closed) upstream.destroy()
  }

  /** Closes what has waited for too long, and what is not to be trusted any more: idle at once, at work in the end. */
  sweep(): void {
    const now = this.#clock.monotonic()
    for (const upstream of [...this.#all]) {
      if (!upstream.idle) upstream.idleSince = now
      const old = upstream.idle && now - upstream.idleSince > limits.upstreamIdleMs
      const valid = this.#dialer.valid(upstream.verdict)
      if (old || !valid) upstream.retire()
      upstream.expire(valid, now)
    }
  }

  destroy(): void {
    this.#closed = true
    for (const upstream of [...this.#all]) upstream.destroy()
  }

  /** There is room where there was none. Told later, since it is a stream's end that says so. */
  roomier(): void {
    if (this.#waiting.size === 0 || this.#telling) return
    this.#telling = true
    queueMicrotask(() => {
      this.#telling = false
      this.#serve()
      if (this.#waiting.size > 0) this.#dial()
    })
  }

  gone(upstream: Upstream): void {
    this.#all = this.#all.filter(each => each !== upstream)
  }

  #find(): Upstream | undefined {
    for (const upstream of this.#all) {
      if (!upstream.room) continue
      if (this.#dialer.valid(upstream.verdict)) return upstream
      upstream.retire()
    }
    return undefined
  }

  /** @returns whether anybody was */
  #serve(): boolean {
    let served = false
    for (const done of this.#waiting) {
      const upstream = this.#find()
      if (!upstream) break
      this.#waiting.delete(done)
      served = true
      done(upstream)
    }
    return served
  }

  /** One at a time: those who wait share what it gives. */
  #dial(): void {
    if (this.#dialing) return
    this.#dialing = true
    const settled = (outcome: Upstream | Fault): void => {
      this.#dialing = false
      if (outcome instanceof Fault) this.#fail(outcome)
      else if (!this.#serve()) this.#fail(unfit)
      else if (this.#waiting.size > 0) this.#dial()
    }
    this.#dialer.dial(
      outcome => {
        if (outcome instanceof Fault) settled(outcome)
        else if (this.#dialer.verified && outcome.protocol !== 'h2') {
          outcome.socket.destroy()
          settled(
            new Fault(
              'upstream-malformed',
              'http2: the container did not choose HTTP/2 (ALPN h2); upstream.protocol "auto" bridges',
            ),
          )
        } else this.adopt(outcome, settled)
      },
      { offer: ['h2'], askHttp2: this.ask },
    )
  }

  /** Whoever waits for the connection that could not be had is told so; who comes later tries anew. */
  #fail(fault: Fault): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const done of waiting) done(fault)
  }
}
