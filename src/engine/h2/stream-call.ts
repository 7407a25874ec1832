// One request as a stream of an HTTP/2 connection to the container.

import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2'
import { Fault, systemCode } from '../../base/errors.ts'
import type { Call, Caller } from './call.ts'
import { fieldMap, statusOf, withoutPseudo } from './fields.ts'

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants

/** What a call wants of the connection that it runs on. */
export interface Line {
  /** The connection itself is gone, and this is why; undefined while it lives. */
  readonly lost: Fault | undefined
  /** True where an earlier request was carried. */
  readonly used: boolean
  /** The container is about to get a RST_STREAM. */
  cancelled(): void
  done(call: StreamCall): void
}

const callOf = Symbol('call')
type Owned = ClientHttp2Stream & { [callOf]: StreamCall }

/** RFC 9113 §7, by number. */
const codeNames = [
  ...['NO_ERROR', 'PROTOCOL_ERROR', 'INTERNAL_ERROR', 'FLOW_CONTROL_ERROR', 'SETTINGS_TIMEOUT', 'STREAM_CLOSED'],
  ...['FRAME_SIZE_ERROR', 'REFUSED_STREAM', 'CANCEL', 'COMPRESSION_ERROR', 'CONNECT_ERROR', 'ENHANCE_YOUR_CALM'],
  ...['INADEQUATE_SECURITY', 'HTTP_1_1_REQUIRED'],
]

export function codeName(code: number): string {
  return codeNames[code] ?? `unknown error code 0x${code.toString(16)}`
}

export class StreamCall implements Call {
  readonly #stream: ClientHttp2Stream
  readonly #line: Line
  #caller: Caller | undefined
  #heard = false
  /** The container has said where its side of the stream ends. */
  #said = false
  #complete = false
  #error: string | undefined
  /** Bytes of body that the head promised and that have not come; -1 where it promised nothing. */
  #missing = -1
  #trailers: readonly string[] = []

  constructor(stream: ClientHttp2Stream, line: Line, caller: Caller) {
    this.#stream = stream
    this.#line = line
    this.#caller = caller
    ;(stream as Owned)[callOf] = this
    stream.push = noticeEnd
    stream
      .on('headers', onHeaders as () => void)
      .on('response', onResponse as () => void)
      .on('data', onData as () => void)
      .on('trailers', onTrailers as () => void)
      .on('end', onEnd as () => void)
      .on('drain', onDrain as () => void)
      .on('wantTrailers', onWantTrailers as () => void)
      .on('error', onError as () => void)
      .on('close', onClose as () => void)
  }

  send(chunk: Buffer): boolean {
    return this.#stream.write(chunk)
  }

  end(trailers: readonly string[]): void {
    this.#trailers = trailers
    this.#stream.end()
  }

  stop(): void {
    this.#stream.pause()
  }

  go(): void {
    this.#stream.resume()
  }

  cancel(): void {
    this.#caller = undefined
    // What still comes is thrown away, or the stream would never be over.
    this.#stream.resume()
    if (!this.#complete || !this.#stream.writableEnded) this.#line.cancelled()
    this.#stream.close(this.#complete ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL)
  }

  headers(headers: IncomingHttpHeaders, raw: readonly string[]): void {
    this.#heard = true
    this.#caller?.interim(statusOf(headers), withoutPseudo(raw))
  }

  response(headers: IncomingHttpHeaders, flags: number, raw: readonly string[]): void {
    this.#heard = true
    const last = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
    const length = headers['content-length']
    if (length !== undefined && !last) this.#missing = Number(length)
    this.#caller?.responded(statusOf(headers), withoutPseudo(raw), last)
  }

  data(chunk: Buffer): void {
    if (this.#missing >= 0) this.#missing -= chunk.length
    this.#caller?.data(chunk)
  }

  trailers(raw: readonly string[]): void {
    this.#caller?.trailers(withoutPseudo(raw))
  }

  /** No more will come. @param reset true where the stream was closed and not ended */
  noMore(reset: boolean): void {
    this.#said ||= !reset
  }

  /** What node:http2 calls the end of a stream, which a reset without an error is too. */
  ended(): void {
    if (!this.#heard || !this.#said || this.#missing > 0) return
    this.#complete = true
    const caller = this.#caller
    this.#caller = undefined
    caller?.answered()
  }

  drained(): void {
    this.#caller?.drained()
  }

  wantTrailers(): void {
    this.#stream.sendTrailers(fieldMap(this.#trailers))
  }

  failed(error: Error): void {
    this.#error = systemCode(error)
  }

  closed(): void {
    this.#line.done(this)
    const caller = this.#caller
    this.#caller = undefined
    if (!caller) return
    const { lost, used } = this.#line
    const { rstCode, id } = this.#stream
    if (lost || id === undefined) {
      const fault = lost ?? new Fault('upstream-closed', `the connection closed (${this.#error ?? 'no reason given'})`)
      caller.broken(fault, id === undefined ? 'untouched' : used && !this.#heard ? 'stale' : 'other')
      return
    }
    const text = `stream error: stream ID ${id}; ${codeName(rstCode)}; received from peer`
    caller.broken(new Fault('upstream-reset', text), rstCode === NGHTTP2_REFUSED_STREAM ? 'untouched' : 'other')
  }
}

// One function for all streams, found by each through its own property: a request makes no closure.

/** node:http2 pushes null when END_STREAM comes; and again, once it has closed the stream, whatever closed it. */
function noticeEnd(this: ClientHttp2Stream, chunk: Buffer | null): boolean {
  if (chunk === null) (this as Owned)[callOf].noMore(this.closed)
  return Object.getPrototypeOf(this).push.call(this, chunk)
}

function onHeaders(this: Owned, headers: IncomingHttpHeaders, _flags: number, raw: string[]): void {
  this[callOf].headers(headers, raw)
}

function onResponse(this: Owned, headers: IncomingHttpHeaders, flags: number, raw: string[]): void {
  this[callOf].response(headers, flags, raw)
}

function onData(this: Owned, chunk: Buffer): void {
  this[callOf].data(chunk)
}

function onTrailers(this: Owned, _headers: IncomingHttpHeaders, _flags: number, raw: string[]): void {
  this[callOf].trailers(raw)
}

function onEnd(this: Owned): void {
  this[callOf].ended()
}

function onDrain(this: Owned): void {
  this[callOf].drained()
}

function onWantTrailers(this: Owned): void {
  this[callOf].wantTrailers()
}

function onError(this: Owned, error: Error): void {
  this[callOf].failed(error)
}

function onClose(this: Owned): void {
  this[callOf].closed()
}
