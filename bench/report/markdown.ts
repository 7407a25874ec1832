// A result as Markdown: one table for each scenario and leg.

import { type LegName, showLeg } from '../legs.ts'
import type { Result, Series } from '../result.ts'
import type { Scenario } from '../scenarios.ts'
import { type Estimate, estimate } from '../stats/estimate.ts'
import { type Figure, figures, syscallsOf, valuesOf } from '../stats/figures.ts'

export function markdown(result: Result): string {
  return result.scenarios.map(scenario => scenarioPart(result, scenario)).join('\n')
}

function scenarioPart(result: Result, scenario: Scenario): string {
  return scenario.legs.map(leg => legPart(result, scenario, leg)).join('')
}

function legPart(result: Result, scenario: Scenario, leg: LegName): string {
  const all = result.series.filter(
    series => series.scenario === scenario.name && series.leg === leg && series.samples.length > 0,
  )
  if (all.length === 0) return ''
  const columns = scenario.kind === 'open' ? latencyColumns : loadColumns
  const rows = all.map(series => [series.contender, ...columns.map(({ of }) => of(series))])
  const table = [['', ...columns.map(({ head }) => head)], ['---', ...columns.map(() => '--:')], ...rows]
  return [`**${scenario.name}, ${showLeg(leg)}**: ${scenario.summary}`, '', ...table.map(line), '', ''].join('\n')
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

interface Column {
  readonly head: string
  readonly of: (series: Series) => string
}

const column = (head: string, figure: Figure, digits: number, scale = 1): Column => ({
  head,
  of: series => range(estimate(valuesOf(series, figure).map(value => value * scale)), digits),
})

const errors: Column = {
  head: 'errors',
  of: ({ samples }) => String(samples.reduce((sum, sample) => sum + sample.errors, 0)),
}

const loadColumns: readonly Column[] = [
  column('CPU µs/request', figures.cpu, 1),
  column('requests/s', figures.rate, 0),
  column('core busy %', figures.busy, 0, 100),
  column('kept waiting %', figures.waited, 0, 100),
  column('RSS MiB', figures.rss, 0),
  { head: 'syscalls/request', of: series => syscallsOf(series)?.toFixed(2) ?? '–' },
  errors,
]

const latencyColumns: readonly Column[] = [
  column('p50 ms', figures.p50, 2),
  column('p90 ms', figures.p90, 2),
  column('p99 ms', figures.p99, 2),
  column('p99.9 ms', figures.p999, 2),
  column('max ms', figures.max, 1),
  column('CPU µs/request', figures.cpu, 1),
  errors,
]

function range(value: Estimate | undefined, digits: number): string {
  if (!value) return '–'
  const [median, low, high] = [value.median, value.low, value.high].map(each => each.toFixed(digits))
  return low === high ? `${median}` : `${median} (${low}–${high})`
}
