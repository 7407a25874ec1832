// Intel's signed JSON documents: `{"tcbInfo":{…},"signature":"…"}`, and the same with "enclaveIdentity".
//
// The signature is over the exact bytes of the member's value as received. They are cut out here and never built again:
// a verifier that parses and writes JSON verifies what it wrote, not what it was given. Strict: RFC 8259 in ASCII,
// duplicate members and unknown members of the envelope refused, depth and length bounded.

import { fromHex } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'

const code = 'collateral-malformed'
const maxBytes = 262_144
const maxDepth = 8
const space = /[ \t\n\r]*/y
const string = /"(?:[ !#-[\]-~]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const word = /true|false|null/y

type Json = null | boolean | number | string | readonly Json[] | ReadonlyMap<string, Json>

export interface SignedJson {
  readonly document: Members
  /** The bytes of the member's value, as received. */
  readonly signedBytes: Uint8Array
  /** r ‖ s, 64 bytes. */
  readonly signature: Uint8Array
}

/**
 * Reads an envelope. Nothing is verified.
 * @param member 'tcbInfo' or 'enclaveIdentity'
 * @throws Fault 'collateral-malformed'
 */
export function readSignedJson(bytes: Uint8Array, member: string): SignedJson {
  if (bytes.length > maxBytes) throw new Fault(code, `${member}: ${bytes.length} bytes, want at most ${maxBytes}`)
  // One character is one byte, so a place in the text is a place in the bytes; the grammar knows ASCII only.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  const spans = new Map<string, readonly [from: number, to: number]>()
  const envelope = parse(text, member, spans)
  const document = envelope.get(member)
  const signature = envelope.get('signature')
  const span = spans.get(member)
  if (!(document instanceof Map) || span === undefined || envelope.size !== 2 || typeof signature !== 'string') {
    throw new Fault(code, `${member}: want an object with exactly ${member} and signature`)
  }
  const raw = fromHex(signature)
  if (raw?.length !== 64) throw new Fault(code, `${member}: want a signature of 128 hex digits`)
  return {
    document: new Members(document, member),
    // A copy: slice() of a Buffer would alias what the caller may change.
    signedBytes: new Uint8Array(bytes.subarray(...span)),
    signature: raw,
  }
}

/** One JSON object; `spans` gets the place of each of its members' values. */
function parse(text: string, name: string, spans: Map<string, readonly [number, number]>): ReadonlyMap<string, Json> {
  let at = 0

  function fail(want: string): never {
    throw new Fault(code, `${name}: want ${want} at byte ${at}`)
  }

  function token(pattern: RegExp): string | undefined {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    if (found !== undefined) at += found.length
    return found
  }

  function taken(character: string): boolean {
    token(space)
    if (text[at] !== character) return false
    at++
    token(space)
    return true
  }

  /** Takes what ends a value; the white space behind it is none of the value's bytes. */
  function closed(character: string): boolean {
    if (text[at] !== character) return false
    at++
    return true
  }

  function object(depth: number): ReadonlyMap<string, Json> {
    const members = new Map<string, Json>()
    if (closed('}')) return members
    do {
      const key = token(string) ?? fail('a member name')
      const member: string = JSON.parse(key)
      if (members.has(member)) fail(`no second ${key}`)
      if (!taken(':')) fail('a colon')
      const from = at
      members.set(member, value(depth))
      if (depth === 1) spans.set(member, [from, at])
    } while (taken(','))
    if (!closed('}')) fail('a comma or a closing brace')
    return members
  }

  function array(depth: number): readonly Json[] {
    const items: Json[] = []
    if (closed(']')) return items
    do items.push(value(depth))
    while (taken(','))
    if (!closed(']')) fail('a comma or a closing bracket')
    return items
  }

  function value(depth: number): Json {
    if (depth > maxDepth) fail(`at most ${maxDepth} levels`)
    if (text[at] === '{') return opened(object, depth)
    if (text[at] === '[') return opened(array, depth)
    const plain = token(string) ?? token(word) ?? token(number) ?? fail('a value')
    return JSON.parse(plain)
  }

  function opened<T>(read: (depth: number) => T, depth: number): T {
    at++
    token(space)
    return read(depth + 1)
  }

  token(space)
  if (text[at] !== '{') fail('an object')
  const result = opened(object, 0)
  token(space)
  if (at < text.length) fail('nothing more')
  return result
}

/** The members of one JSON object, each asked for by its form. A member that nobody asks for is skipped. */
export class Members {
  readonly #members: ReadonlyMap<string, Json>
  readonly #name: string

  constructor(members: ReadonlyMap<string, Json>, name: string) {
    this.#members = members
    this.#name = name
  }

  has(key: string): boolean {
    return this.#members.has(key)
  }

  text(key: string): string {
    const value = this.#members.get(key)
    return typeof value === 'string' ? value : this.#fail(key, 'a string')
  }

  /** An integer from 0 to `most`. */
  count(key: string, most: number): number {
    const value = this.#members.get(key)
    const fits = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most
    return fits ? value : this.#fail(key, `an integer from 0 to ${most}`)
  }

  /** Bytes written as hex digits, in either case. */
  hex(key: string, length: number): Uint8Array {
    const bytes = fromHex(this.text(key))
    return bytes?.length === length ? bytes : this.#fail(key, `${length * 2} hex digits`)
  }

  /** A moment as Intel writes it, YYYY-MM-DDThh:mm:ssZ; milliseconds since the epoch. */
  time(key: string): number {
    const value = this.text(key)
    const ms = Date.parse(value)
    // Date.parse takes many forms, and rolls 30 February over into March; only what comes back as it went in counts.
    const real = !Number.isNaN(ms) && new Date(ms).toISOString() === value.replace('Z', '.000Z')
    return real ? ms : this.#fail(key, 'a time such as 2026-03-01T00:00:00Z')
  }

  /** One of a closed list. */
  one<const T extends string>(key: string, known: readonly T[]): T {
    const value = this.text(key)
    return known.find(each => each === value) ?? this.#fail(key, `one of ${known.join(', ')}`)
  }

  object(key: string): Members {
    const value = this.#members.get(key)
    return value instanceof Map ? new Members(value, `${this.#name}.${key}`) : this.#fail(key, 'an object')
  }

  objects(key: string): Members[] {
    return this.#list(key).map((each, i) =>
      each instanceof Map ? new Members(each, `${this.#name}.${key}[${i}]`) : this.#fail(key, 'an array of objects'),
    )
  }

  /** Strings; none where the member is absent. */
  optionalTexts(key: string): string[] {
    if (!this.has(key)) return []
    return this.#list(key).map(each => (typeof each === 'string' ? each : this.#fail(key, 'an array of strings')))
  }

  #list(key: string): readonly Json[] {
    const value = this.#members.get(key)
    return Array.isArray(value) ? value : this.#fail(key, 'an array')
  }

  #fail(key: string, want: string): never {
    throw new Fault(code, `${this.#name}.${key}: want ${want}`)
  }
}
