// Bounds-checked reading of untrusted bytes, and the few byte helpers that everybody needs.
//
// All binary input goes through Reader: truncated and trailing data are the only two ways in which it fails, and both
// are Faults. It must never clamp: Buffer.subarray silently shortens a length that lies, Reader refuses it.

import { timingSafeEqual } from 'node:crypto'
import { Fault, type FaultCode } from './errors.ts'

/** Reads forward over bytes that somebody else wrote. Not re-entrant, no look-back. */
export class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #code: FaultCode
  #at = 0

  /** @param code of the Fault that truncated or trailing data throw */
  constructor(bytes: Uint8Array, code: FaultCode) {
    // A plain Uint8Array over the same memory: slice() of a Buffer aliases, slice() of this one copies.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#code = code
  }

  get code(): FaultCode {
    return this.#code
  }

  /** Bytes read so far. */
  get at(): number {
    return this.#at
  }

  /** Bytes not yet read. */
  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** The next byte without reading it; undefined at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#at]
  }

  /** A copy of the next `length` bytes. */
  take(length: number, name: string): Uint8Array {
    const from = this.#advance(length, name)
    return this.#bytes.slice(from, from + length)
  }

  /** A reader over the next `length` bytes: a length prefix opens a room of its own. */
  sub(length: number, name: string): Reader {
    const from = this.#advance(length, name)
    return new Reader(this.#bytes.subarray(from, from + length), this.#code)
  }

  /** A copy of what lies between `from` (an earlier `at`) and here. */
  since(from: number): Uint8Array {
    return this.#bytes.slice(from, this.#at)
  }

  u8(name: string): number {
    return this.#view.getUint8(this.#advance(1, name))
  }

  u16le(name: string): number {
    return this.#view.getUint16(this.#advance(2, name), true)
  }

  u32le(name: string): number {
    return this.#view.getUint32(this.#advance(4, name), true)
  }

  u64le(name: string): bigint {
    return this.#view.getBigUint64(this.#advance(8, name), true)
  }

  /** @throws Fault unless everything was read */
  end(name: string): void {
    if (this.left > 0) throw new Fault(this.#code, `${name}: ${this.left} trailing bytes at ${this.#at}`)
  }

  #advance(length: number, name: string): number {
    if (!Number.isSafeInteger(length) || length < 0 || length > this.left) {
      throw new Fault(this.#code, `${name}: want ${length} bytes, ${this.left} left`)
    }
    const from = this.#at
    this.#at += length
    return from
  }
}

/** Lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** Bytes of an even number of hex digits in either case; undefined for anything else (Buffer.from would stop short). */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined
  return new Uint8Array(Buffer.from(text, 'hex'))
}

/** Equality in time that depends on the lengths only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** One new array with all parts in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** True where every byte is zero. Not constant-time: for padding, never for secrets. */
export function allZero(bytes: Uint8Array): boolean {
  return bytes.every(byte => byte === 0)
}
