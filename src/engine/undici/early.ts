// A client whose upgrade has not been decided: Node has let go of its socket, and a socket that nobody reads tells of no
// end. What comes early is kept for the tunnel, up to a bound.

import type { Socket } from 'node:net'

const maxEarly = 64 * 1024

export class Early {
  readonly #socket: Socket
  readonly #chunks: Buffer[]
  #length: number
  readonly #onEnd: () => void
  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    if (this.#length >= maxEarly) this.#socket.pause()
  }

  /** @param ended told where the client sends a FIN before it is taken over */
  constructor(socket: Socket, head: Buffer, ended: () => void) {
    this.#socket = socket
    this.#chunks = [head]
    this.#length = head.length
    this.#onEnd = ended
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.resume()
  }

  /** Everything that came; from now on the socket is the caller's. */
  take(): Buffer {
    this.#socket.off('data', this.#onData)
    this.#socket.off('end', this.#onEnd)
    this.#socket.pause()
    return Buffer.concat(this.#chunks)
  }
}
