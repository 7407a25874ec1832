// How often somebody may ask. One bucket for each address and one for all: who floods it alone is stopped alone, and many
// together cannot take more than there is. Bounded: the addresses that were not seen for longest go first.

import type { Clock } from '../base/clock.ts'

export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

export interface LimitOptions {
  readonly clock: Clock
  readonly each: Rate
  readonly all: Rate
  /** Addresses that are remembered. */
  readonly most?: number
}

interface Bucket {
  tokens: number
  at: number
}

export class Limits {
  readonly #options: LimitOptions
  readonly #most: number
  readonly #all: Bucket
  // Oldest use first: a Map keeps the order in which its keys were set.
  readonly #each = new Map<string, Bucket>()

  constructor(options: LimitOptions) {
    this.#options = options
    this.#most = options.most ?? 4096
    this.#all = { tokens: options.all.burst, at: options.clock.monotonic() }
  }

  /** True where one more may come from there now. */
  take(address: string): boolean {
    const { clock, each, all } = this.#options
    const now = clock.monotonic()
    const own = this.#each.get(address) ?? { tokens: each.burst, at: now }
    this.#each.delete(address)
    this.#each.set(address, own)
    const [oldest] = this.#each.keys()
    if (this.#each.size > this.#most && oldest !== undefined) this.#each.delete(oldest)
    fill(own, each, now)
    fill(this.#all, all, now)
    if (own.tokens < 1 || this.#all.tokens < 1) return false
    own.tokens -= 1
    this.#all.tokens -= 1
    return true
  }
}

function fill(bucket: Bucket, { burst, perSecond }: Rate, now: number): void {
  bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond)
  bucket.at = now
}
