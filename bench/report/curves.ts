// Lines over two axes, as SVG for a phone's width. Axes are whatever the caller says a value's place is; the legend
// stands below, where there is room for it.

import { svg, width } from './bars.ts'
import { escapeText } from './format.ts'

export interface Curve {
  readonly label: string
  readonly colour: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface Axis {
  /** From 0 to 1 within what is shown. */
  readonly place: (value: number) => number
  readonly ticks: readonly (readonly [value: number, label: string])[]
  readonly label: string
}

const left = 44
const right = 10
const top = 22
const plotHeight = 220
const below = 40
const legendRow = 18
const legendColumns = 2

export function curves(lines: readonly Curve[], x: Axis, y: Axis, title: string): string {
  const px = (value: number): number => round(left + x.place(value) * (width - left - right))
  const py = (value: number): number => round(top + (1 - y.place(value)) * plotHeight)
  const bottom = top + plotHeight
  const grid = apart(y.ticks, py, 15).map(
    ([value, label]) =>
      `<path class="grid" d="M${left} ${py(value)}H${width - right}"/><text class="small" x="${left - 5}" y="${py(value) + 4}" text-anchor="end">${escapeText(label)}</text>`,
  )
  const ticks = apart(x.ticks, px, 26).map(
    ([value, label]) =>
      `<path class="grid" d="M${px(value)} ${top}V${bottom}"/><text class="small" x="${px(value)}" y="${bottom + 14}" text-anchor="middle">${escapeText(label)}</text>`,
  )
  const drawn = lines.map(({ label, colour, points }) => {
    const path = points.map(([a, b], i) => `${i === 0 ? 'M' : 'L'}${px(a)} ${py(b)}`).join('')
    return `<g><title>${escapeText(label)}</title><path class="line ${colour}" d="${path}"/></g>`
  })
  const legend = lines.map(({ label, colour }, i) => {
    const column = i % legendColumns
    const at = bottom + below + Math.floor(i / legendColumns) * legendRow
    const from = column * (width / legendColumns)
    return `<path class="line ${colour}" d="M${from} ${at}h22"/><text x="${from + 28}" y="${at + 4}">${escapeText(label)}</text>`
  })
  const height = bottom + below + Math.ceil(lines.length / legendColumns) * legendRow
  const names = [
    `<text class="small" x="0" y="12">${escapeText(y.label)}</text>`,
    `<text class="small" x="${width - right}" y="${bottom + 27}" text-anchor="end">${escapeText(x.label)}</text>`,
  ]
  return svg(height, title, [...grid, ...ticks, ...drawn, ...names, ...legend].join(''))
}

/** Without those whose label would touch the one before. */
function apart(ticks: Axis['ticks'], at: (value: number) => number, least: number): Axis['ticks'] {
  let last = Number.NEGATIVE_INFINITY
  return ticks.filter(([value]) => {
    const near = Math.abs(at(value) - last) < least
    if (!near) last = at(value)
    return !near
  })
}

const round = (value: number): number => Math.round(value * 100) / 100

const steps = [1, 2, 5]

/** Logarithmic, over all of these values; ticks at 1, 2 and 5 of each decade, or at powers of ten where that is a lot. */
export function logAxis(values: readonly number[], label: string): Axis {
  const positive = values.filter(value => value > 0)
  const [low, high] = [Math.min(...positive), Math.max(...positive)].map(Math.log10)
  const [from = 0, to = 1] = [low, high === low ? (high ?? 0) + 1 : high]
  const place = (value: number): number => (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from)
  const decades = Array.from({ length: Math.ceil(to) - Math.floor(from) + 1 }, (_, i) => Math.floor(from) + i)
  const some = to - from > 2.5 ? [1] : steps
  const ticks = decades
    .flatMap(power => some.map(step => step * 10 ** power))
    .filter(value => value >= 10 ** from * 0.999 && value <= 10 ** to * 1.001)
    .map(value => [value, short(value)] as const)
  return { place, ticks, label }
}

function short(value: number): string {
  return value >= 1_000 ? `${value / 1_000}k` : String(Number(value.toPrecision(2)))
}

const nines: readonly (readonly [number, string])[] = [
  [0, '0'],
  [50, 'p50'],
  [90, 'p90'],
  [99, 'p99'],
  [99.9, '99.9'],
]

/** Percentiles by their number of nines, so that the tail gets the room. */
export function ninesAxis(label: string): Axis {
  const count = (quantile: number): number => -Math.log10(1 - quantile / 100)
  return { place: quantile => count(quantile) / count(99.95), ticks: nines, label }
}
