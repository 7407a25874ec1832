// Horizontal bars with intervals, as SVG for a phone's width: the name and the figure stand above each bar, so that no
// label is ever cut or turned.

import { escapeText } from './format.ts'

export interface Bar {
  readonly label: string
  /** Above the bar, at the right. */
  readonly text: string
  readonly value: number
  /** Ends of the interval. */
  readonly low: number
  readonly high: number
  /** Where the bar begins; a rung of a ladder begins where the one before ends. */
  readonly from?: number
  readonly colour: string
}

export const width = 360
const rowHeight = 36
const barHeight = 12
const barTop = 18

/** @param title for those who cannot see it */
export function bars(rows: readonly Bar[], title: string): string {
  const most = Math.max(...rows.map(({ high, value }) => Math.max(high, value)), Number.MIN_VALUE)
  const x = (value: number): number => Math.round((Math.max(0, value) / most) * width * 100) / 100
  const drawn = rows.map((row, i) => {
    const { label, text, value, low, high, from = 0, colour } = row
    const top = i * rowHeight
    const middle = top + barTop + barHeight / 2
    const [left, right] = [Math.min(from, value), Math.max(from, value)].map(x)
    const whisker =
      high > low
        ? `<path class="whisker" d="M${x(low)} ${middle - 4}v8M${x(low)} ${middle}H${x(high)}M${x(high)} ${middle - 4}v8"/>`
        : ''
    return [
      `<g><title>${escapeText(`${label}: ${text}`)}</title>`,
      `<text x="0" y="${top + 13}">${escapeText(label)}</text>`,
      `<text class="figure" x="${width}" y="${top + 13}" text-anchor="end">${escapeText(text)}</text>`,
      `<rect class="track" x="0" y="${top + barTop}" width="${width}" height="${barHeight}" rx="2"/>`,
      `<rect class="fill ${colour}" x="${left}" y="${top + barTop}" width="${Math.max(1, (right ?? 0) - (left ?? 0))}" height="${barHeight}" rx="2"/>`,
      `${whisker}</g>`,
    ].join('')
  })
  return svg(rows.length * rowHeight, title, drawn.join(''))
}

export function svg(height: number, title: string, content: string): string {
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(title)}">${content}</svg>`
}
