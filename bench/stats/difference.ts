// Whether two contenders differ, and the refusal to say so where the noise does not allow it.
//
// Where both were measured in the same rounds the ratio is taken round by round, since rounds differ more than their
// halves do; otherwise from independent resamples. A difference is claimed only if there are enough rounds and the whole
// interval lies beyond the floor: the least difference that is worth a claim, or what two copies of the same program
// differed by in this very run, whichever is more. With five rounds and the noise of a shared machine about one in fifty
// such claims is wrong; without the floor it would be one in sixteen.

import type { Sample, Series } from '../result.ts'
import { type Estimate, interval, median, resample } from './estimate.ts'
import { type Figure, valuesOf } from './figures.ts'
import { seeded } from './random.ts'

export type Verdict = 'more' | 'less' | 'no difference' | 'too few rounds'

export interface Difference extends Estimate {
  /** `median`, `low` and `high` are of the ratio first / second. */
  readonly verdict: Verdict
  readonly paired: boolean
}

export const leastRounds = 5
/** Smaller differences are not claimed, however steady the machine. */
export const leastDifference = 0.02
const seed = 20_240_602

/** A ratio of two figures, or undefined where one of them has none. */
export function compareSeries(
  first: Series,
  second: Series,
  figure: Figure,
  floor: number,
  sameRun = true,
): Difference | undefined {
  const pairs = sameRun && alike(first, second) ? paired(first.samples, second.samples, figure) : []
  if (pairs.length > 0) return differenceOfPairs(pairs, floor)
  return differenceOf(valuesOf(first, figure), valuesOf(second, figure), floor)
}

/** Of ratios taken round by round. */
export function differenceOfPairs(ratios: readonly number[], floor: number): Difference {
  const logs = ratios.map(Math.log)
  const random = seeded(seed)
  const found = interval(logs, () => median(resample(logs, random)), median(logs))
  return judge(found, floor, true)
}

/** Of independent samples. Undefined where there are none. */
export function differenceOf(
  first: readonly number[],
  second: readonly number[],
  floor: number,
): Difference | undefined {
  if (first.length === 0 || second.length === 0) return undefined
  const [a, b] = [first.map(Math.log), second.map(Math.log)]
  const random = seeded(seed)
  const draw = (): number => median(resample(a, random)) - median(resample(b, random))
  const least = { length: Math.min(a.length, b.length) }
  return judge(interval(least, draw, median(a) - median(b)), floor, false)
}

function judge(logs: Estimate, floor: number, paired: boolean): Difference {
  const { count } = logs
  const ratio = { median: Math.exp(logs.median), low: Math.exp(logs.low), high: Math.exp(logs.high) }
  const least = Math.max(floor, leastDifference)
  return { ...ratio, count, paired, verdict: verdict(ratio, count, least) }
}

function verdict({ low, high }: Pick<Estimate, 'low' | 'high'>, count: number, floor: number): Verdict {
  if (count < leastRounds) return 'too few rounds'
  if (low > 1 + floor) return 'more'
  return high < 1 / (1 + floor) ? 'less' : 'no difference'
}

/** Rounds of one scenario are common to its legs and contenders. */
const alike = (a: Series, b: Series): boolean => a.scenario === b.scenario

function paired(first: readonly Sample[], second: readonly Sample[], figure: Figure): number[] {
  const others = new Map(second.map(sample => [sample.round, figure.of(sample)]))
  return first.flatMap(sample => {
    const [mine, other] = [figure.of(sample), others.get(sample.round)]
    return mine === undefined || other === undefined || other <= 0 || mine <= 0 ? [] : [mine / other]
  })
}

/**
 * What the control says: the differences of each copy from its original, which have to be none, and the floor that
 * follows from them for every other claim.
 */
export function control(series: readonly Series[], figure: Figure): { floor: number; copies: readonly Copy[] } {
  const copies = series.flatMap((copy): Copy[] => {
    const original = series.find(
      each => each.contender === copy.controlOf && each.scenario === copy.scenario && each.leg === copy.leg,
    )
    const found = original && compareSeries(copy, original, figure, 0)
    return found ? [{ copy, difference: found }] : []
  })
  const floor = Math.max(leastDifference, ...copies.map(({ difference }) => Math.abs(difference.median - 1)))
  return { floor, copies }
}

export interface Copy {
  readonly copy: Series
  readonly difference: Difference
}
