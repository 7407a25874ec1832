// Where a body ends (RFC 9112 §6 and §7), as an explicit state machine over bytes. It is given input and tells runs of
// data; what frames them is consumed and never passed on, so that a chunk's size has one reader: us.

import { Fault } from '../../base/errors.ts'
import { Carry } from './carry.ts'
import { Head } from './head.ts'
import { field } from './names.ts'

/** How the end of a body is known. */
export type Framing = 'none' | 'length' | 'chunked' | 'until-close'

/** All fields behind the last chunk. */
const maxTrailerBytes = 64 * 1024

/** One chunk's size line, its extensions included. */
const maxSizeLine = 4096

const cr = 0x0d
const lf = 0x0a
const tab = 0x09
const space = 0x20
const semicolon = 0x3b
const quote = 0x22
const backslash = 0x5c

// Where the machine stands.
const ended = 0
const inData = 1
const sizeStart = 2
const inSize = 3
const afterSize = 4
const inExtension = 5
const sizeLineFeed = 6
const inChunk = 7
const chunkReturn = 8
const chunkLineFeed = 9
const inTrailers = 10
const untilClose = 11
const inQuoted = 12
const inQuotedPair = 13

export class Body {
  framing: Framing = 'none'
  /** The run of data that the last call of read() found; empty where `from` is `to`. */
  from = 0
  to = 0
  #state = ended
  /** Bytes left of the body or of the chunk. */
  #left = 0
  #line = 0
  #carry: Carry | undefined
  /** What stood behind the last chunk; undefined where nothing did. */
  trailers: Head | undefined

  /** Begins a body. @param length of framing `length`, in bytes */
  begin(framing: Framing, length: number): void {
    this.framing = framing
    this.trailers = undefined
    this.#left = length
    this.#state =
      framing === 'chunked'
        ? sizeStart
        : framing === 'until-close'
          ? untilClose
          : framing === 'length' && length > 0
            ? inData
            : ended
  }

  get done(): boolean {
    return this.#state === ended
  }

  /** Bytes that are still to come for certain: of the body by length, of the chunk otherwise. */
  get left(): number {
    return this.#state === inData || this.#state === inChunk ? this.#left : 0
  }

  /** The connection has ended: true where that is the end of the body. */
  close(): boolean {
    if (this.#state === untilClose) this.#state = ended
    return this.#state === ended
  }

  /**
   * Reads on until there is a run of data, the body has ended, or the input is used up.
   * @returns where the rest of the input begins; -1 where it breaks the rules of framing
   */
  read(bytes: Buffer, from: number, to: number): number {
    this.from = from
    this.to = from
    let i = from
    while (i < to) {
      switch (this.#state) {
        case ended:
          return i
        case inData:
        case inChunk:
          return this.#data(i, to)
        case untilClose:
          this.from = i
          this.to = to
          return to
        case inTrailers:
          return this.#readTrailers(bytes, i, to)
        default:
          if (!this.#step(bytes[i] as number)) return -1
          i++
      }
    }
    return i
  }

  #data(at: number, to: number): number {
    const end = to - at < this.#left ? to : at + this.#left
    this.from = at
    this.to = end
    this.#left -= end - at
    if (this.#left === 0) this.#state = this.#state === inData ? ended : chunkReturn
    return end
  }

  /** One byte of what stands around chunks; false where it must not stand there. */
  #step(byte: number): boolean {
    switch (this.#state) {
      case sizeStart: {
        const value = hexDigit(byte)
        if (value < 0) return false
        this.#left = value
        this.#line = 1
        this.#state = inSize
        return true
      }
      case inSize: {
        const value = hexDigit(byte)
        if (value < 0) return this.#endOfSize(byte)
        this.#left = this.#left * 16 + value
        return this.#left <= Number.MAX_SAFE_INTEGER && ++this.#line < maxSizeLine
      }
      case afterSize:
        return this.#endOfSize(byte)
      case inExtension:
      case inQuoted:
      case inQuotedPair:
        return this.#extension(byte) && ++this.#line < maxSizeLine
      case sizeLineFeed:
        if (byte !== lf) return false
        if (this.#left > 0) this.#state = inChunk
        else this.#beginTrailers()
        return true
      case chunkReturn:
        this.#state = chunkLineFeed
        return byte === cr
      default:
        this.#state = sizeStart
        return byte === lf
    }
  }

  #endOfSize(byte: number): boolean {
    if (byte === cr) this.#state = sizeLineFeed
    else if (byte === semicolon) this.#state = inExtension
    else if (byte === space || byte === tab) this.#state = afterSize
    else return false
    return ++this.#line < maxSizeLine
  }

  /** A quoted value ends in its line: there are readers that look for its end behind that. */
  #extension(byte: number): boolean {
    const state = this.#state
    if (byte === cr) this.#state = sizeLineFeed
    else if ((byte < space && byte !== tab) || byte === 0x7f) return false
    else if (state === inQuotedPair) this.#state = inQuoted
    else if (byte === quote) this.#state = state === inQuoted ? inExtension : inQuoted
    else if (byte === backslash && state === inQuoted) this.#state = inQuotedPair
    return byte !== cr || state === inExtension
  }

