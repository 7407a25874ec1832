// The only parser of HTTP/1.1 heads that we own (RFC 9112 §2 to §5). Strict: every byte is looked at once, in order, and
// what two readers could read in two ways is refused: bare CR or LF, folded lines, white space around names, control
// characters. It makes no objects: a head is a table of offsets over its bytes, and names and values become strings only
// when somebody asks for them.

import { type FieldId, field, idAt, idOf } from './names.ts'

export type HeadKind = 'request' | 'response' | 'trailers'

/** Why a head was given up; `field-name` is white space before a colon. */
export type HeadProblem = 'malformed' | 'field-name' | 'too-large'

// What a byte may be part of.
const token = 1
const visible = 2
const text = 4
const digit = 8

const classes = new Uint8Array(256)
for (let byte = 0; byte < 256; byte++) {
  let found = 0
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(byte))) found |= token
  if (byte > 0x20 && byte !== 0x7f) found |= visible
  if ((byte >= 0x20 && byte !== 0x7f) || byte === 0x09) found |= text
  if (byte >= 0x30 && byte <= 0x39) found |= digit
  classes[byte] = found
}

const is = (byte: number | undefined, which: number): boolean =>
  byte !== undefined && ((classes[byte] as number) & which) !== 0

const tab = 0x09
const lf = 0x0a
const cr = 0x0d
const space = 0x20
const dot = 0x2e
const zero = 0x30
const colon = 0x3a

/** `HTTP/` */
const protocol = Uint8Array.of(0x48, 0x54, 0x54, 0x50, 0x2f)

// Where the parser stands: in a part of the first line, or of a field line.
const inMethod = 0
const inTarget = 1
const inVersion = 2
const afterVersion = 3
const inStatus = 4
const inReason = 5
const lineFeed = 6
const lineStart = 7
const inName = 8
const beforeValue = 9
const inValue = 10
const lastLineFeed = 11

const firstState = { request: inMethod, response: inVersion, trailers: lineStart } as const

/** Where lines are copied to. */
interface Lines {
  bytes(from: Buffer, start: number, end: number): unknown
}

/** Numbers in the table for each field: name from, name to, value from, value to, number of the name. */
const width = 5

export class Head {
  readonly #kind: HeadKind
  readonly #maxBytes: number
  /** Offsets count from `base` in here. */
  bytes: Buffer = Buffer.alloc(0)
  base = 0
  /** Fields read so far. */
  count = 0
  major = 1
  minor = 1
  /** Of a response: its three digits. */
  status = 0
  problem: HeadProblem = 'malformed'
  /** Of a request: where method and target end; a space follows each. */
  methodEnd = 0
  targetEnd = 0
  #state: number
  /** The next byte to look at. */
  #at = 0
  /** Where the version or the status begins. */
  #mark = 0
  #nameFrom = 0
  #nameTo = 0
  #id: FieldId = field.other
  #valueFrom = 0
  /** Behind the last byte of the value that is no white space. */
  #valueTo = 0
  #linesEnd = 0
  /** Which numbers occur at all: a bit for each below 32, and for each from there on. */
  #low = 0
  #high = 0
  /** Values that somebody has asked for. */
  readonly #values: (string | undefined)[] = []
  #table = new Int32Array(width * 16)

  /** @param maxBytes a head that is not complete within so many is given up */
  constructor(kind: HeadKind, maxBytes: number) {
    this.#kind = kind
    this.#maxBytes = maxBytes
    this.#state = firstState[kind]
  }

  /** True where a part of a head has been read. */
  get begun(): boolean {
    return this.#at > 0
  }

  /** Forgets everything, to read the next head. */
  reset(): void {
    this.#state = firstState[this.#kind]
    this.#at = 0
    this.count = 0
    this.#low = 0
    this.#high = 0
    this.problem = 'malformed'
  }

