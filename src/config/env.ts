// Readers over environment variables, with the meaning and the words of Go's envconfig and strconv, since operators and
// tests know those. Complaints are gathered in the order of reading; the first is the one that the Go program would give.
// Never touches process.env: the caller passes `get`, and a test a map.

/** A variable's value; undefined where it is unset. An empty string is a value. */
export type Get = (name: string) => string | undefined

const leastInt64 = -(2n ** 63n)
const mostInt64 = 2n ** 63n - 1n

/** Base 0 of strconv.ParseInt: a prefix or a leading zero chooses the base, single underscores may part digits. */
const integers: readonly (readonly [pattern: RegExp, prefix: string])[] = [
  [/^0[xX]((?:_?[0-9a-fA-F])+)$/, '0x'],
  [/^0[oO]((?:_?[0-7])+)$/, '0o'],
  [/^0[bB]((?:_?[01])+)$/, '0b'],
  [/^(0(?:_?[0-7])*)$/, '0o'],
  [/^([1-9](?:_?[0-9])*)$/, ''],
]

/**
 * strconv.ParseInt(text, 0, 64).
 * @returns the number, or Go's words for what is wrong
 */
export function parseInteger(text: string): bigint | 'invalid syntax' | 'value out of range' {
  const unsigned = text.replace(/^[+-]/, '')
  for (const [pattern, prefix] of integers) {
    const digits = pattern.exec(unsigned)?.[1]?.replaceAll('_', '')
    if (digits === undefined) continue
    const magnitude = BigInt(prefix + digits)
    const value = text.startsWith('-') ? -magnitude : magnitude
    return value < leastInt64 || value > mostInt64 ? 'value out of range' : value
  }
  return 'invalid syntax'
}

const booleans: Readonly<Record<string, boolean>> = Object.assign(Object.create(null), {
  ...Object.fromEntries(['1', 't', 'T', 'TRUE', 'true', 'True'].map(word => [word, true])),
  ...Object.fromEntries(['0', 'f', 'F', 'FALSE', 'false', 'False'].map(word => [word, false])),
})

const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

/** strconv.Quote, but that no rune outside of ASCII is thought printable: a log line must not be steered by a value. */
export function goQuote(text: string): string {
  const inner = [...text].map(rune => {
    const code = rune.codePointAt(0) ?? 0
    if (escapes[rune] !== undefined) return escapes[rune]
    if (code >= 0x20 && code < 0x7f) return rune
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
  return `"${inner.join('')}"`
}

/** As written where it is plain; Go prints it raw, which would let a value start a line of its own. */
const plain = (text: string): string => (/^[\x20-\x7e]*$/.test(text) ? text : goQuote(text).slice(1, -1))

/** Reads variables in the order of its calls and remembers what was wrong with them. */
export class Environment {
  readonly get: Get
  readonly #complaints: string[] = []

  constructor(get: Get) {
    this.get = get
  }

  /** One line each, in the order of reading. */
  get complaints(): readonly string[] {
    return this.#complaints
  }

  complain(line: string): void {
    this.#complaints.push(line)
  }

  /** A variable that must be set; it may be empty. */
  required(name: string): string {
    const value = this.get(name)
    if (value === undefined) this.complain(`required key ${name} missing value`)
    return value ?? ''
  }

  /**
   * A Go int.
   * @param field name of the Go struct's field, for the message
   * @param fallback where it is unset; undefined makes it required
   * @returns clamped to what a double holds exactly
   */
  integer(name: string, field: string, fallback?: number): number {
    const value = this.get(name)
    if (value === undefined) {
      if (fallback === undefined) this.complain(`required key ${name} missing value`)
      return fallback ?? 0
    }
    const found = parseInteger(value)
    if (typeof found === 'string') {
      this.#unparsable(name, field, 'int', value, `strconv.ParseInt: parsing ${goQuote(value)}: ${found}`)
      return 0
    }
    const exact = Number(found)
    return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, exact))
  }

  /** A Go bool; false where it is unset. */
  boolean(name: string, field: string): boolean {
    const value = this.get(name)
    if (value === undefined) return false
    const found = booleans[value]
    if (found === undefined) {
      this.#unparsable(name, field, 'bool', value, `strconv.ParseBool: parsing ${goQuote(value)}: invalid syntax`)
    }
    return found ?? false
  }

  /** A decimal number between two bounds, both included. Ours: Go knows no such variable. */
  count(name: string, least: number, most: number, fallback: number): number {
    const value = this.get(name)
    return value === undefined ? fallback : this.#bounded(name, value, least, most)
  }

  /** A port to listen on or to dial, as text in decimal; `fallback` where it is unset. */
  port(name: string, fallback: number): number {
    return this.count(name, 1, 65_535, fallback)
  }

  #bounded(name: string, value: string, least: number, most: number): number {
    const found = /^[0-9]{1,15}$/.test(value) ? Number(value) : Number.NaN
    if (found >= least && found <= most) return found
    this.complain(`${name}: want a number from ${least} to ${most}, got ${goQuote(value)}`)
    return least
  }

  #unparsable(name: string, field: string, type: string, value: string, details: string): void {
    const what = `converting '${plain(value)}' to type ${type}. details: ${details}`
    this.complain(`envconfig.Process: assigning ${name} to ${field}: ${what}`)
  }
}

/** The known name that takes the fewest edits to reach, and how many. */
export function nearest(name: string, known: readonly string[]): { readonly name: string; readonly edits: number } {
  let best = { name: '', edits: Number.POSITIVE_INFINITY }
  for (const each of known) {
    const edits = distance(name, each)
    if (edits < best.edits) best = { name: each, edits }
  }
  return best
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    above = row
  }
  return above[b.length] ?? 0
}
