// Memory that a socket is read into, without a stream between (the option `onread` of net and tls). TLS hands out one
// record at a time, 16 KiB at most; where much is to come, records are read next to each other and told together.

import type { OnReadOpts } from 'node:net'

/** What a connection is read into at first, in bytes. */
const smallBlock = 16 * 1024

/** What it is read into while much is to come. */
const largeBlock = 128 * 1024

/** Less room than this is not read into: a record, and what stands around it. */
const leastRoom = 20 * 1024

/** Below this it is not worth it. */
const least = 32 * 1024

interface Listener {
  bytes(chunk: Buffer): void
}

export class Intake implements OnReadOpts {
  /** Who hears of what comes; read at each time. */
  wire: { readonly ear: Listener } | undefined
  /** Bytes came before anybody asked for any. */
  early = false
  /** What is read into next. */
  #block = Buffer.allocUnsafeSlow(smallBlock)
  /** What Node has been told to read into: a block, from a place on. */
  #target = this.#block
  #targetAt = 0
  /** Read and not told yet: a part of the target. */
  #from = 0
  #to = 0
  /** To come and wanted together. */
  #wanted = 0
  #scheduled = false

  readonly buffer = (): Buffer => {
    if (this.#from === this.#to) {
      this.#target = this.#block
      this.#targetAt = 0
    } else {
      this.#targetAt = this.#to
    }
    return this.#targetAt === 0 ? this.#target : this.#target.subarray(this.#targetAt)
  }

  readonly callback = (length: number): boolean => {
    // What was told in between, by the turn, has left its place behind.
    if (this.#from === this.#to) this.#from = this.#targetAt
    this.#to = this.#targetAt + length
    if (this.#wanted <= this.#to - this.#from || this.#target.length - this.#to < leastRoom) this.tell()
    else if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(tellLater, this)
    }
    return true
  }

  /** Tells what has been read, if anything has. */
  tell(): void {
    const { length } = this
    if (length === 0) return
    const bytes = this.#target.subarray(this.#from, this.#to)
    this.#from = 0
    this.#to = 0
    this.#wanted = this.#wanted - length < least ? 0 : this.#wanted - length
    const block = this.#block
    if (this.wire) this.wire.ear.bytes(bytes)
    else this.early = true
    // Nobody waits for large pieces any more: the large block goes, unless somebody has taken it already.
    if (this.#wanted === 0 && block === this.#block && block.length > smallBlock) {
      this.#block = Buffer.allocUnsafeSlow(smallBlock)
    }
  }

  /** Bytes that have been read and not told. */
  get length(): number {
    return this.#to - this.#from
  }

  /** What was told last is still wanted: the next bytes go elsewhere. */
  keep(): void {
    this.#block = Buffer.allocUnsafeSlow(this.#wanted > 0 ? largeBlock : smallBlock)
  }

  /** @param bytes that are to come and wanted in large pieces */
  gather(bytes: number): void {
    if (bytes < least) return
    this.#wanted = bytes
    if (this.#block.length < largeBlock) this.#block = Buffer.allocUnsafeSlow(largeBlock)
  }

  /** The loop's turn is over. */
  turn(): void {
    this.#scheduled = false
    this.tell()
  }
}

function tellLater(intake: Intake): void {
  intake.turn()
}