  /**
   * Reads on.
   * @param from where the head begins in `bytes`; what earlier calls have read of it is not looked at again
   * @param to end of what has come
   * @returns length of the whole head in bytes, its empty line included; 0 where more is needed; -1 where it cannot be
   *   read: see `problem`
   */
  feed(bytes: Buffer, from: number, to: number): number {
    const max = from + this.#maxBytes
    const end = to < max ? to : max
    let i = from + this.#at
    let state = this.#state
    while (i < end) {
      const byte = bytes[i] as number
      switch (state) {
        case inValue:
          while (i < end && is(bytes[i], text)) {
            if (bytes[i] !== space && bytes[i] !== tab) this.#valueTo = i + 1 - from
            i++
          }
          if (i === end) break
          if (bytes[i] !== cr) return -1
          this.#keep()
          i++
          state = lineFeed
          break
        case beforeValue:
          if (byte === space || byte === tab) {
            i++
            break
          }
          this.#valueFrom = i - from
          this.#valueTo = this.#valueFrom
          state = inValue
          break
        case inName:
          while (i < end && is(bytes[i], token)) i++
          if (i === end) break
          this.#nameTo = i - from
          if (bytes[i] !== colon || this.#nameTo === this.#nameFrom) {
            if (bytes[i] === space || bytes[i] === tab) this.problem = 'field-name'
            return -1
          }
          this.#id = idAt(bytes, from + this.#nameFrom, i)
          i++
          state = beforeValue
          break
        case lineStart:
          if (byte === cr) {
            i++
            state = lastLineFeed
            break
          }
          // A line that begins with white space would be folded into the one before.
          if (!is(byte, token)) return -1
          this.#nameFrom = i - from
          state = inName
          break
        case lineFeed:
          if (byte !== lf) return -1
          i++
          state = lineStart
          break
        case lastLineFeed:
          if (byte !== lf) return -1
          this.bytes = bytes
          this.base = from
          this.#linesEnd = i - 1 - from
          return i + 1 - from
        case inMethod:
          while (i < end && is(bytes[i], token)) i++
          if (i === end) break
          this.methodEnd = i - from
          if (bytes[i] !== space || this.methodEnd === 0) return -1
          i++
          state = inTarget
          break
        case inTarget:
          while (i < end && is(bytes[i], visible)) i++
          if (i === end) break
          this.targetEnd = i - from
          if (bytes[i] !== space || this.targetEnd === this.methodEnd + 1) return -1
          i++
          this.#mark = i - from
          state = inVersion
          break
        case inVersion: {
          const at = i - from - (this.#kind === 'request' ? this.#mark : 0)
          if (at < 5 ? byte !== protocol[at] : at === 6 ? byte !== dot : !is(byte, digit)) return -1
          if (at === 5) this.major = byte - zero
          i++
          if (at < 7) break
          this.minor = byte - zero
          this.#mark = i - from
          state = this.#kind === 'request' ? afterVersion : inStatus
          break
        }
        case afterVersion:
          if (byte !== cr) return -1
          i++
          state = lineFeed
          break
        case inStatus: {
          const at = i - from - this.#mark
          if (at === 0) {
            if (byte !== space) return -1
            this.status = 0
          } else if (at < 4) {
            if (!is(byte, digit)) return -1
            this.status = this.status * 10 + byte - zero
          } else {
            // A reason phrase may be missing, and the space before it too.
            if (byte !== space && byte !== cr) return -1
            state = inReason
            if (byte === cr) break
          }
          i++
          break
        }
        default:
          while (i < end && is(bytes[i], text)) i++
          if (i === end) break
          if (bytes[i] !== cr) return -1
          i++
          state = lineFeed
      }
    }
    if (i >= max) {
      this.problem = 'too-large'
      return -1
    }
    this.#state = state
    this.#at = i - from
    return 0
  }

  /** Copies the bytes of a head that has been read, as they will be overwritten or let go. */
  own(length: number): void {
    const copy = Buffer.allocUnsafe(length)
    this.bytes.copy(copy, 0, this.base, this.base + length)
    this.bytes = copy
    this.base = 0
  }

  #keep(): void {
    const at = this.count * width
    if (at === this.#table.length) {
      const larger = new Int32Array(this.#table.length * 2)
      larger.set(this.#table)
      this.#table = larger
    }
    const table = this.#table
    table[at] = this.#nameFrom
    table[at + 1] = this.#nameTo
    table[at + 2] = this.#valueFrom
    table[at + 3] = this.#valueTo
    table[at + 4] = this.#id
    this.#values[this.count] = undefined
    if (this.#id < 32) this.#low |= 1 << this.#id
    else this.#high |= 1 << this.#id
    this.count++
  }

  // Fields, by their place in the order received.

  id(at: number): number {
    return this.#table[at * width + 4] as number
  }

  /** Where a field's line begins, as an offset from `base`. */
  lineFrom(at: number): number {
    return this.#table[at * width] as number
  }

  /** Behind the last field's line: where the empty line stands. */
  get linesEnd(): number {
    return this.#linesEnd
  }

  name(at: number): string {
    return this.slice(this.#table[at * width] as number, this.#table[at * width + 1] as number)
  }

  value(at: number): string {
    const known = this.#values[at]
    if (known !== undefined) return known
    const value = this.slice(this.#table[at * width + 2] as number, this.#table[at * width + 3] as number)
    this.#values[at] = value
    return value
  }

  /** Writes a field's value as it stands. */
  writeValue(out: Lines, at: number): void {
    out.bytes(
      this.bytes,
      this.base + (this.#table[at * width + 2] as number),
      this.base + (this.#table[at * width + 3] as number),
    )
  }

  nameLength(at: number): number {
    return (this.#table[at * width + 1] as number) - (this.#table[at * width] as number)
  }

  isEmpty(at: number): boolean {
    return this.#table[at * width + 2] === this.#table[at * width + 3]
  }

  /** Bytes between two offsets from `base`, one character each. */
  slice(from: number, to: number): string {
    return this.bytes.toString('latin1', this.base + from, this.base + to)
  }

  /** The first field of this number, from a place on; -1 where there is none. */
  find(id: FieldId, from = 0): number {
    if (((id < 32 ? this.#low : this.#high) & (1 << id)) === 0) return -1
    for (let at = from; at < this.count; at++) if (this.#table[at * width + 4] === id) return at
    return -1
  }

  /** First value of a field by its number. */
  first(id: FieldId): string | undefined {
    const at = this.find(id)
    return at < 0 ? undefined : this.value(at)
  }

  /** First value of a field by its lower-case name. */
  header(lowerName: string): string | undefined {
    const id = idOf(lowerName)
    if (id !== field.other) return this.first(id)
    for (let at = 0; at < this.count; at++) {
      if (this.id(at) !== field.other || this.nameLength(at) !== lowerName.length) continue
      if (this.name(at).toLowerCase() === lowerName) return this.value(at)
    }
    return undefined
  }

  /** The elements of a comma-separated field over all its lines, trimmed, lower case, empty ones left out. */
  tokens(id: FieldId): string[] {
    const found: string[] = []
    for (let at = this.find(id); at >= 0; at = this.find(id, at + 1)) {
      for (const element of this.value(at).split(',')) {
        const trimmed = element.trim().toLowerCase()
        if (trimmed !== '') found.push(trimmed)
      }
    }
    return found
  }

  /** True where Connection names this option, in lower case. */
  hasOption(option: string): boolean {
    return this.find(field.connection) >= 0 && this.tokens(field.connection).includes(option)
  }

  /** Writes all lines as they stand, the empty one left out. */
  writeLines(out: Lines): void {
    if (this.count > 0) out.bytes(this.bytes, this.base + this.lineFrom(0), this.base + this.#linesEnd)
  }

  /** All fields as name, value, name, value, …, for rules that are written over strings. */
  raw(): string[] {
    const fields: string[] = []
    for (let at = 0; at < this.count; at++) fields.push(this.name(at), this.value(at))
    return fields
  }
}
