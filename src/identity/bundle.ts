// Trust anchors that may be replaced while connections come and go: what a new bundle leaves out is still taken for an
// overlap, so that peers whose certificates hang from it have time for theirs; then it is withdrawn for good.
//
// Looked at against the clock each time: a late timer never lengthens an overlap. Whoever judged by a withdrawn anchor
// learns it from the generation, which is part of every verdict.

import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/errors.ts'

const maxAnchors = 64

interface Leaving {
  readonly anchor: Uint8Array
  /** Milliseconds since the epoch; from then on it counts no more. */
  readonly until: number
}

export class TrustBundle {
  readonly #clock: Clock
  #current: readonly Uint8Array[]
  #leaving: readonly Leaving[] = []
  #accepted: readonly Uint8Array[]
  #generation = 0

  /**
   * @param anchors DER
   * @throws Fault 'credential-invalid' where there are none, or more than 64
   */
  constructor(clock: Clock, anchors: readonly Uint8Array[]) {
    this.#clock = clock
    this.#current = counted(anchors)
    this.#accepted = this.#current
  }

  /** DER, those of the overlap last. The same array for as long as they are the same, so that others may keep what they made of it. */
  get anchors(): readonly Uint8Array[] {
    this.#withdraw()
    return this.#accepted
  }

  /** Counts withdrawals: verdicts of an older generation may rest on an anchor that is gone. */
  get generation(): number {
    this.#withdraw()
    return this.#generation
  }

  /**
   * Takes these anchors from now on; those that they replace for so long yet. One that is already on its way out keeps its
   * end, and one that comes back stays.
   * @throws Fault 'credential-invalid' as the constructor; the bundle stays as it was
   */
  replace(anchors: readonly Uint8Array[], overlapMs: number): void {
    const next = counted(anchors)
    this.#withdraw()
    const until = this.#clock.now() + overlapMs
    const gone = this.#current.filter(anchor => !has(next, anchor)).map(anchor => ({ anchor, until }))
    const before = this.#leaving.filter(({ anchor }) => !has(next, anchor))
    this.#current = next
    // The oldest go first where a host of bundles comes in one overlap.
    const leaving = [...before, ...gone]
    const most = Math.max(0, maxAnchors - next.length)
    this.#leaving = leaving.slice(Math.max(0, leaving.length - most))
    if (this.#leaving.length < leaving.length) this.#generation += 1
    this.#accepted = [...next, ...this.#leaving.map(({ anchor }) => anchor)]
    this.#withdraw()
  }

  #withdraw(): void {
    const now = this.#clock.now()
    const left = this.#leaving.filter(({ until }) => now < until)
    if (left.length === this.#leaving.length) return
    this.#leaving = left
    this.#generation += 1
    this.#accepted = [...this.#current, ...left.map(({ anchor }) => anchor)]
  }
}

function has(anchors: readonly Uint8Array[], anchor: Uint8Array): boolean {
  return anchors.some(each => Buffer.from(each).equals(anchor))
}

/** Copies, each once. */
function counted(anchors: readonly Uint8Array[]): readonly Uint8Array[] {
  const once = anchors.filter((anchor, i) => anchors.findIndex(other => Buffer.from(other).equals(anchor)) === i)
  if (once.length === 0 || once.length > maxAnchors) {
    throw new Fault('credential-invalid', `trust bundle: want 1 to ${maxAnchors} anchors, got ${once.length}`)
  }
  return once.map(anchor => new Uint8Array(anchor))
}
