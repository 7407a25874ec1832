// The breaker: N requests work, M wait, the rest is turned away (knative/serving pkg/queue/breaker.go, M = 10 N).
// Strictly first in, first out. Wake-ups run from one microtask, so no request is started inside the unwinding of
// another one's end.

import { type Place, Queue } from '../base/queue.ts'

export interface Waiter {
  /** The slot is taken; start. */
  admitted(): void
}

/** Requests that may wait for each that may work. */
export const waitingPerWorking = 10

export class Limiter {
  readonly #working: number
  readonly #total: number
  readonly #line = new Queue<Waiter>()
  #busy = 0
  #waking = false

  /** @param working requests served at once; 0 means no limit */
  constructor(working: number) {
    this.#working = working === 0 ? Number.POSITIVE_INFINITY : working
    this.#total = this.#working * (1 + waitingPerWorking)
  }

  /** Requests that work or wait. */
  get inFlight(): number {
    return this.#busy + this.#line.size
  }

  /** A place in line, or at once a slot ('admitted'), or neither ('full'). */
  enter(waiter: Waiter): 'admitted' | 'full' | Place<Waiter> {
    if (this.inFlight >= this.#total) return 'full'
    // While somebody is in line a free slot is already theirs: a newcomer does not overtake.
    if (this.#busy < this.#working && this.#line.size === 0) {
      this.#busy++
      return 'admitted'
    }
    return this.#line.push(waiter)
  }

  /** Gives up a place in line. */
  leaveLine(place: Place<Waiter>): void {
    this.#line.remove(place)
  }

  /** Gives back a slot; the next in line gets it. */
  leaveSlot(): void {
    this.#busy--
    if (this.#line.size === 0 || this.#waking) return
    this.#waking = true
    queueMicrotask(() => this.#wake())
  }

  #wake(): void {
    this.#waking = false
    while (this.#busy < this.#working) {
      const next = this.#line.shift()
      if (!next) return
      this.#busy++
      next.admitted()
    }
  }
}
