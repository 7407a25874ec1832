// The tables of a result, as cells: reports make Markdown or HTML of them.

import { showLeg } from '../legs.ts'
import type { Series } from '../result.ts'
import { compareSeries, type Difference } from '../stats/difference.ts'
import { estimate } from '../stats/estimate.ts'
import { type Figure, figures, syscallsOf, valuesOf } from '../stats/figures.ts'
import { type Cells, number, percent, withInterval } from './format.ts'
import { figuresOf, type Group, type View } from './view.ts'

/** One row a contender; the first figure also as a multiple of the yardstick's, where that may be claimed. */
export function groupTable(view: View, { scenario, series }: Group): readonly Cells[] {
  const names = figuresOf(scenario)
  const [first = 'cpu'] = names
  const columns = names.map((name): Figure => figures[name])
  const yardstick = series.find(({ contender }) => contender === view.yardstick)
  const counted = series.some(each => syscallsOf(each) !== undefined)
  const head = [
    '',
    ...columns.map(({ name, unit }) => `${name}, ${unit}`),
    ...(yardstick ? [`÷ ${yardstick.contender}`] : []),
    ...(counted ? ['system calls'] : []),
    'errors',
  ]
  const rows = series.map(each => [
    each.contender,
    ...columns.map(figure => withInterval(estimate(valuesOf(each, figure)))),
    ...(yardstick ? [ratio(view, each, yardstick, figures[first])] : []),
    ...(counted ? [number(syscallsOf(each) ?? Number.NaN)] : []),
    String(each.samples.reduce((sum, { errors }) => sum + errors, 0)),
  ])
  return [head, ...rows]
}

function ratio(view: View, series: Series, yardstick: Series, figure: Figure): string {
  if (series === yardstick) return '1'
  const found = compareSeries(series, yardstick, figure, view.floor)
  return found ? showRatio(found) : '–'
}

/** A ratio with its interval, and whether it may be claimed. */
export function showRatio(difference: Difference): string {
  const { verdict } = difference
  const told = verdict === 'more' || verdict === 'less' ? '' : `, ${verdict}`
  return `${withInterval(difference)}${told}`
}

/** Everything on one page: the median of each load's first figure (p99 at fixed rates), a column for each contender. */
export function overview(view: View): readonly Cells[] {
  const measured = new Set(view.groups.flatMap(({ series }) => series.map(({ contender }) => contender)))
  measured.delete('direct')
  const names = [...measured]
  const rows = view.groups.map(group => {
    const figure: Figure = figures[keyFigure(group)]
    const cells = names.map(name => {
      const series = group.series.find(({ contender }) => contender === name)
      const found = series && estimate(valuesOf(series, figure))
      return found ? number(found.median) : '–'
    })
    return [`${group.title}: ${figure.name}, ${figure.unit}`, ...cells]
  })
  return [['', ...names], ...rows]
}

function keyFigure({ scenario }: Group): keyof typeof figures {
  return scenario.kind === 'open' ? 'p99' : (figuresOf(scenario)[0] ?? 'cpu')
}

/** The copies, which must not differ from their originals. */
export function controlTable({ copies }: View): readonly Cells[] {
  const rows = copies.map(({ copy, difference }) => [
    `${copy.scenario}, ${showLeg(copy.leg)}, ${copy.controlOf}`,
    withInterval(difference),
    difference.verdict,
  ])
  return [['two copies of the same', 'second ÷ first', 'verdict'], ...rows]
}

/** Our generator's figures beside those of others, on the same load. */
export function checkTable(view: View): readonly Cells[] {
  const rows = view.result.checks.map(({ tool, scenario, leg, contender, cpuUsPerRequest, requestsPerSecond }) => {
    const own = view.series(scenario, leg, contender)
    const of = (figure: Figure): string => withInterval(own && estimate(valuesOf(own, figure)))
    const place = `${scenario}, ${showLeg(leg)}, ${contender}`
    return [place, tool, number(cpuUsPerRequest), of(figures.cpu), number(requestsPerSecond), of(figures.rate)]
  })
  return [['', 'by', 'CPU, µs', 'by ours', 'requests per second', 'by ours'], ...rows]
}

/** Calls by name, by strace: those that are at least every fiftieth request's. */
export function syscallTable(view: View): readonly Cells[] {
  const rows = view.groups.flatMap(({ title, series }) =>
    series.flatMap(({ contender, syscalls }) => {
      const { perf, strace } = syscalls
      if (!perf && !strace) return []
      const named = Object.entries(strace?.perRequest ?? {}).filter(([name, n]) => name !== 'total' && n >= 0.02)
      const list = named.map(([name, count]) => `${name} ${count.toFixed(2)}`).join(', ')
      const total = (each: typeof perf): string => number(each?.perRequest['total'] ?? Number.NaN)
      return [[`${title}: ${contender}`, total(perf), total(strace), list]]
    }),
  )
  return [['', 'by perf', 'by strace', 'which, by strace'], ...rows]
}

/** Price of an exit for the arithmetic, in cycles and GHz. */
export const exitCycles = 10_000
export const exitGhz = 2.6

export function exitTable(view: View): readonly Cells[] {
  const rows = view.groups.flatMap(({ title, series }) =>
    series.flatMap(each => {
      const calls = syscallsOf(each)
      const cpu = estimate(valuesOf(each, figures.cpu))
      if (calls === undefined || !cpu) return []
      const exits = (calls * exitCycles) / (exitGhz * 1_000)
      return [
        [`${title}: ${each.contender}`, number(calls), number(cpu.median), number(exits), number(cpu.median + exits)],
      ]
    }),
  )
  return [
    ['', 'exits a request', 'CPU outside, µs (measured)', 'exits, µs (arithmetic)', 'sum, µs (arithmetic)'],
    ...rows,
  ]
}

export function ladderTable({ ladder, floor }: View): readonly Cells[] {
  const rows = ladder.map((rung, i) => {
    const before = ladder[i - 1]
    const step = before && compareSeries(rung, before, figures.cpu, floor)
    return [
      rung.contender,
      showLeg(rung.leg),
      withInterval(estimate(valuesOf(rung, figures.cpu))),
      step ? stepText(step) : '',
    ]
  })
  return [['', 'leg', 'CPU per request, µs', 'over the rung before'], ...rows]
}

function stepText({ median, low, high, verdict }: Difference): string {
  if (verdict === 'no difference' || verdict === 'too few rounds') return verdict
  return `${percent(median - 1)} (${percent(low - 1)} to ${percent(high - 1)})`
}
