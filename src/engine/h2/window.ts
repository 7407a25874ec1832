// What comes faster than it can be passed on waits in memory. node:http2 gives a stream's credit back when somebody reads
// it and a connection's at once, so that each stream of a connection could fill its whole window; here the connection's
// credit too is held back for as long as bytes wait (RFC 9113 §5.2.2), so a connection holds one window, not hundreds.

import type { Http2Session, Http2Stream } from 'node:http2'

export class Window {
  readonly #session: Http2Session
  readonly #size: number
  readonly #held = new Map<Http2Stream, number>()
  #total = 0

  /** @param size bytes that may wait in all of a connection's streams together */
  constructor(session: Http2Session, size: number) {
    this.#session = session
    this.#size = size
    session.setLocalWindowSize(size)
  }

  /** Bytes that wait. */
  get held(): number {
    return this.#total
  }

  /** Reads the stream no further; what comes all the same is counted. */
  stop(stream: Http2Stream): void {
    stream.pause()
    if (this.#held.has(stream)) return
    this.#held.set(stream, 0)
    this.#count(stream, stream.readableLength)
    // Every byte that comes passes here, also while nobody reads.
    stream.push = (chunk: Buffer | null): boolean => {
      if (chunk) this.#count(stream, chunk.length)
      return Object.getPrototypeOf(stream).push.call(stream, chunk)
    }
  }

  /** Reads on. */
  go(stream: Http2Stream): void {
    this.forget(stream)
    stream.resume()
  }

  /** What the stream holds is not wanted any more. */
  forget(stream: Http2Stream): void {
    const held = this.#held.get(stream)
    if (held === undefined) return
    this.#held.delete(stream)
    Reflect.deleteProperty(stream, 'push')
    this.#total -= held
    this.#apply()
  }

  #count(stream: Http2Stream, bytes: number): void {
    this.#held.set(stream, (this.#held.get(stream) ?? 0) + bytes)
    this.#total += bytes
    this.#apply()
  }

  #apply(): void {
    if (!this.#session.destroyed) this.#session.setLocalWindowSize(Math.max(0, this.#size - this.#total))
  }
}
