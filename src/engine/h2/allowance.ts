// How often something may happen: so many times at once, and so many a second after that.

import type { Clock } from '../../base/clock.ts'

export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

export class Allowance {
  readonly #clock: Clock
  readonly #rate: Rate
  #left: number
  /** Since when `#left` is what it is. */
  #at = 0

  constructor(clock: Clock, rate: Rate) {
    this.#clock = clock
    this.#rate = rate
    this.#left = rate.burst
  }

  /** It has happened. @returns false where that was once too often */
  take(): boolean {
    this.#left = this.left - 1
    this.#at = this.#clock.monotonic()
    return this.#left >= 0
  }

  /** How often it may happen now. */
  get left(): number {
    const { burst, perSecond } = this.#rate
    // Most have all of it, and ask with every request.
    if (this.#left === burst) return burst
    const now = this.#clock.monotonic()
    this.#left = Math.min(burst, this.#left + ((now - this.#at) * perSecond) / 1000)
    this.#at = now
    return this.#left
  }
}
