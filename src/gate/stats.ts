// What the autoscaler wants to know: concurrency weighted by time and requests per window, in all and as far as the
// activator forwarded them (knative.dev/networking pkg/http/stats/request.go).

import type { Clock } from '../base/clock.ts'

/** One finished window of `windowMs`. */
export interface Window {
  readonly averageConcurrency: number
  readonly averageProxiedConcurrency: number
  readonly requests: number
  readonly proxiedRequests: number
  /** Since the first window began, in seconds, taken at the window's end. */
  readonly uptimeSeconds: number
}

/** The autoscaler's stable unit: one window a second, whoever asks and however often. */
export const windowMs = 1000

export class Stats {
  readonly #clock: Clock
  readonly #startedAt: number
  #lastAt: number
  #concurrency = 0
  #proxiedConcurrency = 0
  #weighted = 0
  #weightedProxied = 0
  #elapsed = 0
  #requests = 0
  #proxiedRequests = 0
  #latest: Window | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAt = clock.monotonic()
    this.#lastAt = this.#startedAt
  }

  /** The last finished window; undefined before the first one ends. */
  get latest(): Window | undefined {
    return this.#latest
  }

  /** Requests that are in now. */
  get concurrency(): number {
    return this.#concurrency
  }

  in(proxied: boolean): void {
    this.#advance()
    this.#concurrency++
    this.#requests++
    if (!proxied) return
    this.#proxiedConcurrency++
    this.#proxiedRequests++
  }

  out(proxied: boolean): void {
    this.#advance()
    this.#concurrency--
    if (proxied) this.#proxiedConcurrency--
  }

  /** Ends the window that runs and begins the next. Called once each `windowMs`. */
  tick(): void {
    this.#advance()
    const share = (weighted: number): number => (this.#elapsed > 0 ? weighted / this.#elapsed : 0)
    this.#latest = {
      averageConcurrency: share(this.#weighted),
      averageProxiedConcurrency: share(this.#weightedProxied),
      requests: this.#requests,
      proxiedRequests: this.#proxiedRequests,
      uptimeSeconds: (this.#lastAt - this.#startedAt) / 1000,
    }
    this.#weighted = 0
    this.#weightedProxied = 0
    this.#elapsed = 0
    this.#requests = 0
    this.#proxiedRequests = 0
  }

  #advance(): void {
    const now = this.#clock.monotonic()
    const passed = now - this.#lastAt
    if (passed <= 0) return
    this.#weighted += passed * this.#concurrency
    this.#weightedProxied += passed * this.#proxiedConcurrency
    this.#elapsed += passed
    this.#lastAt = now
  }
}
