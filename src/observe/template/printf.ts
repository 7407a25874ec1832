// fmt's Sprintf for the values that a template has: %v %s %q %d %x %X %f %e %g %t %c %%, the flags `-`, `+`, space and
// `0`, width and precision. The format is read once; what it holds besides is refused when the template is compiled.

import { encodeRune, quote } from './escapes.ts'
import { Float, goExponent, plain, show, showFloat, type Value } from './values.ts'

interface Verb {
  readonly verb: string
  readonly minus: boolean
  readonly plus: boolean
  readonly space: boolean
  readonly zero: boolean
  readonly width: number
  readonly precision: number | undefined
}

type Part = string | Verb

const directive = /%([-+ 0]*)([0-9]{0,3})(?:\.([0-5]?[0-9]?))?([\s\S]?)/g
const verbs = 'vsqdxXfFeEgGtc'

/** @throws Error that says what is not supported */
export function compileFormat(format: string): (values: readonly Value[]) => string {
  const parts: Part[] = []
  let at = 0
  for (const match of format.matchAll(directive)) {
    const [text, flags = '', width = '', precision, verb = ''] = match
    parts.push(format.slice(at, match.index))
    at = match.index + text.length
    if (verb === '%') parts.push('%')
    else if (verb === '' || !verbs.includes(verb)) throw new Error(`printf: "${text}" is not supported`)
    else {
      parts.push({
        verb,
        minus: flags.includes('-'),
        plus: flags.includes('+'),
        space: flags.includes(' '),
        zero: flags.includes('0') && !flags.includes('-'),
        width: Number(width),
        precision: precision === undefined ? undefined : Number(precision),
      })
    }
  }
  parts.push(format.slice(at))

  return values => {
    let next = 0
    let text = ''
    for (const part of parts) {
      if (typeof part === 'string') {
        text += part
        continue
      }
      const value = values[next++]
      text += value === undefined ? `%!${part.verb}(MISSING)` : print(part, value)
    }
    if (next >= values.length) return text
    const extra = values.slice(next).map(value => `${typeName(value)}=${show(value)}`)
    return `${text}%!(EXTRA ${extra.join(', ')})`
  }
}

function print(verb: Verb, value: Value): string {
  if (typeof value === 'string') return printString(verb, value)
  if (typeof value === 'number') return printInteger(verb, value)
  if (value instanceof Float) return printFloat(verb, value.value)
  if (typeof value === 'boolean') return 'vt'.includes(verb.verb) ? pad(verb, String(value)) : bad(verb, value)
  return `[${value.map(each => printString(verb, each)).join(' ')}]`
}

function printString(verb: Verb, value: string): string {
  const cut = verb.precision === undefined ? value : runes(value).slice(0, verb.precision).join('')
  if (verb.verb === 's' || verb.verb === 'v') return pad(verb, cut)
  if (verb.verb === 'q') return pad(verb, quote(cut))
  if (verb.verb !== 'x' && verb.verb !== 'X') return bad(verb, value)
  const bytes = Buffer.from(verb.precision === undefined ? value : value.slice(0, verb.precision), 'latin1')
  const hex = verb.space ? [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join(' ') : bytes.toString('hex')
  return pad(verb, verb.verb === 'X' ? hex.toUpperCase() : hex)
}

function printInteger(verb: Verb, value: number): string {
  if (verb.verb === 'c') return pad(verb, encodeRune(value))
  if (verb.verb === 'q') {
    const rune = encodeRune(value)
    return pad(verb, rune === "'" ? "'\\''" : rune === '"' ? `'"'` : `'${quote(rune).slice(1, -1)}'`)
  }
  const base = verb.verb === 'x' || verb.verb === 'X' ? 16 : 10
  if (base === 10 && verb.verb !== 'd' && verb.verb !== 'v') return bad(verb, value)
  let digits = Math.abs(value).toString(base)
  if (verb.precision !== undefined) {
    if (verb.precision === 0 && value === 0) return pad({ ...verb, zero: false }, '')
    digits = digits.padStart(verb.precision, '0')
  }
  const text = signed(verb, verb.verb === 'X' ? digits.toUpperCase() : digits, value < 0)
  return pad(verb.precision === undefined ? verb : { ...verb, zero: false }, text)
}

function printFloat(verb: Verb, value: number): string {
  const kind = verb.verb.toLowerCase()
  if (!'vfeg'.includes(kind)) return bad(verb, new Float(value))
  const size = Math.abs(value)
  const negative = value < 0 || Object.is(value, -0)
  const digits =
    kind === 'f' ? fixed(size, verb.precision ?? 6) : kind === 'e' ? exponential(size, verb) : general(size, verb)
  return pad(verb, signed(verb, verb.verb === 'E' || verb.verb === 'G' ? digits.toUpperCase() : digits, negative))
}

/** Digits that show a tie: a float that ends in fewer is one, and none begins with so many zeros behind a five. */
const more = 40

/** Ties go to the even digit, where JavaScript goes up. @param exact the same number with `more` digits */
function evenOnTie(rounded: string, exact: string): string {
  const head = exact.slice(0, -more)
  return /[02468]\.?$/.test(head) && /^50*$/.test(exact.slice(-more)) ? head.replace(/\.$/, '') : rounded
}

function fixed(value: number, precision: number): string {
  return evenOnTie(value.toFixed(precision), value.toFixed(precision + more))
}

/** Digits and power of ten. */
function scientific(value: number, precision: number): [digits: string, power: number] {
  const [digits = '', power = '0'] = value.toExponential(precision).split('e')
  const [exact = '', below = '0'] = value.toExponential(precision + more).split('e')
  const chosen = evenOnTie(digits, exact)
  return [chosen, Number(chosen === digits ? power : below)]
}

function exponential(value: number, verb: Verb): string {
  const [digits, power] = scientific(value, verb.precision ?? 6)
  return `${digits}e${goExponent(power)}`
}

function general(value: number, verb: Verb): string {
  if (verb.precision === undefined) return showFloat(value)
  const precision = Math.max(1, verb.precision)
  const [all, power] = scientific(value, precision - 1)
  const digits = all.includes('.') ? all.replace(/\.?0+$/, '') : all
  const count = digits.replace('.', '').length
  const limit = precision > count && count >= power + 1 ? count : precision
  return power < -4 || power >= limit ? `${digits}e${goExponent(power)}` : plain(digits, power)
}

function signed(verb: Verb, digits: string, negative: boolean): string {
  return (negative ? '-' : verb.plus ? '+' : verb.space ? ' ' : '') + digits
}

/** Widths count runes; zeros go between a number's sign and its digits. */
function pad(verb: Verb, text: string): string {
  const missing = verb.width - runes(text).length
  if (missing <= 0) return text
  if (verb.minus) return text + ' '.repeat(missing)
  if (!verb.zero) return ' '.repeat(missing) + text
  const sign = 'svqtc'.includes(verb.verb) && verb.verb !== 'v' ? '' : (/^[-+ ]/.exec(text)?.[0] ?? '')
  return sign + '0'.repeat(missing) + text.slice(sign.length)
}

function bad(verb: Verb, value: Value): string {
  return `%!${verb.verb}(${typeName(value)}=${print({ ...verb, verb: 'v' }, value)})`
}

function typeName(value: Value): string {
  if (typeof value === 'string') return 'string'
  if (typeof value === 'number') return 'int'
  if (typeof value === 'boolean') return 'bool'
  return value instanceof Float ? 'float64' : '[]string'
}

function runes(bytes: string): string[] {
  return bytes.match(/[\xc0-\xff][\x80-\xbf]*|[\s\S]/g) ?? []
}
