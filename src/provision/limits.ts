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

  /** One more from there. @returns 0 where it may come, else in how many milliseconds it is worth another try */
  take(address: string): number {
    const { clock, each, all } = this.#options
    const now = clock.monotonic()
    const own = this.#each.get(address) ?? { tokens: each.burst, at: now }
    this.#each.delete(address)
    this.#each.set(address, own)
    const [oldest] = this.#each.keys()
    if (this.#each.size > this.#most && oldest !== undefined) this.#each.delete(oldest)
    fill(own, each, now)
    fill(this.#all, all, now)
    const wait = Math.max(lacking(own, each), lacking(this.#all, all))
    if (wait > 0) return wait
    own.tokens -= 1
    this.#all.tokens -= 1
    return 0
  }
}

/** Milliseconds until a whole token is there. */
function lacking({ tokens }: Bucket, { perSecond }: Rate): number {
  return tokens >= 1 ? 0 : ((1 - tokens) / perSecond) * 1000
}

function fill(bucket: Bucket, { burst, perSecond }: Rate, now: number): void {
  bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond)
  bucket.at = now
}
