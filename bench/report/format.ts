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
  // A column of words reads from the left, one of figures from the right.
  const words = head.map((_, i) => i === 0 || rows.some(cells => /^[a-z]/i.test(cells[i] ?? '')))
  const cell = (tag: string) => (text: string, i: number) =>
    `<${tag}${words[i] ? ' class="words"' : ''}>${escapeText(text)}</${tag}>`
  const line = (cells: Cells, tag: string): string => `<tr>${cells.map(cell(tag)).join('')}</tr>`
  const body = rows.map(cells => line(cells, 'td')).join('\n')
  return `<div class="wide"><table><thead>${line(head, 'th')}</thead><tbody>${body}</tbody></table></div>`
}