  #beginTrailers(): void {
    this.#state = inTrailers
    this.trailers = undefined
    this.#carry = undefined
  }

  #readTrailers(bytes: Buffer, from: number, to: number): number {
    // The usual end: nothing stands there.
    if (this.#carry === undefined && to - from >= 2 && bytes[from] === cr && bytes[from + 1] === lf) {
      this.#state = ended
      return from + 2
    }
    this.trailers ??= new Head('trailers', maxTrailerBytes)
    this.#carry ??= new Carry()
    const before = this.#carry.length
    this.#carry.append(bytes, from, to)
    const length = this.trailers.feed(this.#carry.bytes, this.#carry.from, this.#carry.to)
    if (length < 0) return -1
    if (length === 0) return to
    this.#carry = undefined
    this.#state = ended
    if (this.trailers.count === 0) this.trailers = undefined
    else if (forbids(this.trailers)) return -1
    return from + length - before
  }
}

/** Fields that would change a message's framing or its way must not come behind it (RFC 9110 §6.5.1). */
function forbids(trailers: Head): boolean {
  return [field.contentLength, field.transferEncoding, field.trailer, field.host, field.connection].some(
    id => trailers.find(id) >= 0,
  )
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** What frames a request's body; undefined where two readers could disagree (RFC 9112 §6.3). */
export function requestFraming(head: Head): { framing: Framing; length: number } | undefined {
  const length = contentLength(head)
  if (length === undefined) return undefined
  const coding = head.find(field.transferEncoding)
  if (coding < 0) return length < 0 ? none : { framing: length > 0 ? 'length' : 'none', length }
  // A sender of HTTP/1.0 does not know chunks: whoever believes it reads another message than who does not.
  if (length >= 0 || head.minor === 0 || !isChunked(head, coding)) return undefined
  return chunked
}

const none = { framing: 'none', length: 0 } as const
const chunked = { framing: 'chunked', length: 0 } as const
const untilTheEnd = { framing: 'until-close', length: 0 } as const

/**
 * What frames a response's body.
 * @param bodyless true for answers to HEAD
 * @returns a Fault where it cannot be told, or must not be passed on
 */
export function responseFraming(
  head: Head,
  bodyless: boolean,
  allowUnframed: boolean,
): { framing: Framing; length: number } | Fault {
  const length = contentLength(head)
  if (length === undefined) return new Fault('upstream-malformed', 'more than one reading of Content-Length')
  const coding = head.find(field.transferEncoding)
  if (coding >= 0) {
    // Under any other coding the body ends with the connection, or is not what the client would take it for.
    if (head.minor === 0 || !isChunked(head, coding)) {
      return new Fault('upstream-malformed', 'unsupported transfer encoding')
    }
    if (length >= 0) return new Fault('upstream-malformed', 'Content-Length beside Transfer-Encoding')
  }
  if (bodyless || head.status === 204 || head.status === 304) return none
  if (coding >= 0) return chunked
  if (length >= 0) return { framing: length > 0 ? 'length' : 'none', length }
  if (allowUnframed) return untilTheEnd
  return new Fault('upstream-unframed', 'the response ends only by close, which cannot be told from truncation')
}

/** The one Content-Length; -1 where there is none; undefined where there are several, or it is no number. */
function contentLength(head: Head): number | undefined {
  const at = head.find(field.contentLength)
  if (at < 0) return -1
  if (head.find(field.contentLength, at + 1) >= 0) return undefined
  const text = head.value(at)
  if (!/^[0-9]{1,16}$/.test(text)) return undefined
  const length = Number(text)
  return Number.isSafeInteger(length) ? length : undefined
}

/** Exactly `chunked`, in one line. */
function isChunked(head: Head, at: number): boolean {
  return head.find(field.transferEncoding, at + 1) < 0 && head.value(at).toLowerCase() === 'chunked'
}
