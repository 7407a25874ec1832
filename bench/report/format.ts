// Numbers and text as a reader gets them.

import type { Estimate } from '../stats/estimate.ts'

/** Three significant figures, no exponent: 21.3, 1,240, 0.034. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  const digits = size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3
  return value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** 21.3 (20.9–22.0) */
export function withInterval(value: Estimate | undefined, scale = 1): string {
  if (!value) return '–'
  const [median, low, high] = [value.median * scale, value.low * scale, value.high * scale].map(number)
  return low === high ? `${median}` : `${median} (${low}–${high})`
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(Math.abs(share) < 0.1 ? 1 : 0)} %`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** For text and attributes of HTML and SVG. */
export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, found => entities[found] ?? '')
}

export type Cells = readonly string[]

/** @param rows the first is the head; the first column is text, the others are numbers */
export function markdownTable([head = [], ...rows]: readonly Cells[]): string {
  const rule = head.map((_, i) => (i === 0 ? '---' : '--:'))
  // A pipe would end the cell.
  const line = (cells: Cells): string => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [head, rule, ...rows].map(line).join('\n')
}

export function htmlTable([head = [], ...rows]: readonly Cells[]): string {
  const cell = (tag: string) => (text: string) => `<${tag}>${escapeText(text)}</${tag}>`
  const body = rows.map(cells => `<tr>${cells.map(cell('td')).join('')}</tr>`).join('\n')
  return `<div class="wide"><table><thead><tr>${head.map(cell('th')).join('')}</tr></thead><tbody>${body}</tbody></table></div>`
}
