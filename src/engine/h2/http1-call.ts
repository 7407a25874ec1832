// One request of a stream as a request of HTTP/1.1, to a container that speaks no HTTP/2. What HTTP/2 let through is
// looked at once more: here a line break would be the end of a field, and a space that of a target.

import { Fault } from '../../base/errors.ts'
import type { Body } from '../bytes/framing.ts'
import type { Head } from '../bytes/head.ts'
import type { Pool } from '../bytes/pool.ts'
import type { Asker, Upstream } from '../bytes/upstream.ts'
import { firstValue, type RequestRules, requestFields, values } from '../rewrite.ts'
import { switchProblem } from '../switch.ts'
import type { Asked } from './asked.ts'
import type { Call, TunnelCaller } from './call.ts'
import { TunnelCall } from './tunnel-call.ts'

/** Methods whose lack of a body is said in so many words, as Go's client does. */
const saysNoBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const target = /^[\x21-\x7e\x80-\xff]+$/
const value = /^[\t\x20-\x7e\x80-\xff]*$/

/**
 * The head in one piece, its empty line included.
 * @param switching fields that ask for another protocol
 * @throws Fault 'request-malformed' for what could be read in two ways
 */
export function headText(asked: Asked, rules: RequestRules, switching: readonly string[]): string {
  if (!token.test(asked.method) || !target.test(asked.target)) throw unfit('request line')
  const fields = [...requestFields(asked.fields, rules), ...switching]
  const announced = firstValue(asked.fields, 'trailer')
  if (asked.hasBody && firstValue(fields, 'content-length') === undefined) {
    fields.push('Transfer-Encoding', 'chunked')
    if (announced !== undefined) fields.push('Trailer', announced)
  } else if (!asked.hasBody && saysNoBody.has(asked.method) && firstValue(fields, 'content-length') === undefined) {
    fields.push('Content-Length', '0')
  }
  if (values(fields, 'content-length').length > 1) throw unfit('Content-Length')
  let text = `${asked.method} ${asked.target} HTTP/1.1\r\n`
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? ''
    if (name === 'cookie' || (switching.length > 0 && name === 'sec-websocket-key')) continue
    if (!token.test(name) || !value.test(fields[i + 1] ?? '')) throw unfit('field')
    text += `${name}: ${fields[i + 1]}\r\n`
  }
  // Split for HPACK's sake, a cookie is one line again (RFC 9113 §8.2.3).
  const cookies = values(fields, 'cookie').join('; ')
  if (!value.test(cookies)) throw unfit('field')
  return cookies === '' ? `${text}\r\n` : `${text}cookie: ${cookies}\r\n\r\n`
}

const unfit = (what: string): Fault => new Fault('request-malformed', `${what} that HTTP/1.1 would read in another way`)

export class Http1Call implements Call, Asker {
  readonly #pool: Pool
  readonly #upstream: Upstream
  readonly #chunked: boolean
  readonly #switching: readonly string[]
  #caller: TunnelCaller | undefined
  #body: Body | undefined
  #whole: boolean

  /** @param rules of the head @param switching fields that ask for another protocol, none for most @throws as headText() */
  constructor(
    pool: Pool,
    upstream: Upstream,
    caller: TunnelCaller,
    asked: Asked,
    rules: RequestRules,
    switching: readonly string[],
    allowUnframed: boolean,
  ) {
    const head = headText(asked, rules, switching)
    this.#pool = pool
    this.#switching = switching
    this.#upstream = upstream
    this.#caller = caller
    this.#whole = !asked.hasBody
    this.#chunked = asked.hasBody && asked.header('content-length') === undefined
    upstream.ask(this, asked.method === 'HEAD', allowUnframed)
    upstream.wire.give(Buffer.from(head, 'latin1'))
  }

  // The request.

  send(chunk: Buffer): boolean {
    const { wire } = this.#upstream
    if (!this.#chunked) return wire.give(chunk)
    const size = Buffer.from(`${chunk.length.toString(16)}\r\n`)
    return chunk.length === 0 || wire.give(Buffer.concat([size, chunk, Buffer.from('\r\n')]))
  }

  end(trailers: readonly string[]): void {
    this.#whole = true
    if (!this.#chunked) return
    let text = '0\r\n'
    for (let i = 0; i + 1 < trailers.length; i += 2) {
      if (token.test(trailers[i] ?? '') && value.test(trailers[i + 1] ?? ''))
        text += `${trailers[i]}: ${trailers[i + 1]}\r\n`
    }
    this.#upstream.wire.give(Buffer.from(`${text}\r\n`, 'latin1'))
  }

  stop(): void {
    this.#upstream.wire.pause()
  }

  go(): void {
    this.#upstream.wire.resume()
  }

  cancel(): void {
    if (!this.#caller) return
    this.#caller = undefined
    this.#upstream.destroy()
  }

  // The container's answer. Bytes are valid while they are told only.

  interim(head: Head): void {
    this.#caller?.interim(head.status, head.raw())
  }

  switched(head: Head, bytes: Buffer, from: number): void {
    const raw = head.raw()
    const problem =
      this.#switching.length === 0
        ? 'backend switched protocols unasked'
        : // Never lenient: the key is ours, so nobody else could look.
          switchProblem(this.#switching, raw, false)
    if (problem !== undefined) {
      this.#end()?.broken(new Fault('upstream-switched', problem), 'other')
      return
    }
    const caller = this.#caller
    this.#caller = undefined
    caller?.switched(new TunnelCall(this.#upstream, caller), raw, this.#upstream.verdict)
    if (from < bytes.length) caller?.data(Buffer.from(bytes.subarray(from)))
  }

  responded(head: Head, body: Body): void {
    // To the client of a stream it would say that the tunnel stands.
    if (this.#switching.length > 0 && head.status < 300) {
      const fault = new Fault('upstream-switched', `backend answered ${head.status} and did not switch protocols`)
      this.#end()?.broken(fault, 'other')
      return
    }
    this.#body = body
    this.#caller?.responded(head.status, head.raw(), body.framing === 'none')
  }

  data(bytes: Buffer, from: number, to: number): void {
    this.#caller?.data(Buffer.from(bytes.subarray(from, to)))
  }

  answered(): void {
    const caller = this.#caller
    const trailers = this.#body?.trailers?.raw() ?? []
    this.#caller = undefined
    if (this.#whole && this.#upstream.reusable) {
      this.#upstream.wire.resume()
      this.#pool.give(this.#upstream)
    } else {
      this.#upstream.destroy()
    }
    if (trailers.length > 0) caller?.trailers(trailers)
    caller?.answered()
  }

  flush(): void {}

  broken(fault: Fault): void {
    const why = this.#upstream.stale && fault.code !== 'upstream-malformed' ? 'stale' : 'other'
    this.#end()?.broken(fault, why)
  }

  drained(): void {
    this.#caller?.drained()
  }

  #end(): TunnelCaller | undefined {
    const caller = this.#caller
    this.#caller = undefined
    this.#upstream.destroy()
    return caller
  }
}
