// Leaving service without losing a request (knative.dev/pkg/network/handlers/drain.go). After TERM, probes fail at once
// while traffic is still served, until no request has come for the quiet period. The container's preStop hook asks for
// the same; where no TERM follows within a second only the container restarts, and we return to service.
//
// The hook's port is open to everybody in the pod's network, so waiters are bounded and a returned service is not taken
// away again for a while.

import type { Clock } from '../base/clock.ts'
import type { Life } from './life.ts'

export interface DrainOptions {
  /** Without a request for this long, the drain is over. */
  readonly quietMs: number
  /** How long a hook waits for TERM before service resumes. */
  readonly hookMs: number
  /** After a resumed service, hooks without TERM do not interrupt it for this long. */
  readonly calmMs: number
  /** Hooks that may wait at once. */
  readonly maxWaiters: number
}

export const drainDefaults: DrainOptions = { quietMs: 30_000, hookMs: 1_000, calmMs: 5_000, maxWaiters: 16 }

export type HookOutcome = 'drained' | 'resumed' | 'too-many'

export class Drain {
  readonly #life: Life
  readonly #clock: Clock
  readonly #options: DrainOptions
  #termed = false
  #drained = false
  #quietSince = 0
  #resumedAt = Number.NEGATIVE_INFINITY
  #waiters: ((outcome: HookOutcome) => void)[] = []
  #cancelHook: (() => void) | undefined
  #stopTicker: (() => void) | undefined
  #onQuiet: (() => void)[] = []

  constructor(life: Life, clock: Clock, options: DrainOptions = drainDefaults) {
    this.#life = life
    this.#clock = clock
    this.#options = options
  }

  /** Hooks that wait now. */
  get waiters(): number {
    return this.#waiters.length
  }

  /** A real request came: the quiet period starts again. */
  touch(): void {
    if (this.#life.state === 'draining') this.#quietSince = this.#clock.monotonic()
  }

  /** TERM came. Resolves when no request has come for the quiet period. */
  term(): Promise<void> {
    this.#termed = true
    this.#cancelHook?.()
    this.#cancelHook = undefined
    if (this.#life.may('draining')) this.#life.to('draining')
    this.#quietSince = this.#clock.monotonic()
    this.#stopTicker ??= this.#clock.every(100, () => this.#tick())
    return new Promise(resolve => this.#onQuiet.push(resolve))
  }

  /** The preStop hook asks. Resolves when the drain is over, or when service has resumed because no TERM came. */
  hook(): Promise<HookOutcome> {
    if (this.#drained) return Promise.resolve('drained')
    if (this.#waiters.length >= this.#options.maxWaiters) return Promise.resolve('too-many')
    const outcome = new Promise<HookOutcome>(resolve => this.#waiters.push(resolve))
    if (this.#termed || this.#cancelHook) return outcome
    const calm = this.#clock.monotonic() - this.#resumedAt < this.#options.calmMs
    if (!calm && this.#life.state === 'serving') this.#life.to('draining')
    this.#cancelHook = this.#clock.after(this.#options.hookMs, () => this.#resume())
    return outcome
  }

  #resume(): void {
    this.#cancelHook = undefined
    if (this.#life.state === 'draining') {
      this.#life.to('serving')
      this.#resumedAt = this.#clock.monotonic()
    }
    this.#release('resumed')
  }

  #tick(): void {
    if (this.#clock.monotonic() - this.#quietSince < this.#options.quietMs) return
    this.#stopTicker?.()
    this.#stopTicker = undefined
    this.#drained = true
    this.#release('drained')
    for (const resolve of this.#onQuiet.splice(0)) resolve()
  }

  #release(outcome: HookOutcome): void {
    for (const resolve of this.#waiters.splice(0)) resolve(outcome)
  }
}
