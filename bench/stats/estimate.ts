// A median and how much it is worth. Medians, since the machine is shared and its disturbances go one way; intervals by
// the percentile bootstrap, which asks nothing of the distribution. With five rounds the 95 % interval of a median is
// nearly the range of the samples, which is as honest as five rounds can be.

import { type Random, seeded } from './random.ts'

export interface Estimate {
  readonly median: number
  /** Ends of the 95 % interval. */
  readonly low: number
  readonly high: number
  readonly count: number
}

const resamples = 2_000
const confidence = 0.95
/** The same samples give the same interval, today and in a year. */
const seed = 20_240_601

/** @param values finite; undefined where there are none */
export function estimate(values: readonly number[]): Estimate | undefined {
  if (values.length === 0) return undefined
  const random = seeded(seed)
  return interval(values, () => median(resample(values, random)), median(values))
}

/** The interval of a statistic, from drawing it anew. */
export function interval(values: { readonly length: number }, draw: () => number, value: number): Estimate {
  const drawn = Array.from({ length: resamples }, draw).sort((a, b) => a - b)
  const tail = (1 - confidence) / 2
  return { median: value, low: quantile(drawn, tail), high: quantile(drawn, 1 - tail), count: values.length }
}

/** As many, drawn with replacement. */
export function resample(values: readonly number[], random: Random): number[] {
  return values.map(() => values[Math.floor(random() * values.length)] ?? Number.NaN)
}

/** @throws RangeError for none */
export function median(values: readonly number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  )
}

/** Between the two nearest of sorted values. @throws RangeError for none */
export function quantile(sorted: readonly number[], at: number): number {
  const place = (sorted.length - 1) * at
  const low = sorted[Math.floor(place)]
  const high = sorted[Math.ceil(place)]
  if (low === undefined || high === undefined) throw new RangeError('no values')
  return low + (high - low) * (place - Math.floor(place))
}
