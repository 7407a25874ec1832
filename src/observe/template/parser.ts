// From words to a tree: text, actions, if. Go's range, with, template, define, block, break, continue and variables are
// refused: a log line needs none of them, and each would be a program of the host's over somebody's request.

import { lex, refusal, type Token } from './lexer.ts'

export type Literal = string | number | boolean | null

export type Operand =
  | { readonly kind: 'path'; readonly names: readonly string[]; readonly at: number }
  | { readonly kind: 'function'; readonly name: string; readonly at: number }
  | { readonly kind: 'literal'; readonly value: Literal; readonly float: boolean; readonly at: number }
  | { readonly kind: 'group'; readonly pipe: Pipe; readonly at: number }

export interface Command {
  readonly first: Operand
  readonly rest: readonly Operand[]
}

export interface Pipe {
  readonly commands: readonly [Command, ...Command[]]
  readonly at: number
}

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipe: Pipe }
  | { readonly kind: 'if'; readonly pipe: Pipe; readonly then: readonly Node[]; readonly otherwise: readonly Node[] }

const keywords = ['range', 'with', 'template', 'define', 'block', 'break', 'continue']
/** Deeper than any log line, and not deep enough for the stack. */
const maxDepth = 100

/** @param source one character per byte @throws Fault 'environment-invalid' with line and column */
export function parse(source: string): readonly Node[] {
  const tokens = lex(source)
  let i = 0
  let depth = 0

  const here = (): Token => tokens[i] as Token
  const refuse = (why: string, token = here()): Error => refusal(source, token.at, why)

  function spaces(): void {
    while (here().kind === 'space') i++
  }

  /** Nodes up to an `else` or `end`, which stays, or to the end of the source. */
  function list(inside: Token | undefined): Node[] {
    const nodes: Node[] = []
    for (;;) {
      const token = here()
      if (token.kind === 'end') {
        if (inside) throw refuse('unexpected EOF: the action is never ended', inside)
        return nodes
      }
      if (token.kind === 'text') {
        nodes.push({ kind: 'text', text: token.text })
        i++
        continue
      }
      // An opening: lex() gives no other.
      const word = tokens[i + 1]
      if (word?.kind === 'name' && (word.text === 'end' || word.text === 'else')) {
        if (inside) return nodes
        throw refuse(`unexpected {{${word.text}}}`, word)
      }
      i++
      nodes.push(action())
    }
  }

  function action(): Node {
    const token = here()
    if (token.kind === 'name' && token.text === 'if') {
      i++
      return condition(token)
    }
    if (token.kind === 'name' && keywords.includes(token.text)) throw refuse(`{{${token.text}}} is not supported`)
    const parsed = pipe('close', 'command')
    return { kind: 'action', pipe: parsed }
  }

  function condition(opened: Token): Node {
    depth++
    if (depth > maxDepth) throw refuse('too deep', opened)
    const asked = pipe('close', 'if')
    const then = list(opened)
    let otherwise: readonly Node[] = []
    i++
    const word = here()
    i++
    if (word.text === 'else') {
      spaces()
      if (here().kind === 'name' && here().text === 'if') {
        const token = here()
        i++
        otherwise = [condition(token)]
        depth--
        return { kind: 'if', pipe: asked, then, otherwise }
      }
      close('else')
      otherwise = list(opened)
      i++
      const end = here()
      if (end.text !== 'end') throw refuse('expected end; found {{else}}', end)
      i++
    }
    close('end')
    depth--
    return { kind: 'if', pipe: asked, then, otherwise }
  }

  function close(context: string): void {
    spaces()
    if (here().kind !== 'close') throw refuse(`unexpected ${shown(here())} in ${context}`)
    i++
  }

  function pipe(until: 'close' | 'right', context: string): Pipe {
    const { at } = here()
    const commands: Command[] = []
    for (;;) {
      spaces()
      const token = here()
      if (token.kind === until || token.kind === 'close' || token.kind === 'right') {
        if (commands.length === 0) throw refuse(`missing value for ${context}`)
        if (token.kind !== until) throw refuse(until === 'right' ? 'unclosed left paren' : 'unexpected right paren')
        i++
        const [first, ...rest] = commands as [Command, ...Command[]]
        return { commands: [first, ...rest], at }
      }
      commands.push(command(commands.length + 1))
    }
  }

  function command(stage: number): Command {
    const operands: Operand[] = []
    for (;;) {
      spaces()
      const token = here()
      if (token.kind === 'pipe') {
        if (operands.length === 0) throw refuse('missing value for command')
        i++
        spaces()
        if (here().kind === 'close' || here().kind === 'right') throw refuse('missing value for command')
        break
      }
      if (token.kind === 'close' || token.kind === 'right') break
      operands.push(operand())
    }
    const [first, ...rest] = operands
    if (!first) throw refuse('missing value for command')
    if (stage > 1 && (first.kind === 'literal' || first.kind === 'group')) {
      throw refusal(source, first.at, `non executable command in pipeline stage ${stage}`)
    }
    return { first, rest }
  }

  function operand(): Operand {
    const token = here()
    i++
    const parsed = term(token)
    const next = here()
    if (parsed.kind !== 'path' && (next.kind === 'field' || next.kind === 'dot')) {
      throw refuse('fields of a value in parentheses or of a literal are not supported')
    }
    const ends = ['space', 'close', 'right', 'pipe']
    if (!ends.includes(next.kind)) throw refuse(`unexpected ${shown(next)} in operand`)
    return parsed
  }

  function term(token: Token): Operand {
    const { at, text } = token
    switch (token.kind) {
      case 'dot':
      case 'root':
      case 'field':
        return { kind: 'path', names: path(token), at }
      case 'left': {
        depth++
        if (depth > maxDepth) throw refuse('too deep', token)
        const inner = pipe('right', 'parenthesized pipeline')
        depth--
        return { kind: 'group', pipe: inner, at }
      }
      case 'string':
        return { kind: 'literal', value: unquote(token), float: false, at }
      case 'char':
        return { kind: 'literal', value: rune(token), float: false, at }
      case 'number':
        return number(token)
      case 'name':
        if (text === 'true' || text === 'false') return { kind: 'literal', value: text === 'true', float: false, at }
        if (text === 'nil') return { kind: 'literal', value: null, float: false, at }
        return { kind: 'function', name: text, at }
      default:
        throw refuse(`unexpected ${shown(token)} in operand`, token)
    }
  }

  /** `.A.B`, `$.A.B`, `.` or `$`. */
  function path(token: Token): string[] {
    const names = token.kind === 'field' ? [token.text.slice(1)] : []
    for (let next = here(); next.kind === 'field'; next = here()) {
      if (token.kind === 'dot') throw refuse('unexpected . after term')
      names.push(next.text.slice(1))
      i++
    }
    return names
  }

  function number(token: Token): Operand {
    const digits = token.text.replaceAll('_', '')
    const float = /[.eE]/.test(digits) && !/^[+-]?0[xX]/.test(digits)
    const octal = /^([+-]?)0([0-7]+)$/.exec(digits)
    const [, sign = '', unsigned = ''] = /^([+-]?)(.*)$/.exec(octal ? `${octal[1]}0o${octal[2]}` : digits) ?? []
    const value = Number(unsigned) * (sign === '-' ? -1 : 1)
    const misread = !float && !octal && /^[+-]?0[0-9]/.test(digits)
    if (misread || !Number.isFinite(value) || (!float && !Number.isSafeInteger(value))) {
      throw refuse(`bad number syntax: "${token.text}"`, token)
    }
    return { kind: 'literal', value: value === 0 ? 0 : value, float, at: token.at }
  }

  function rune(token: Token): number {
    const bytes = token.text.startsWith("'\\") ? escapes(token, "'") : token.text.slice(1, -1)
    const runes = [...Buffer.from(bytes, 'latin1').toString('utf8')]
    if (runes.length !== 1) throw refuse(`malformed character constant: ${token.text}`, token)
    return runes[0]?.codePointAt(0) ?? 0
  }

  function unquote(token: Token): string {
    return token.text.startsWith('`') ? token.text.slice(1, -1).replaceAll('\r', '') : escapes(token, '"')
  }

  /** Go's interpreted strings, as bytes. */
  function escapes(token: Token, quote: string): string {
    const single: Readonly<Record<string, string>> = {
      a: '\x07',
      b: '\b',
      f: '\f',
      n: '\n',
      r: '\r',
      t: '\t',
      v: '\v',
      '\\': '\\',
      [quote]: quote,
    }
    const escaped = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([\s\S]))/g
    return token.text.slice(1, -1).replace(escaped, (_all, hex, short, long, octal, char) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
      if (octal !== undefined && Number.parseInt(octal, 8) < 256) return String.fromCharCode(Number.parseInt(octal, 8))
      const code = Number.parseInt(short ?? long ?? 'ffffffff', 16)
      if (code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)) {
        return Buffer.from(String.fromCodePoint(code), 'utf8').toString('latin1')
      }
      const known = single[char ?? '']
      if (known === undefined) throw refuse(`invalid syntax in ${token.text}`, token)
      return known
    })
  }

  return list(undefined)
}

function shown(token: Token): string {
  return token.kind === 'end' ? 'EOF' : `"${token.text}"`
}
