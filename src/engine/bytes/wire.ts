// One end of a connection as this engine sees it: bytes in, bytes out, and how it ended. Everything that is told comes
// from the event loop, never from inside a call of the one who is told, so nobody is re-entered.

import type { OnReadOpts, Socket } from 'node:net'
import { systemCode } from '../../base/errors.ts'

/** Who hears of a wire. */
export interface Ear {
  /**
   * Bytes have come.
   * @param owned false where the memory is used again once this returns: keep nothing of it
   */
  bytes(chunk: Buffer, owned: boolean): void
  /** What was too much has left; only after a write that said so. */
  drained(): void
  /** The other side has ended its direction. */
  ended(): void
  /** Gone; the last word. @param code of the system's error, where one ended it */
  closed(code: string | undefined): void
}

export class Wire {
  readonly #socket: Socket
  ear: Ear
  /** True from a write that was too much until drained(). */
  full = false
  #error: string | undefined

  /** @param intake what the socket reads into, where it was opened so; else it is read as a stream */
  constructor(socket: Socket, ear: Ear, intake?: Intake) {
    this.#socket = socket
    this.ear = ear
    if (intake) intake.wire = this
    else socket.on('data', (chunk: Buffer) => this.ear.bytes(chunk, true))
    socket.on('drain', () => {
      this.full = false
      this.ear.drained()
    })
    socket.on('end', () => this.ear.ended())
    // The object can hold bytes of the request; only its code is kept.
    socket.on('error', error => {
      this.#error = systemCode(error) ?? 'unknown'
    })
    socket.on('close', () => this.ear.closed(this.#error))
  }

  /** Bytes that have not left yet. */
  get pending(): number {
    return this.#socket.writableLength
  }

  get writable(): boolean {
    return this.#socket.writable
  }

  /**
   * Sends what stands in memory that is used again.
   * @returns false where no more should come until drained()
   */
  send(bytes: Buffer): boolean {
    return this.give(Buffer.from(bytes))
  }

  /** Sends memory that nobody writes to any more. @returns as send() does */
  give(bytes: Buffer): boolean {
    this.full = !this.#socket.write(bytes)
    return !this.full
  }

  /** Several pieces in one write: what is sent until uncork() leaves together. */
  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Ends our direction behind what is pending. */
  end(): void {
    this.#socket.end()
  }

  /** Closes both directions once what is pending has left. */
  close(): void {
    this.#socket.destroySoon()
  }

  /** Closes at once; what is pending is lost. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** Closes so that the other side cannot take it for an orderly end, where the protocol below can say so. */
  reset(): void {
    // On TLS the missing close_notify says the same.
    if ('encrypted' in this.#socket) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }
}

/** What a connection reads into at first, in bytes. */
const blockBytes = 16 * 1024

/** Memory that a socket reads into, without a stream between (the option `onread` of net and tls). */
export class Intake implements OnReadOpts {
  wire: Wire | undefined
  /** Bytes came before anybody asked for any. */
  early = false
  #block = Buffer.allocUnsafeSlow(blockBytes)

  readonly buffer = (): Buffer => this.#block

  readonly callback = (length: number): boolean => {
    if (this.wire) this.wire.ear.bytes(this.#block.subarray(0, length), false)
    else this.early = true
    return true
  }

  /** What was read last is still wanted: the next bytes go elsewhere. */
  keep(): void {
    this.#block = Buffer.allocUnsafeSlow(this.#block.length)
  }

  widen(bytes: number): void {
    if (this.#block.length < bytes) this.#block = Buffer.allocUnsafeSlow(bytes)
  }
}
