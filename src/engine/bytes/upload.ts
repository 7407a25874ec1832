// A request's body on its way to the container: what the client's connection holds is read by the body's framing, framed
// anew, and written. What the container does not take stays where it is.

import { Fault } from '../../base/errors.ts'
import type { Ticket } from '../../gate/contract.ts'
import type { Body } from './framing.ts'
import type { Out } from './out.ts'
import { writeRequestTrailers } from './request-head.ts'
import type { Strip } from './strip.ts'
import type { Wire } from './wire.ts'

/** From here on a piece of body goes out where it lies; below, copying costs less. */
const largePiece = 4 * 1024

/** Where the body comes from. */
export interface Source {
  readonly wire: Wire
  /** What has come and was not used: the bytes of `input` from `at` to `to`. */
  readonly input: Buffer
  at: number
  readonly to: number
  /** True where `input` stays as it is for as long as the wire is told to keep it. */
  readonly stable: boolean
}

export class Upload {
  /** The container has the whole request. */
  done = false
  /** The container takes no more for now. */
  choked = false
  /** Some of the body has come. */
  begun = false
  readonly #source: Source
  readonly #body: Body
  readonly #container: Wire
  readonly #up: Out
  readonly #ticket: Ticket | undefined
  readonly #strip: Strip
  #gathering = false

  /** @param up holds the request's head, which leaves with the first bytes of the body that are there */
  constructor(source: Source, body: Body, container: Wire, up: Out, ticket: Ticket | undefined, strip: Strip) {
    this.#source = source
    this.#body = body
    this.#container = container
    this.#up = up
    this.#ticket = ticket
    this.#strip = strip
  }

  /** Moves on what has come. @returns why the body cannot be read, where it cannot */
  pull(): Fault | undefined {
    if (this.done) return undefined
    const source = this.#source
    const body = this.#body
    while (source.at < source.to && !body.done && !this.choked) {
      const next = body.read(source.input, source.at, source.to)
      if (next < 0) {
        this.#up.clear()
        return new Fault('client-body-broken', 'malformed chunked encoding')
      }
      source.at = next
      if (body.from < body.to) this.#move(source, body.from, body.to)
    }
    if (body.done) this.#end()
    else if (!this.#gathering) {
      this.#gathering = true
      source.wire.gather(body.left)
    }
    if (this.#up.length > 0 && !this.#container.send(this.#up)) this.choked = true
    return undefined
  }

  #move(source: Source, from: number, to: number): void {
    const up = this.#up
    const size = to - from
    this.begun = true
    this.#ticket?.received(size)
    const chunked = this.#body.framing === 'chunked'
    if (chunked) up.text(`${size.toString(16)}\r\n`)
    if (size < largePiece || !source.stable) up.bytes(source.input, from, to)
    else {
      const container = this.#container
      container.cork()
      if (up.length > 0) container.send(up)
      container.give(source.input.subarray(from, to))
      container.uncork()
      this.choked = container.full
      container.keepFrom(source.wire)
    }
    if (chunked) up.text('\r\n')
  }

  #end(): void {
    this.done = true
    if (this.#body.framing !== 'chunked') return
    this.#up.text('0\r\n')
    if (this.#body.trailers) writeRequestTrailers(this.#up, this.#body.trailers, this.#strip)
    this.#up.text('\r\n')
  }
}
