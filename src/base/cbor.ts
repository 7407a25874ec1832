// CBOR, the part of RFC 8949 that evidence is made of: unsigned integers, byte and text strings, arrays, maps with text
// keys, tags; and messages, maps with small numbers as keys. Writing follows §4.2.1 (core deterministic encoding).
//
// Reading is strict: definite lengths in their shortest form, no duplicate key, at most four levels of nesting, nothing
// left over. It does not demand sorted keys: makers of foreign claims do not sort them, and the hash is over the bytes as
// sent. It must never recurse without a bound.

import { concat, Reader } from './bytes.ts'
import { Fault, type FaultCode } from './errors.ts'

export interface Tagged {
  readonly tag: number
  readonly value: Cbor
}

export type Cbor = number | string | Uint8Array | readonly Cbor[] | ReadonlyMap<string, Cbor> | Tagged

const maxDepth = 4
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const text = new TextEncoder()

/**
 * The one item that `bytes` hold. Byte strings are copies.
 * @throws Fault with `code` for anything outside the subset
 */
export function decodeCbor(bytes: Uint8Array, code: FaultCode): Cbor {
  const reader = new Reader(bytes, code)
  const value = item(reader, 0)
  reader.end('CBOR')
  return value
}

/** A message: fields by their number, in the order of the numbers. */
export type Fields = ReadonlyMap<number, Cbor>

const maxFields = 23

/**
 * The one message that `bytes` hold: numbers from 0 to 23 as keys, in ascending order.
 * @throws Fault with `code` for anything else
 */
export function decodeFields(bytes: Uint8Array, code: FaultCode): Fields {
  const reader = new Reader(bytes, code)
  const count = reader.u8('message') - 0xa0
  if (count < 0 || count > maxFields) throw new Fault(code, `message: want a CBOR map of at most ${maxFields} fields`)
  const fields = new Map<number, Cbor>()
  let last = -1
  for (let i = 0; i < count; i++) {
    const key = reader.u8('message field')
    if (key > maxFields || key <= last) throw new Fault(code, 'message: want small numbers as keys, in ascending order')
    fields.set(key, item(reader, 1))
    last = key
  }
  reader.end('message')
  return fields
}

/** @throws TypeError for a key that decodeFields would refuse, or too many: a bug of the caller */
export function encodeFields(fields: Fields): Uint8Array {
  const entries = [...fields].sort(([a], [b]) => a - b)
  if (entries.some(([key]) => !(key >= 0 && key <= maxFields))) throw new TypeError('not a key of a message')
  return concat(head(5, entries.length), ...entries.flatMap(([key, value]) => [head(0, key), encodeCbor(value)]))
}

export function isTagged(value: Cbor | undefined): value is Tagged {
  return typeof value === 'object' && 'tag' in value
}

export function isMap(value: Cbor | undefined): value is ReadonlyMap<string, Cbor> {
  return value instanceof Map
}

function item(reader: Reader, depth: number): Cbor {
  const initial = reader.u8('CBOR item')
  const major = initial >> 5
  if (major === 1 || major === 7) throw new Fault(reader.code, `CBOR: major type ${major} is not used here`)
  const argument = readArgument(reader, initial & 0x1f)
  switch (major) {
    case 0:
      return argument
    case 2:
      return reader.take(argument, 'CBOR byte string')
    case 3:
      return readText(reader, argument)
    case 4:
      return readArray(reader, argument, deeper(reader, depth))
    case 5:
      return readMap(reader, argument, deeper(reader, depth))
    default:
      return { tag: argument, value: item(reader, deeper(reader, depth)) }
  }
}

function deeper(reader: Reader, depth: number): number {
  if (depth >= maxDepth) throw new Fault(reader.code, `CBOR: nested deeper than ${maxDepth}`)
  return depth + 1
}

function readArgument(reader: Reader, info: number): number {
  if (info < 24) return info
  if (info > 27) throw new Fault(reader.code, 'CBOR: indefinite and reserved lengths are not used here')
  const size = 1 << (info - 24)
  let value = 0
  for (let i = 0; i < size; i++) value = value * 256 + reader.u8('CBOR argument')
  if (!Number.isSafeInteger(value)) throw new Fault(reader.code, 'CBOR: argument of 2^53 or more')
  if (value < (size === 1 ? 24 : 256 ** (size / 2)))
    throw new Fault(reader.code, 'CBOR: argument not in its shortest form')
  return value
}

function readText(reader: Reader, length: number): string {
  const bytes = reader.take(length, 'CBOR text string')
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new Fault(reader.code, 'CBOR: text string is not UTF-8', { cause })
  }
}

// A count that lies costs nothing: each item takes a byte at least, and the reader ends the loop.
function readArray(reader: Reader, count: number, depth: number): Cbor[] {
  const list: Cbor[] = []
  for (let i = 0; i < count; i++) list.push(item(reader, depth))
  return list
}

function readMap(reader: Reader, count: number, depth: number): Map<string, Cbor> {
  const map = new Map<string, Cbor>()
  for (let i = 0; i < count; i++) {
    const key = item(reader, depth)
    if (typeof key !== 'string') throw new Fault(reader.code, 'CBOR: want a text string as map key')
    if (map.has(key)) throw new Fault(reader.code, `CBOR: duplicate map key ${JSON.stringify(key)}`)
    map.set(key, item(reader, depth))
  }
  return map
}

/**
 * Deterministic encoding (RFC 8949 §4.2.1): shortest arguments, map keys in bytewise order of their encoding.
 * @throws TypeError for a number that is no unsigned safe integer: a bug of the caller
 */
export function encodeCbor(value: Cbor): Uint8Array {
  if (typeof value === 'number') return head(0, value)
  if (typeof value === 'string') return prefixed(3, text.encode(value))
  if (value instanceof Uint8Array) return prefixed(2, value)
  if (isMap(value)) return encodeMap(value)
  if (isTagged(value)) return concat(head(6, value.tag), encodeCbor(value.value))
  return concat(head(4, value.length), ...value.map(encodeCbor))
}

function encodeMap(map: ReadonlyMap<string, Cbor>): Uint8Array {
  const entries = [...map].map(([key, value]) => [encodeCbor(key), encodeCbor(value)] as const)
  entries.sort(([a], [b]) => Buffer.compare(a, b))
  return concat(head(5, map.size), ...entries.flat())
}

function prefixed(major: number, bytes: Uint8Array): Uint8Array {
  return concat(head(major, bytes.length), bytes)
}

function head(major: number, argument: number): Uint8Array {
  if (!Number.isSafeInteger(argument) || argument < 0) throw new TypeError(`not an unsigned integer: ${argument}`)
  if (argument < 24) return Uint8Array.of((major << 5) | argument)
  const power = argument < 0x100 ? 0 : argument < 0x10000 ? 1 : argument < 0x100000000 ? 2 : 3
  const out = new Uint8Array(1 + (1 << power))
  out[0] = (major << 5) | (24 + power)
  for (let i = out.length - 1, rest = argument; i > 0; i--, rest = Math.floor(rest / 256)) out[i] = rest % 256
  return out
}
