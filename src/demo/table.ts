// What the demo saw, for people and for programs.

export interface Row {
  readonly what: string
  readonly want: string
  readonly got: string
  /** Why it is so. */
  readonly why: string
}

const widths = { what: 66, got: 44 } as const

/** Rows as they happen: a mark, what was tried, what came of it, and why in a line below. */
export function asTable(rows: readonly Row[], colour: boolean, withHead: boolean): string {
  const paint = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)
  const lines = withHead ? [`   ${'what'.padEnd(widths.what)} ${'outcome'.padEnd(widths.got)}`, ''] : []
  for (const { what, want, got, why } of rows) {
    const good = want === got
    const mark = good ? paint(32, 'ok') : paint(31, '!!')
    lines.push(`${mark} ${what.padEnd(widths.what)} ${got}`)
    if (!good) lines.push(`   ${paint(31, `should have been: ${want}`)}`)
    lines.push(`   ${paint(2, why)}`)
  }
  return `${lines.join('\n')}\n`
}

export function asJson(rows: readonly Row[], good: boolean): string {
  return JSON.stringify(
    { synthetic: true, good, rows: rows.map(row => ({ ...row, good: row.want === row.got })) },
    null,
    2,
  )
}
