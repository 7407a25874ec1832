// What comes faster than it can be passed on waits in memory. node:http2 gives a stream's credit back when somebody reads
// it and a connection's at once, so that each stream of a connection could fill its whole window; here the connection's
// credit too is held back for as long as bytes wait (RFC 9113 §5.2.2), so a connection holds one window, not hundreds.

import type { Http2Session, Http2Stream } from 'node:http2'

export class Window {
  readonly #session: Http2Session
  #size: number
  readonly #held = new Map<Http2Stream, { bytes: number; readonly push: Http2Stream['push'] }>()
  #total = 0
  #shut = false

  /** @param size bytes that may come before anybody has read any; half as many more may wait */
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
    const { push } = stream
    this.#held.set(stream, { bytes: 0, push })
    this.#count(stream, stream.readableLength)
    // Every byte that comes passes here, also while nobody reads.
    stream.push = (chunk: Buffer | null): boolean => {
      if (chunk) this.#count(stream, chunk.length)
      return push.call(stream, chunk)
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
    if (!held) return
    this.#held.delete(stream)
    stream.push = held.push
    this.#total -= held.bytes
    this.#apply()
  }

  #count(stream: Http2Stream, bytes: number): void {
    const held = this.#held.get(stream)
    if (!held) return
    held.bytes += bytes
    this.#total += bytes
    this.#apply()
  }

  /**
   * Shut at half of the size, opened again at a quarter. Whoever reopens a window of nghttp2 gets back the right to tell of
   * credit and no credit: that is told with the next byte that comes, for which one byte of credit is given besides.
   */
  #apply(): void {
    if (this.#session.destroyed) return
    if (!this.#shut && this.#total > this.#size / 2) {
      this.#shut = true
      this.#session.setLocalWindowSize(0)
    } else if (this.#shut && this.#total <= this.#size / 4) {
      this.#shut = false
      this.#session.setLocalWindowSize(this.#size)
      this.#size++
      this.#session.setLocalWindowSize(this.#size)
    }
  }
}
