// A result as reports look at it: which series belong together, who is compared with whom, and how much a difference has
// to be before it is told.

import { own } from '../contenders/table.ts'
import { type LegName, showLeg } from '../legs.ts'
import type { Result, Series } from '../result.ts'
import type { Scenario } from '../scenarios.ts'
import { type Copy, control } from '../stats/difference.ts'
import { type FigureName, figures } from '../stats/figures.ts'

/** Whom others are given as multiples of: the first that took part. */
const yardsticks = ['nginx', 'haproxy', 'http-proxy', 'undici']

export interface Group {
  readonly scenario: Scenario
  readonly leg: LegName
  readonly title: string
  /** Without copies; those with samples. */
  readonly series: readonly Series[]
}

export class View {
  readonly result: Result
  readonly groups: readonly Group[]
  readonly best: string | undefined
  readonly yardstick: string | undefined
  /** The least difference that this run can tell, and the copies that show it. */
  readonly floor: number
  readonly copies: readonly Copy[]

  constructor(result: Result) {
    this.result = result
    const measured = new Set(
      result.series.filter(({ samples }) => samples.length > 0).map(({ contender }) => contender),
    )
    this.best = own.find(name => measured.has(name))
    this.yardstick = yardsticks.find(name => measured.has(name))
    const { floor, copies } = control(result.series, figures.cpu)
    this.floor = floor
    this.copies = copies
    this.groups = result.scenarios
      .filter(({ who }) => who !== 'ladder')
      .flatMap(scenario =>
        scenario.legs.map(leg => ({
          ...{ scenario, leg, title: `${scenario.name}, ${showLeg(leg)}` },
          series: result.series.filter(each => each.scenario === scenario.name && each.leg === leg && shown(each)),
        })),
      )
      .filter(({ series }) => series.length > 0)
  }

  series(scenario: string, leg: LegName, contender: string): Series | undefined {
    return this.groups
      .find(group => group.scenario.name === scenario && group.leg === leg)
      ?.series.find(each => each.contender === contender)
  }

  /** The rungs, in order. */
  get ladder(): readonly Series[] {
    const { name } = this.result.scenarios.find(({ who }) => who === 'ladder') ?? {}
    return this.result.series.filter(each => each.scenario === name && shown(each))
  }
}

const shown = ({ samples, controlOf }: Series): boolean => samples.length > 0 && controlOf === undefined

/** What a scenario is about, first what its bars show. */
export function figuresOf({ kind, name, refusals }: Scenario): readonly FigureName[] {
  switch (kind) {
    case 'closed':
      return name === 'memory' ? ['rss', 'grown', 'cpu'] : ['cpu', 'rate', 'perCore', 'busy', 'waited', 'rss']
    case 'open':
      return refusals ? ['p50', 'p99', 'rate', 'refused', 'cpu'] : ['p50', 'p90', 'p99', 'p999', 'max', 'cpu']
    case 'http2':
    case 'websocket':
      return ['cpu', 'rate', 'busy', 'rss']
    case 'events':
      return ['cpu', 'p50', 'p99', 'max', 'rss']
    case 'idle':
      return ['perConnection', 'rss', 'cpu']
    case 'start':
      return ['start', 'startCpu', 'rss']
  }
}
