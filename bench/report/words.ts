// What a result says, in three sentences, and what may not be said of it.

import { showLeg } from '../legs.ts'
import type { Result, Series } from '../result.ts'
import { compareSeries, type Difference, leastDifference } from '../stats/difference.ts'
import { estimate } from '../stats/estimate.ts'
import { figures, valuesOf } from '../stats/figures.ts'
import { number, percent, withInterval } from './format.ts'
import type { Group, View } from './view.ts'

/** Errors for each right answer that are passed over. */
const tolerated = 0.001

/** Three sentences: what a request costs, what else stands out, and how far to trust it. */
export function summary(view: View): readonly string[] {
  return [costSentence(view), otherSentence(view), trustSentence(view)]
}

function costSentence(view: View): string {
  const group = view.groups.find(({ scenario }) => scenario.kind === 'closed')
  const mine = group?.series.find(({ contender }) => contender === view.best)
  const cost = mine && estimate(valuesOf(mine, figures.cpu))
  if (!group || !mine || !cost) return 'No contender of ours was measured under a closed loop.'
  const others = group.series.filter(({ contender }) => contender !== mine.contender && contender !== 'direct')
  const said = others.flatMap(other => {
    const found = compareSeries(mine, other, figures.cpu, view.floor)
    return found ? [`${multiple(found)} ${other.contender}`] : []
  })
  const attested = view.series(group.scenario.name, 'h-tls', mine.contender)
  const more = attested && estimate(valuesOf(attested, figures.cpu))
  const tls = more ? `, and ${withInterval(more)} µs with an attested container behind TLS` : ''
  const compared = said.length > 0 ? `: ${said.join(', ')}` : ''
  return `A small request costs ${mine.contender} ${withInterval(cost)} µs of processor time (${group.title})${tls}${compared}.`
}

/** As "0.84 × that of", or why not. */
function multiple(found: Difference): string {
  switch (found.verdict) {
    case 'more':
    case 'less':
      return `${number(found.median)} × that of`
    case 'no difference':
      return 'no difference that can be told from'
    case 'too few rounds':
      return `too few rounds to compare with`
  }
}

function otherSentence(view: View): string {
  const parts: string[] = []
  const open = view.groups.find(({ scenario }) => scenario.kind === 'open' && !scenario.refusals)
  const p99 = open && medians(open, view, 'p99')
  if (open && p99) parts.push(`at ${number(open.scenario.rate)} requests a second its p99 is ${p99} ms (${open.title})`)
  const start = view.groups.find(({ scenario }) => scenario.kind === 'start')
  const ms = start && medians(start, view, 'start')
  if (ms) parts.push(`its first answer comes ${ms} ms after its start`)
  const memory = view.groups.find(({ scenario }) => scenario.name === 'memory') ?? view.groups[0]
  const rss = memory && medians(memory, view, 'rss')
  if (rss) parts.push(`it holds ${rss} MiB (${memory.title})`)
  const text = parts.join('; ')
  return text === '' ? 'Nothing else was measured of it.' : `${text[0]?.toUpperCase()}${text.slice(1)}.`
}

function medians(group: Group, view: View, figure: 'p99' | 'start' | 'rss'): string | undefined {
  const mine = group.series.find(({ contender }) => contender === view.best)
  const found = mine && estimate(valuesOf(mine, figures[figure]))
  return found && number(found.median)
}

function trustSentence(view: View): string {
  const { copies, floor, result } = view
  const bad = copies.filter(({ difference }) => difference.verdict === 'more' || difference.verdict === 'less')
  const shared = waited(result.series)
  const crowd =
    shared > 0.05
      ? `; contenders waited for their core for ${percent(shared)} of the time, since others used the machine`
      : ''
  if (copies.every(({ difference }) => difference.verdict === 'too few rounds')) {
    return `There was no control, or too few rounds for one, so differences below ${percent(leastDifference)} or within the intervals are not claimed${crowd}.`
  }
  if (bad.length > 0) {
    return `Two copies of the same program differed in this run by ${percent(floor)}: it is too noisy to tell anything less apart${crowd}.`
  }
  return `Two copies of the same program did not differ, and differences below ${percent(floor)} or within the intervals are not claimed${crowd}.`
}

/** How much of the time a contender was ready and did not run, in the median; of threads that wait for each other too. */
function waited(series: readonly Series[]): number {
  const all = series.flatMap(each => valuesOf(each, figures.waited))
  return (estimate(all)?.median ?? 0) / 100
}

/** What a reader has to know before any number. */
export function warnings({ result }: View): readonly string[] {
  const { machine, method } = result
  return [
    ...(result.complete ? [] : ['This run was ended before its time: what is here was measured, the rest is missing.']),
    ...result.failures.map(({ what, why }) => `Failed: ${what}: ${why}`),
    ...failing(result),
    ...(machine.cores < 2 ? ['One core only: proxy, load and backend took it from each other.'] : []),
    ...(machine.dirty ? ['The sources differed from the commit that is named.'] : []),
    ...(method.rounds < 5 ? ['Fewer than five rounds: no difference is claimed.'] : []),
  ]
}

/** Who answered wrongly more often than now and then: its figures are those of something else. */
function failing({ series }: Result): readonly string[] {
  return series.flatMap(({ scenario, leg, contender, samples }) => {
    const sum = (of: 'errors' | 'requests'): number => samples.reduce((all, sample) => all + sample[of], 0)
    const [errors, requests] = [sum('errors'), sum('requests')]
    if (errors <= requests * tolerated) return []
    return [
      `Errors: ${contender} failed ${number(errors)} of ${number(errors + requests)} in ${scenario}, ${showLeg(leg)}.`,
    ]
  })
}
