// Verdicts that still hold. A peer that reconnects with the certificate that it showed before, under the same policy and
// collateral, need not be verified a second time: everything that the verdict came from is in its key.
//
// Only acceptances are kept, never longer than they hold, and never for a time before the one at which they were found:
// a clock that is set back gets no old verdict. What may change from one call to the next without the key changing (our
// own certificates) is for the caller to check each time.

import { createHash } from 'node:crypto'

interface Kept<T> {
  readonly verdict: T
  /** Milliseconds since the epoch. */
  readonly from: number
}

const defaultMost = 256

/** What a verdict depends on besides time. */
export interface VerdictKey {
  /** DER. */
  readonly leaf: Uint8Array
  /** Hex. */
  readonly policyDigest: string
  readonly collateralGeneration: number
}

type Verdict = { readonly accepted: true; readonly until: number } | { readonly accepted: false }

export class Verdicts<T extends Verdict> {
  readonly #most: number
  // Oldest use first: a Map keeps the order in which its keys were set.
  readonly #kept = new Map<string, Kept<T>>()

  /** @param most how many verdicts are kept; the one that was not asked for longest goes first */
  constructor(most: number = defaultMost) {
    this.#most = most
  }

  get size(): number {
    return this.#kept.size
  }

  /** The verdict that holds at this time, if there is one. @param at milliseconds since the epoch */
  known(key: VerdictKey, at: number): T | undefined {
    const name = nameOf(key)
    const kept = this.#kept.get(name)
    if (!kept || !holds(kept, at)) return undefined
    this.#kept.delete(name)
    this.#kept.set(name, kept)
    return kept.verdict
  }

  /** The verdict that holds at this time, or the one that `judge` finds now. @param at milliseconds since the epoch */
  find(key: VerdictKey, at: number, judge: () => T): T {
    const name = nameOf(key)
    const known = this.#kept.get(name)
    this.#kept.delete(name)
    const kept = known && holds(known, at) ? known : { verdict: judge(), from: at }
    if (!kept.verdict.accepted) return kept.verdict
    this.#kept.set(name, kept)
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#most) break
      this.#kept.delete(oldest)
    }
    return kept.verdict
  }
}

function holds({ verdict, from }: Kept<Verdict>, at: number): boolean {
  return verdict.accepted && from <= at && at < verdict.until
}

function nameOf({ leaf, policyDigest, collateralGeneration }: VerdictKey): string {
  return `${createHash('sha256').update(leaf).digest('hex')} ${policyDigest} ${collateralGeneration}`
}
