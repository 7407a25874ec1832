// A wire over Node's documented API: `onread` where the connection was opened with it, streams for everything else.

import type { Socket } from 'node:net'
import { systemCode } from '../../base/errors.ts'
import type { Intake } from './intake.ts'
import type { Out } from './out.ts'
import { deaf, type Ear, type Wire } from './wire.ts'

export class StreamWire implements Wire {
  readonly #socket: Socket
  readonly #intake: Intake | undefined
  ear: Ear
  full = false
  #error: string | undefined

  constructor(socket: Socket, ear: Ear, intake?: Intake) {
    this.#socket = socket
    this.ear = ear
    this.#intake = intake
    if (intake) intake.wire = this
    else socket.on('data', (chunk: Buffer) => this.ear.bytes(chunk))
    socket.on('drain', () => {
      this.full = false
      this.ear.drained()
    })
    socket.on('end', () => {
      intake?.tell()
      this.ear.ended()
    })
    // The object can hold bytes of the request; only its code is kept.
    socket.on('error', error => {
      this.#error = systemCode(error) ?? 'unknown'
    })
    socket.on('close', () => {
      intake?.tell()
      this.ear.closed(this.#error)
      intake?.release()
    })
  }

  /** A stream does not say when it has let go: the block is the collector's. */
  keepFrom(source: Wire): void {
    if (this.#socket.writableLength > 0) source.keep()
  }

  get pending(): number {
    return this.#socket.writableLength
  }

  get writable(): boolean {
    return this.#socket.writable
  }

  send(out: Out): boolean {
    return this.give(out.take())
  }

  give(bytes: Buffer): boolean {
    this.full = !this.#socket.write(bytes)
    return !this.full
  }

  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }

  // What a stream tells is nobody else's memory, in pieces as they come.

  keep(): Buffer<ArrayBuffer> | undefined {
    return this.#intake?.keep()
  }

  gather(bytes: number): void {
    this.#intake?.gather(bytes)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  close(): void {
    this.#socket.destroySoon()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  reset(): void {
    resetSocket(this.#socket)
  }

  release(): Socket {
    this.#socket.pause()
    this.ear = deaf
    return this.#socket
  }
}

/** On TLS the missing close_notify says the same as a reset. Node cannot reset while our own end is on its way. */
export function resetSocket(socket: Socket): void {
  if ('encrypted' in socket || socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}
