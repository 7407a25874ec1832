// A wire that speaks HTTP/1.1 to this side and streams of HTTP/2 to the container, one request at a time, so that the
// engine of HTTP/1.1 needs to know nothing of it. What it reads was written by that engine, what it tells is read by it.

import type { Socket } from 'node:net'
import { Fault } from '../../base/errors.ts'
import { Body, requestFraming } from '../bytes/framing.ts'
import { Head } from '../bytes/head.ts'
import type { Out } from '../bytes/out.ts'
import type { Ear, Wire } from '../bytes/wire.ts'
import { limits } from '../engine.ts'
import { firstValue, responseFields, tokens } from '../rewrite.ts'
import { reasonPhrase } from '../status.ts'
import type { Call, Caller } from './call.ts'
import type { Upstream } from './upstream.ts'

export class BridgeWire implements Wire, Caller {
  readonly #upstream: Upstream
  readonly #head = new Head('request', limits.requestHeadBytes)
  readonly #body = new Body()
  ear: Ear
  full = false
  #call: Call | undefined
  #bodyless = false
  #chunked = false
  #trailers: readonly string[] = []
  #gone = false

  constructor(upstream: Upstream, ear: Ear) {
    this.#upstream = upstream
    this.ear = ear
  }

  readonly pending = 0

  get writable(): boolean {
    return !this.#gone && this.#upstream.room
  }

  // The request.

  send(out: Out): boolean {
    return this.give(out.take())
  }

  give(bytes: Buffer): boolean {
    let at = 0
    while (at < bytes.length && !this.#gone) {
      if (!this.#call) {
        // A head is written in one piece.
        const length = this.#head.feed(bytes, at, bytes.length)
        if (length <= 0) break
        at += length
        this.#ask()
      } else {
        if (this.#body.done) break
        at = this.#body.read(bytes, at, bytes.length)
        if (at < 0) break
        if (this.#body.from < this.#body.to) {
          // Copied: where these bytes lie is read into again.
          const chunk = Buffer.from(bytes.subarray(this.#body.from, this.#body.to))
          if (!this.#call.send(chunk)) this.full = true
        }
        if (this.#body.done) this.#call.end(this.#body.trailers?.raw() ?? [])
      }
    }
    return !this.full
  }

  #ask(): void {
    const head = this.#head
    const raw = head.raw()
    const method = head.slice(0, head.methodEnd)
    const fields = [
      ':method',
      method,
      ':scheme',
      this.#upstream.scheme,
      ':path',
      head.slice(head.methodEnd + 1, head.targetEnd),
    ]
    const host = firstValue(raw, 'host')
    if (host) fields.push(':authority', host)
    const kept = responseFields(raw)
    for (let i = 0; i + 1 < kept.length; i += 2) {
      const lower = (kept[i] ?? '').toLowerCase()
      if (lower !== 'host' && lower !== 'http2-settings') fields.push(lower, kept[i + 1] ?? '')
    }
    if (tokens(raw, 'te').includes('trailers')) fields.push('te', 'trailers')
    const framing = requestFraming(head)
    this.#body.begin(framing?.framing ?? 'none', framing?.length ?? 0)
    this.#bodyless = method === 'HEAD'
    head.reset()
    try {
      this.#call = this.#upstream.ask(fields, this.#body.done, this)
    } catch {
      this.destroy()
    }
  }

  // The response, as lines and chunks.

  opened(): void {}

  interim(status: number, fields: readonly string[]): void {
    this.ear.bytes(lines(status, responseFields(fields)))
  }

  responded(status: number, fields: readonly string[], last: boolean): void {
    const kept = responseFields(fields)
    const sized = firstValue(kept, 'content-length') !== undefined
    const silent = this.#bodyless || status === 204 || status === 304
    this.#chunked = !silent && !last && !sized
    if (this.#chunked) {
      kept.push('transfer-encoding', 'chunked')
      const announced = firstValue(fields, 'trailer')
      if (announced !== undefined) kept.push('trailer', announced)
    } else if (!silent && !sized) kept.push('content-length', '0')
    this.ear.bytes(lines(status, kept))
  }

  data(chunk: Buffer): void {
    if (!this.#chunked) this.ear.bytes(chunk)
    else if (chunk.length > 0) {
      this.ear.bytes(Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]))
    }
  }

  trailers(fields: readonly string[]): void {
    this.#trailers = fields
  }

  answered(): void {
    const trailers = responseFields(this.#trailers)
    this.#call = undefined
    this.#trailers = []
    if (!this.#chunked) return
    let text = '0\r\n'
    for (let i = 0; i + 1 < trailers.length; i += 2) text += `${trailers[i]}: ${trailers[i + 1]}\r\n`
    this.ear.bytes(Buffer.from(`${text}\r\n`, 'latin1'))
  }

  broken(fault: Fault): void {
    this.#call = undefined
    this.#gone = true
    this.ear.closed(fault.code === 'upstream-reset' ? 'ECONNRESET' : undefined)
  }

  drained(): void {
    this.full = false
    this.ear.drained()
  }

  // Ends, and what only sockets have.

  pause(): void {
    this.#call?.stop()
  }

  resume(): void {
    this.#call?.go()
  }

  end(): void {}

  close(): void {
    this.destroy()
  }

  destroy(): void {
    if (this.#gone) return
    this.#gone = true
    this.#call?.cancel()
    this.#call = undefined
    setImmediate(() => this.ear.closed(undefined))
  }

  reset(): void {
    this.destroy()
  }

  keepFrom(): void {}

  cork(): void {}

  uncork(): void {}

  keep(): undefined {
    return undefined
  }

  gather(): void {}

  release(): Socket {
    throw new Fault('internal', 'there is no socket')
  }
}

function lines(status: number, fields: readonly string[]): Buffer {
  let text = `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n`
  for (let i = 0; i + 1 < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`
  return Buffer.from(`${text}\r\n`, 'latin1')
}
