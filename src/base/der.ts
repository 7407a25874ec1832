// A strict reader of DER (ITU-T X.690 §8 and §10): definite lengths in their shortest form, one-byte tags, bounded
// nesting, nothing left over. It outlines X.509 certificates and Intel's SGX extension.
//
// It must never repair: what BER would allow and DER forbids is a Fault, because two readers of one certificate that
// disagree about it are an attack.

import { Reader } from './bytes.ts'
import { Fault, type FaultCode } from './errors.ts'

/** Identifier octets of the types that certificates and SGX extensions use. */
export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

const maxDepth = 16
const maxOidBytes = 64

/** One tag-length-value. `raw` and `content` are copies. */
export interface Element {
  readonly tag: number
  readonly raw: Uint8Array
  readonly content: Uint8Array
}

export class DerReader {
  readonly #reader: Reader
  readonly #depth: number

  /** @param code of every Fault that malformed input throws */
  constructor(bytes: Uint8Array | Reader, code: FaultCode, depth = 0) {
    this.#reader = bytes instanceof Reader ? bytes : new Reader(bytes, code)
    this.#depth = depth
  }

  get code(): FaultCode {
    return this.#reader.code
  }

  /** The next element's tag; undefined at the end. */
  peek(): number | undefined {
    return this.#reader.peek()
  }

  /** The next element, whatever it is. */
  element(name: string): Element {
    const from = this.#reader.at
    const found = this.#reader.u8(name)
    if ((found & 0x1f) === 0x1f) throw this.fault(`${name}: tags of several bytes are not used here`)
    const content = this.#reader.take(this.#length(name), name)
    return { tag: found, raw: this.#reader.since(from), content }
  }

  /** Content of the next element, which must have this tag. */
  content(want: number, name: string): Uint8Array {
    this.#expect(want, name)
    return this.#reader.take(this.#length(name), name)
  }

  /** The next element as encoded, header included; it must have this tag. */
  raw(want: number, name: string): Uint8Array {
    const from = this.#reader.at
    this.#expect(want, name)
    this.#reader.sub(this.#length(name), name)
    return this.#reader.since(from)
  }

  /** A reader over the content of the next element, which must have this tag. */
  enter(want: number, name: string): DerReader {
    if (this.#depth >= maxDepth) throw this.fault(`${name}: nested deeper than ${maxDepth}`)
    this.#expect(want, name)
    return new DerReader(this.#reader.sub(this.#length(name), name), this.code, this.#depth + 1)
  }

  oid(name: string): string {
    return oidText(this.content(tag.oid, name), this.code, name)
  }

  /** @throws Fault unless FALSE is 00 and TRUE is FF, the only two forms of DER */
  boolean(name: string): boolean {
    const content = this.content(tag.boolean, name)
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) {
      throw this.fault(`${name}: want a boolean of 00 or ff`)
    }
    return content[0] === 0xff
  }

  /** Magnitude of a non-negative integer in its shortest form, big endian, without the sign byte. */
  unsigned(name: string, want: number = tag.integer): Uint8Array {
    const content = this.content(want, name)
    const [first, second] = content
    if (first === undefined) throw this.fault(`${name}: an integer has at least one byte`)
    if (first & 0x80) throw this.fault(`${name}: want a non-negative integer`)
    if (first !== 0 || second === undefined) return content
    if (!(second & 0x80)) throw this.fault(`${name}: integer not in its shortest form`)
    return content.subarray(1)
  }

  /** A non-negative integer below 2^32. */
  smallUnsigned(name: string, want: number = tag.integer): number {
    const magnitude = this.unsigned(name, want)
    if (magnitude.length > 4) throw this.fault(`${name}: want an integer of at most 4 bytes, ${magnitude.length} given`)
    return magnitude.reduce((sum, byte) => sum * 256 + byte, 0)
  }

  /** UTCTime or GeneralizedTime in the forms of RFC 5280 §4.1.2.5, as milliseconds since the epoch. */
  time(name: string): number {
    const { tag: kind, content } = this.element(name)
    const text = String.fromCharCode(...content)
    const long = kind === tag.generalizedTime
    if (!long && kind !== tag.utcTime) throw this.fault(`${name}: want a time, tag is 0x${kind.toString(16)}`)
    const match = (long ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(
      text,
    )
    if (!match) throw this.fault(`${name}: malformed time`)
    const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number)
    const full = long ? year : year < 50 ? 2000 + year : 1900 + year
    const iso = `${String(full).padStart(4, '0')}-${pad(month)}-${pad(day)}T${pad(hour)}:${pad(minute)}:${pad(second)}.000Z`
    const ms = Date.parse(iso)
    // Date rolls 30 February over into March; what does not come back as it went in is no date.
    if (Number.isNaN(ms) || new Date(ms).toISOString() !== iso) throw this.fault(`${name}: no such date: ${iso}`)
    return ms
  }

  end(name: string): void {
    this.#reader.end(name)
  }

  fault(message: string): Fault {
    return new Fault(this.code, message)
  }

  #expect(want: number, name: string): void {
    const found = this.#reader.u8(name)
    if (found !== want) throw this.fault(`${name}: want tag 0x${want.toString(16)}, got 0x${found.toString(16)}`)
  }

  #length(name: string): number {
    const first = this.#reader.u8(`${name} length`)
    if (first < 0x80) return first
    const size = first & 0x7f
    if (size === 0 || size > 3) throw this.fault(`${name}: length form 0x${first.toString(16)} is not used in DER here`)
    let length = 0
    for (let i = 0; i < size; i++) length = length * 256 + this.#reader.u8(`${name} length`)
    if (length < (size === 1 ? 0x80 : 256 ** (size - 1))) throw this.fault(`${name}: length not in its shortest form`)
    return length
  }
}

/**
 * Dotted form of an object identifier's content bytes. Arcs may exceed 2^53: they are summed as bigints.
 * @throws Fault with `code` for padded, unfinished, empty or overlong identifiers (X.690 §8.19)
 */
export function oidText(content: Uint8Array, code: FaultCode, name = 'object identifier'): string {
  if (content.length === 0 || content.length > maxOidBytes) throw new Fault(code, `${name}: ${content.length} bytes`)
  const arcs: bigint[] = []
  let arc = 0n
  let fresh = true
  for (const byte of content) {
    if (fresh && byte === 0x80) throw new Fault(code, `${name}: arc not in its shortest form`)
    arc = (arc << 7n) | BigInt(byte & 0x7f)
    fresh = (byte & 0x80) === 0
    if (!fresh) continue
    arcs.push(arc)
    arc = 0n
  }
  if (!fresh) throw new Fault(code, `${name}: unfinished arc`)
  const [both = 0n, ...rest] = arcs
  const root = both < 40n ? 0n : both < 80n ? 1n : 2n
  return [root, both - root * 40n, ...rest].join('.')
}

function pad(part: number): string {
  return String(part).padStart(2, '0')
}
