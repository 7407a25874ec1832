// A clock that stands still until told to move; timers fire in order of their time.

import type { Clock } from '../../src/base/clock.ts'

interface Timer {
  at: number
  readonly every: number | undefined
  readonly run: () => void
}

export class FakeClock implements Clock {
  #now: number
  readonly #start: number
  #timers: Timer[] = []

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now
    this.#start = now
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now - this.#start + 1
  }

  after(ms: number, run: () => void): () => void {
    return this.#add({ at: this.#now + ms, every: undefined, run })
  }

  every(ms: number, run: () => void): () => void {
    return this.#add({ at: this.#now + ms, every: ms, run })
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.length
  }

  /** Moves on, firing what falls due on the way. */
  advance(ms: number): void {
    const until = this.#now + ms
    for (;;) {
      const due = this.#timers.filter(timer => timer.at <= until).sort((a, b) => a.at - b.at)[0]
      if (!due) break
      this.#now = due.at
      if (due.every === undefined) this.#timers = this.#timers.filter(timer => timer !== due)
      else due.at += due.every
      due.run()
    }
    this.#now = until
  }

  #add(timer: Timer): () => void {
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter(each => each !== timer)
    }
  }
}
