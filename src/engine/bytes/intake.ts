// Memory that a socket is read into, without a stream between (the option `onread` of net and tls).

import type { OnReadOpts } from 'node:net'
import type { Ear } from './wire.ts'

/** What a connection is read into at first, in bytes. */
const blockBytes = 16 * 1024

export class Intake implements OnReadOpts {
  /** Who hears of what comes. */
  wire: { readonly ear: Ear } | undefined
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
