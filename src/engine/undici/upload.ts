// The request body as undici reads it: a stream of its own between the client's message and the container, so that
// undici, which destroys a body when its request ends early, never destroys the client's connection with it.

import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { Fault } from '../../base/errors.ts'

export class Upload extends Readable {
  readonly #source: IncomingMessage
  readonly #count: (bytes: number) => void
  readonly #onData = (chunk: Buffer): void => {
    this.#count(chunk.length)
    if (!this.push(chunk)) this.#source.pause()
  }
  readonly #onEnd = (): void => {
    this.push(null)
  }
  readonly #onBroken = (): void => {
    if (!this.#source.complete) this.destroy(new Fault('client-body-broken', 'unexpected EOF'))
  }

  /** @param count told of the bytes that came from the client */
  constructor(source: IncomingMessage, count: (bytes: number) => void) {
    super({ highWaterMark: 64 * 1024 })
    this.#source = source
    this.#count = count
    source.on('data', this.#onData)
    source.on('end', this.#onEnd)
    source.on('close', this.#onBroken)
    source.on('error', this.#onBroken)
    source.pause()
  }

  override _read(): void {
    this.#source.resume()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#source.off('data', this.#onData)
    this.#source.off('end', this.#onEnd)
    this.#source.off('close', this.#onBroken)
    callback(error)
  }
}
