// A response on its way to the client of a stream. The head waits for the end of the loop's turn: where everything has
// come by then it leaves together, in as few frames as can be, and the first bytes can name their type.

import type { ServerHttp2Stream } from 'node:http2'
import { firstValue, responseFields } from '../rewrite.ts'
import { sniffContentType } from '../sniff.ts'
import { answerFields, fieldMap, tunnelFields } from './fields.ts'

/** What may wait together with the head. */
const maxHeld = 64 * 1024

export class Answer {
  readonly #stream: ServerHttp2Stream
  #status = 0
  /** The head that has not left yet. */
  #head: string[] | undefined
  #sniff = false
  #held: Buffer[] = []
  #heldBytes = 0
  #trailers: readonly string[] = []

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream
  }

  /** @param bodyless true where the request is HEAD @param last true where nothing follows */
  begin(status: number, received: readonly string[], bodyless: boolean, last: boolean): void {
    const fields = answerFields(received, status)
    this.#status = status
    this.#head = fields
    const silent = bodyless || status === 204 || status === 304
    if (silent || last) {
      // As Go's server: who gets no body is told so.
      if (!silent && firstValue(fields, 'content-length') === undefined) fields.push('content-length', '0')
      this.#respond(true, false)
      return
    }
    this.#sniff =
      firstValue(fields, 'content-type') === undefined && firstValue(fields, 'content-encoding') === undefined
    // Where the first bytes name the type, and are sure to come, they are waited for.
    if (!this.#sniff || firstValue(fields, 'content-length') === undefined) setImmediate(release, this)
  }

  /** The stream is a tunnel from now on; what it carries is nobody's body. @param received the fields of the container's 101 */
  open(received: readonly string[]): void {
    this.#status = 200
    this.#head = tunnelFields(received)
    this.#respond(false, false)
  }

  /** @returns false where no more should come before the stream has drained */
  data(chunk: Buffer): boolean {
    if (!this.#head) return this.#stream.write(chunk)
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    if (this.#heldBytes < maxHeld) return true
    this.release()
    return !this.#stream.writableNeedDrain
  }

  /** The response is complete. */
  end(trailers: readonly string[]): void {
    this.#trailers = trailers
    if (!this.#head) {
      if (!this.#stream.writableEnded) this.#stream.end()
      return
    }
    const body = this.#held.length === 1 ? this.#held[0] : Buffer.concat(this.#held)
    this.#held = []
    if (body?.length === 0 && trailers.length === 0) {
      this.#respond(true, false)
      return
    }
    this.#respond(false, trailers.length > 0, body)
    this.#stream.end(body)
  }

  /** Nothing more is sent of what waits. */
  stop(): void {
    this.#head = undefined
    this.#held = []
  }

  /** The head leaves, with what has come. */
  release(): void {
    if (!this.#head || this.#stream.destroyed || this.#stream.closed) return
    const held = this.#held
    this.#held = []
    this.#respond(false, true, held[0])
    for (const chunk of held) this.#stream.write(chunk)
  }

  wantTrailers(): void {
    this.#stream.sendTrailers(fieldMap(responseFields(this.#trailers)))
  }

  #respond(endStream: boolean, waitForTrailers: boolean, first?: Buffer): void {
    const fields = this.#head ?? []
    this.#head = undefined
    // Broken off, and not told so yet.
    if (this.#stream.destroyed || this.#stream.closed) return
    if (this.#sniff && first && first.length > 0) fields.push('content-type', sniffContentType(first))
    fields.unshift(':status', String(this.#status))
    this.#stream.respond(fields, { endStream, waitForTrailers })
  }
}

function release(answer: Answer): void {
  answer.release()
}
