// A clock for long stories: time moves in steps, and whatever is due at the end of one runs once, as in a process that
// was asleep for so long. The time of day can be set, durations go on.

import type { Clock } from '../../src/base/clock.ts'

interface Timer {
  at: number
  readonly every: number | undefined
  readonly run: () => void
}

export class LabClock implements Clock {
  #passed = 0
  #now: number
  readonly #timers = new Set<Timer>()

  constructor(now: number) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#passed
  }

  after(ms: number, run: () => void): () => void {
    return this.#add({ at: this.#passed + ms, every: undefined, run })
  }

  every(ms: number, run: () => void): () => void {
    return this.#add({ at: this.#passed + ms, every: ms, run })
  }

  advance(ms: number): void {
    this.#passed += ms
    this.#now += ms
    for (const timer of [...this.#timers]) {
      if (timer.at > this.#passed || !this.#timers.has(timer)) continue
      if (timer.every === undefined) this.#timers.delete(timer)
      else timer.at = this.#passed + timer.every
      timer.run()
    }
  }

  /** The host's doing. */
  set(now: number): void {
    this.#now = now
  }

  #add(timer: Timer): () => void {
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }
}
