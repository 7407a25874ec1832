// Two results of the same contenders, the later against the earlier: what became slower, what faster, and what cannot be
// told. For a pipeline: the exit code says whether anything regressed by more than the threshold.

import { type LegName, showLeg } from './legs.ts'
import type { Result, Series } from './result.ts'
import { control, type Difference, differenceOf } from './stats/difference.ts'
import { type Figure, figures, valuesOf } from './stats/figures.ts'

export interface Change {
  readonly scenario: string
  readonly leg: LegName
  readonly contender: string
  readonly figure: string
  readonly difference: Difference
  readonly regressed: boolean
}

export interface Comparison {
  readonly changes: readonly Change[]
  /** Why the two may not be comparable. */
  readonly warnings: readonly string[]
  /** Series of the first that the second does not have. */
  readonly missing: readonly string[]
}

export interface CompareOptions {
  /** 0.05: what is worse by more than 5 %, beyond doubt, is a regression. */
  readonly threshold: number
  /** Compare ratios to this contender's instead of absolute figures: for results of different machines. */
  readonly to: string | undefined
}

const key = ({ scenario, leg, contender }: Series): string => `${scenario}, ${showLeg(leg)}, ${contender}`

export function compare(before: Result, after: Result, { threshold, to }: CompareOptions): Comparison {
  const missing: string[] = []
  const changes = before.series
    .filter(({ controlOf, contender }) => controlOf === undefined && contender !== to)
    .flatMap(old => {
      const now = after.series.find(each => key(each) === key(old))
      if (!now) {
        missing.push(key(old))
        return []
      }
      const kind = before.scenarios.find(({ name }) => name === old.scenario)?.kind
      return watched(kind).flatMap((figure): Change[] => {
        const floor = Math.max(control(before.series, figure).floor, control(after.series, figure).floor)
        const difference = differenceOf(values(after, now, figure, to), values(before, old, figure, to), floor)
        if (!difference) return []
        const { scenario, leg, contender } = old
        const worse = figure.lessIsBetter ? difference.median > 1 + threshold : difference.median < 1 / (1 + threshold)
        const claimed = difference.verdict === 'more' || difference.verdict === 'less'
        return [{ scenario, leg, contender, figure: figure.name, difference, regressed: worse && claimed }]
      })
    })
  return { changes, missing, warnings: warnings(before, after, to) }
}

function watched(kind: string | undefined): readonly Figure[] {
  return kind === 'open' ? [figures.cpu, figures.p50, figures.p99] : [figures.cpu]
}

/** Absolute, or round by round as multiples of another contender's. */
function values(result: Result, series: Series, figure: Figure, to: string | undefined): number[] {
  if (to === undefined) return valuesOf(series, figure).filter(value => value > 0)
  const other = result.series.find(
    ({ scenario, leg, contender }) => scenario === series.scenario && leg === series.leg && contender === to,
  )
  const rounds = new Map(other?.samples.map(sample => [sample.round, figure.of(sample)]))
  return series.samples.flatMap(sample => {
    const [mine, theirs] = [figure.of(sample), rounds.get(sample.round)]
    return mine && theirs ? [mine / theirs] : []
  })
}

function warnings(before: Result, after: Result, to: string | undefined): string[] {
  const found: string[] = []
  const [a, b] = [before.machine, after.machine]
  if ((a.cpu !== b.cpu || a.kernel !== b.kernel || a.cores !== b.cores) && to === undefined) {
    found.push(`different machines: ${a.cpu}, ${a.kernel} and ${b.cpu}, ${b.kernel}; --to NAME compares ratios instead`)
  }
  if (a.node !== b.node) found.push(`different Node: ${a.node} and ${b.node}`)
  for (const [name, { complete }] of [['first', before] as const, ['second', after] as const]) {
    if (!complete) found.push(`the ${name} result is of a run that was ended early`)
  }
  return found
}

/** As text, worst first. */
export function showComparison({ changes, warnings, missing }: Comparison): string {
  const percent = (ratio: number): string => `${ratio >= 1 ? '+' : '−'}${Math.abs((ratio - 1) * 100).toFixed(1)} %`
  const order = [...changes].sort((a, b) => b.difference.median - a.difference.median)
  const lines = order.map(({ scenario, leg, contender, figure, difference, regressed }) => {
    const { median, low, high, verdict } = difference
    const told = verdict === 'more' || verdict === 'less' ? percent(median) : verdict
    const interval = `${percent(low)} to ${percent(high)}`
    const mark = regressed ? 'REGRESSED' : '         '
    return `${mark}  ${`${scenario} ${showLeg(leg)} ${contender}`.padEnd(44)} ${figure.padEnd(16)} ${told}  (${interval})`
  })
  const regressed = changes.filter(change => change.regressed).length
  return [
    ...warnings.map(warning => `WARNING ${warning}`),
    ...lines,
    ...missing.map(name => `not in the second: ${name}`),
    `${changes.length} compared, ${regressed} regressed`,
    '',
  ].join('\n')
}
