// Latencies in an HDR histogram (three significant figures, Node's own), and what is kept of one: the percentiles of the
// usual curve. Microseconds throughout.

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

const longestUs = 600_000_000

export interface Latency {
  readonly count: number
  readonly meanUs: number
  readonly maxUs: number
  /** Rising; `percentiles[i]` is that of `quantiles[i]`. */
  readonly percentilesUs: readonly number[]
}

/** In per cent; evenly spaced in the number of nines. */
export const quantiles: readonly number[] = [
  1, 10, 25, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 96, 97, 98, 99, 99.25, 99.5, 99.75, 99.9, 99.95, 99.99,
]

export class Recorder {
  readonly #histogram: RecordableHistogram = createHistogram({ lowest: 1, highest: longestUs, figures: 3 })

  /** Milliseconds, fractions included. */
  record(ms: number): void {
    this.#histogram.record(Math.min(longestUs, Math.max(1, Math.round(ms * 1_000))))
  }

  take(): Latency | undefined {
    const { count, mean, max } = this.#histogram
    if (count === 0) return undefined
    const percentilesUs = quantiles.map(each => this.#histogram.percentile(each))
    return { count, meanUs: Math.round(mean), maxUs: max, percentilesUs }
  }
}

/** One percentile of what was kept. @throws Error for one that is not kept */
export function percentile(latency: Latency, quantile: number): number {
  const value = latency.percentilesUs[quantiles.indexOf(quantile)]
  if (value === undefined) throw new Error(`p${quantile} is not kept`)
  return value
}
