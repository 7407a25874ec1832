// Connections to the container that wait for a request, last in, first out, each behind its verdict. One that hears
// anything while it waits is not used again: what it says would be taken for an answer to somebody else's request.

import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/errors.ts'
import type { Dialer } from '../dial.ts'
import { type Bridge, type Bridged, limits } from '../engine.ts'
import { Intake } from './intake.ts'
import { Upstream } from './upstream.ts'
import type { MakeWire } from './wire.ts'

export class Pool {
  readonly #dialer: Dialer
  readonly #open: Bridge
  readonly #clock: Clock
  readonly #maxIdle: number
  readonly #makeWire: MakeWire
  readonly #all = new Set<Upstream>()
  readonly #idle: Upstream[] = []
  #closed = false

  constructor(dialer: Dialer, clock: Clock, maxIdle: number, makeWire: MakeWire, bridge?: Bridge) {
    this.#makeWire = makeWire
    this.#open = bridge ?? ((done, how) => dialer.dial(done, how))
    this.#dialer = dialer
    this.#clock = clock
    this.#maxIdle = maxIdle
  }

  /** The connection used last that lives and whose verdict still holds. */
  take(): Upstream | undefined {
    for (;;) {
      const upstream = this.#idle.pop()
      if (upstream === undefined) return undefined
      // One that has broken is told of a little later: a request that came in between would be lost with it.
      if (upstream.wire.writable && this.#dialer.valid(upstream.verdict)) return upstream
      upstream.destroy()
    }
  }

  /** Opens another; calls back once, later. The returned function gives up. */
  dial(done: (outcome: Upstream | Fault) => void): () => void {
    const intake = new Intake()
    const told = (outcome: Bridged | Fault): void =>
      done(outcome instanceof Fault ? outcome : this.adopt(outcome, intake))
    return this.#open(told, { intake })
  }

  /** Takes over a connection that stands. @param intake what it may have been opened with */
  adopt(link: Bridged, intake?: Intake): Upstream | Fault {
    const upstream = new Upstream(link, intake, this, this.#makeWire)
    this.#all.add(upstream)
    if (!this.#closed && !intake?.early) return upstream
    upstream.destroy()
    return new Fault('upstream-malformed', 'the container spoke before it was asked')
  }

  /** Back to wait, where there is room. */
  give(upstream: Upstream): void {
    if (this.#closed || this.#idle.length >= this.#maxIdle) {
      upstream.destroy()
      return
    }
    upstream.idleSince = this.#clock.monotonic()
    this.#idle.push(upstream)
  }

  /** It waits no longer: it is gone, or not to be trusted. */
  drop(upstream: Upstream): void {
    const at = this.#idle.indexOf(upstream)
    if (at >= 0) this.#idle.splice(at, 1)
  }

  gone(upstream: Upstream): void {
    this.drop(upstream)
    this.#all.delete(upstream)
  }

  /** Closes what has waited for too long, or whose verdict is over. The longest stand first. */
  sweep(): void {
    const now = this.#clock.monotonic()
    while (this.#idle[0] && now - this.#idle[0].idleSince > limits.upstreamIdleMs) this.#idle.shift()?.destroy()
    if (!this.#dialer.verified) return
    for (const upstream of this.#idle.filter(({ verdict }) => !this.#dialer.valid(verdict))) upstream.destroy()
    for (const upstream of [...this.#all]) upstream.expire(this.#dialer.valid(upstream.verdict), now)
  }

  destroy(): void {
    this.#closed = true
    for (const upstream of [...this.#all]) upstream.destroy()
  }
}
