// A result as one HTML file that needs nothing else: no script, no font, no picture from anywhere. The raw result is in it.

import { showLeg } from '../legs.ts'
import { quantiles } from '../load/latency.ts'
import type { Result, Series } from '../result.ts'
import { estimate, median } from '../stats/estimate.ts'
import { figures, valuesOf } from '../stats/figures.ts'
import { type Bar, bars } from './bars.ts'
import { type Curve, curves, logAxis, ninesAxis } from './curves.ts'
import { escapeText, htmlTable, number, withInterval } from './format.ts'
import { method } from './method.ts'
import { colourOf, style } from './style.ts'
import { checkTable, controlTable, exitTable, groupTable, ladderTable, overview, syscallTable } from './tables.ts'
import { targetTable } from './targets.ts'
import { figuresOf, type Group, View } from './view.ts'
import { summary, warnings } from './words.ts'

export function html(result: Result): string {
  const view = new View(result)
  const date = result.date.slice(0, 10)
  const title = `Proxies compared, ${date}`
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeText(title)}</title><style>${style}</style></head><body>`,
    `<h1>${escapeText(title)}</h1>`,
    `<p class="soft">${escapeText(`${result.machine.cpu}, ${result.machine.cores} cores, kernel ${result.machine.kernel}, Node ${result.machine.node}, commit ${result.machine.commit.slice(0, 12)}`)}</p>`,
    ...warnings(view).map(text => `<p class="warn">${escapeText(text)}</p>`),
    `<p class="summary">${summary(view).map(escapeText).join(' ')}</p>`,
    section('What each load costs', costs(view), 'Medians and 95 % intervals; shorter is better.'),
    section(
      'Latency at a fixed rate',
      latencies(view),
      'From when each request was due. Median of the rounds, per percentile.',
    ),
    section('More connections', scaling(view), 'Processor time per request by the number of connections.'),
    section('The ladder', ladder(view), 'What each feature of ours adds to a small request, one after another.'),
    tablesSection(view),
    `<h2>Raw result</h2><p><a class="button" download="postern-bench-${date}.json" href="${dataUrl(result)}">Download as JSON</a></p>`,
    '</body></html>',
    '',
  ].join('\n')
}

function section(title: string, figures: readonly string[], text: string): string {
  if (figures.length === 0) return ''
  return `<h2>${escapeText(title)}</h2><p class="soft">${escapeText(text)}</p><div class="grid">${figures.join('\n')}</div>`
}

function figure(title: string, caption: string, drawing: string): string {
  return `<figure><h3>${escapeText(title)}</h3><figcaption>${escapeText(caption)}</figcaption>${drawing}</figure>`
}

function costs(view: View): string[] {
  return view.groups
    .filter(({ scenario }) => scenario.kind !== 'open' || scenario.refusals)
    .flatMap(group => {
      const [first = 'cpu'] = figuresOf(group.scenario)
      const { name, unit } = figures[first]
      const rows = group.series.flatMap((series): Bar[] => {
        const found = estimate(valuesOf(series, figures[first]))
        if (!found) return []
        const { median: value, low, high } = found
        const colour = colourOf(series.contender)
        return [{ label: series.contender, text: `${withInterval(found)} ${unit}`, value, low, high, colour }]
      })
      if (rows.length === 0) return []
      return [figure(group.title, `${name}: ${group.scenario.summary}`, bars(rows, `${name}, ${group.title}`))]
    })
}

function latencies(view: View): string[] {
  return view.groups.flatMap(group => {
    if (group.scenario.kind !== 'open') return []
    const lines = group.series.map((series): Curve => {
      return { label: series.contender, colour: colourOf(series.contender), points: percentileCurve(series) }
    })
    const all = lines.flatMap(({ points }) => points.map(([, y]) => y))
    if (all.length === 0) return []
    const drawing = curves(lines, ninesAxis('percentile'), logAxis(all, 'ms'), `latency, ${group.title}`)
    return [figure(group.title, group.scenario.summary, drawing)]
  })
}

function percentileCurve({ samples }: Series): Curve['points'] {
  const all = samples.flatMap(({ latency }) => (latency ? [latency] : []))
  if (all.length === 0) return []
  return quantiles
    .map((quantile, i) => [quantile, median(all.map(each => each.percentilesUs[i] ?? 0)) / 1_000] as const)
    .filter(([quantile]) => quantile <= 99.95)
}

/** Scenarios that differ in their connections only. */
function scaling(view: View): string[] {
  const legs = ['h-h', 'h-tls'] as const
  return legs.flatMap(leg => {
    const groups = view.groups.filter(group => group.leg === leg && /^small-c\d+$/.test(group.scenario.name))
    const names = [...new Set(groups.flatMap(({ series }) => series.map(({ contender }) => contender)))]
    const lines = names.map((name): Curve => ({ label: name, colour: colourOf(name), points: pointsOf(groups, name) }))
    const drawn = lines.filter(({ points }) => points.length > 1)
    if (drawn.length === 0) return []
    const all = drawn.flatMap(({ points }) => points)
    const x = logAxis(
      all.map(([connections]) => connections),
      'connections',
    )
    const y = logAxis(
      all.map(([, us]) => us),
      'µs per request',
    )
    return [
      figure(`small, ${showLeg(leg)}`, '105 B answer', curves(drawn, x, y, `cost by connections, ${showLeg(leg)}`)),
    ]
  })
}

function pointsOf(groups: readonly Group[], contender: string): Curve['points'] {
  return groups
    .flatMap(({ scenario, series }) => {
      const found = series.find(each => each.contender === contender)
      const cost = found && estimate(valuesOf(found, figures.cpu))
      return cost ? [[scenario.connections, cost.median] as const] : []
    })
    .sort(([a], [b]) => a - b)
}

function ladder(view: View): string[] {
  let from = 0
  const rows = view.ladder.flatMap((rung): Bar[] => {
    const found = estimate(valuesOf(rung, figures.cpu))
    if (!found) return []
    const { median: value, low, high } = found
    const text = `${from === 0 ? '' : `${value >= from ? '+' : '−'}${number(Math.abs(value - from))}, `}${number(value)} µs`
    const bar = { label: `${rung.contender} (${showLeg(rung.leg)})`, text, value, low, high, from }
    from = value
    return [{ ...bar, colour: colourOf(view.best ?? '') }]
  })
  return rows.length === 0 ? [] : [figure(`${view.best}`, 'CPU per request', bars(rows, 'the ladder'))]
}

function tablesSection(view: View): string {
  const { result } = view
  const targets = targetTable(view)
  const details = view.groups.map(
    group =>
      `<details><summary>${escapeText(group.title)}</summary><p class="soft">${escapeText(group.scenario.summary)}</p>${htmlTable(groupTable(view, group))}</details>`,
  )
  const parts = [
    ...(targets.length > 1 ? [`<h2>Targets of the engine bytes</h2>${htmlTable(targets)}`] : []),
    `<h2>Tables</h2>${htmlTable(overview(view))}${details.join('\n')}`,
    ...(view.ladder.length > 0
      ? [`<details><summary>the ladder</summary>${htmlTable(ladderTable(view))}</details>`]
      : []),
    `<h2>Control</h2><p class="soft">Two copies of one program, in the same rounds as all others. They must not differ.</p>${htmlTable(controlTable(view))}`,
    ...(result.checks.length > 0
      ? [
          `<h2>Other generators</h2><p class="soft">The same load by tools of others: what a request costs by their count, beside ours.</p>${htmlTable(checkTable(view))}`,
        ]
      : []),
    `<h2>System calls per request</h2>${htmlTable(syscallTable(view))}`,
    `<h2>Exits of an enclave: arithmetic</h2><p class="warn">Nothing here ran in an enclave. Each system call of an SGX enclave is at least one exit; at 10,000 cycles an exit and 2.6 GHz the calls counted above would add this much. It is a calculation, not a measurement.</p>${htmlTable(exitTable(view))}`,
    `<h2>Method</h2>${method(result)
      .map(text => `<p>${escapeText(text)}</p>`)
      .join('')}`,
    `<h2>Contenders</h2>${list(result.contenders.map(({ name, summary, version }) => [name, `${summary} (${version})`]))}`,
    `<h2>Left out</h2>${list(result.skipped.map(({ what, why }) => [what, why]))}`,
    `<h2>Machine</h2>${list(machineRows(result))}`,
  ]
  return parts.join('\n')
}

function machineRows({ machine, date, flags, tookSeconds }: Result): [string, string][] {
  const { tools, ...rest } = machine
  return [
    ...Object.entries(rest).map(([name, value]): [string, string] => [name, String(value)]),
    ...Object.entries(tools).map(([name, version]): [string, string] => [name, version]),
    ['date', date],
    ['took', `${tookSeconds} s`],
    ['flags', JSON.stringify(flags)],
  ]
}

function list(rows: readonly (readonly [string, string])[]): string {
  return `<dl>${rows.map(([name, text]) => `<dt>${escapeText(name)}</dt><dd>${escapeText(text)}</dd>`).join('')}</dl>`
}

function dataUrl(result: Result): string {
  return `data:application/json;base64,${Buffer.from(JSON.stringify(result)).toString('base64')}`
}
