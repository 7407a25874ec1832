// Words of a Go template: text, and between {{ and }} names, fields, literals and signs. Rules of Go's
// text/template/parse; what this version does not know is refused with its place.

import { Fault } from '../../base/errors.ts'

export type Kind =
  | 'text'
  | 'open'
  | 'close'
  | 'field'
  | 'dot'
  | 'root'
  | 'name'
  | 'string'
  | 'number'
  | 'char'
  | 'pipe'
  | 'left'
  | 'right'
  | 'space'
  | 'end'

export interface Token {
  readonly kind: Kind
  readonly text: string
  /** Offset in the source. */
  readonly at: number
}

/** A template that does not start: `template: requestLog:LINE:COLUMN: why`. */
export function refusal(source: string, at: number, why: string): Fault {
  const before = source.slice(0, at)
  const line = before.split('\n').length
  const column = Buffer.from(before.slice(before.lastIndexOf('\n') + 1), 'latin1').toString('utf8').length + 1
  return new Fault('environment-invalid', `template: requestLog:${line}:${column}: ${why}`)
}

const space = ' \t\r\n'
const patterns: readonly (readonly [Kind, RegExp])[] = [
  ['space', /[ \t\r\n]+/y],
  [
    'number',
    /[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)/y,
  ],
  ['field', /\.[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*/y],
  ['dot', /\./y],
  ['root', /\$(?![A-Za-z0-9_\x80-\xff])/y],
  ['name', /[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*/y],
  ['string', /"(?:[^"\\\n]|\\[^\n])*"/y],
  ['string', /`[^`]*`/y],
  ['char', /'(?:[^'\\\n]|\\[^\n][^'\n]*)[\x80-\xbf]*'/y],
  ['pipe', /\|/y],
  ['left', /\(/y],
  ['right', /\)/y],
]
/** What may follow a word directly. */
const boundary = ' \t\r\n|().}'

/** @param source one character per byte @throws Fault 'environment-invalid' */
export function lex(source: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  let trim = false

  function text(end: number, trimEnd: boolean): void {
    let from = at
    let to = end
    if (trim) while (from < to && space.includes(source[from] ?? '')) from++
    if (trimEnd) while (to > from && space.includes(source[to - 1] ?? '')) to--
    if (to > from) tokens.push({ kind: 'text', text: source.slice(from, to), at: from })
  }

  /** Where an action ends, here: how long its end is, and whether it trims what follows. */
  function closing(): { readonly length: number; readonly trims: boolean } | undefined {
    if (source.startsWith('}}', at)) return { length: 2, trims: false }
    const marker = /[ \t\r\n]-}}/y
    marker.lastIndex = at
    return marker.test(source) ? { length: 4, trims: true } : undefined
  }

  function comment(open: number): void {
    const end = source.indexOf('*/', at)
    if (end < 0) throw refusal(source, open, 'unclosed comment')
    at = end + 2
    const close = closing()
    if (!close) throw refusal(source, open, 'comment ends before closing delimiter')
    at += close.length
    trim = close.trims
  }

  function action(open: number): void {
    tokens.push({ kind: 'open', text: '{{', at: open })
    for (;;) {
      const close = closing()
      if (close) {
        tokens.push({ kind: 'close', text: '}}', at })
        at += close.length
        trim = close.trims
        return
      }
      if (at >= source.length) throw refusal(source, open, 'unclosed action')
      const token = next()
      at += token.text.length
      if (token.kind !== 'space' || tokens.at(-1)?.kind !== 'open') tokens.push(token)
    }
  }

  function next(): Token {
    for (const [kind, pattern] of patterns) {
      pattern.lastIndex = at
      const text = pattern.exec(source)?.[0]
      if (text === undefined) continue
      const after = source[at + text.length] ?? ' '
      const word = kind === 'field' || kind === 'name' || kind === 'number'
      if (word && !boundary.includes(after)) {
        const why = kind === 'number' ? `bad number syntax: "${text}${after}"` : `bad character "${after}"`
        throw refusal(source, kind === 'number' ? at : at + text.length, why)
      }
      return { kind, text, at }
    }
    const char = source[at] ?? ''
    if (char === '"') throw refusal(source, at, 'unterminated quoted string')
    if (char === '`') throw refusal(source, at, 'unterminated raw quoted string')
    if (char === '$') throw refusal(source, at, 'variables are not supported')
    throw refusal(source, at, `unexpected "${char}" in action`)
  }

  for (;;) {
    const open = source.indexOf('{{', at)
    if (open < 0) {
      text(source.length, false)
      tokens.push({ kind: 'end', text: '', at: source.length })
      return tokens
    }
    const trims = source[open + 2] === '-' && space.includes(source[open + 3] ?? 'x')
    text(open, trims)
    at = open + (trims ? 3 : 2)
    trim = false
    const marked = trims ? at + 1 : at
    if (source.startsWith('/*', marked)) {
      at = marked
      comment(open)
    } else {
      action(open)
    }
  }
}
