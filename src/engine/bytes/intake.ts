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

/** Blocks that nobody uses. Fresh ones are dear: their pages have to be asked of the system one by one. */
const spare = { small: [] as Buffer<ArrayBuffer>[], large: [] as Buffer<ArrayBuffer>[] }
const maxSpare = 32

/** Memory that was kept is not wanted any more. */
export function giveBack(block: Buffer<ArrayBuffer>): void {
  const blocks = block.length === largeBlock ? spare.large : spare.small
  if (blocks.length < maxSpare) blocks.push(block)
}

interface Listener {
  bytes(chunk: Buffer): void
}

/** In the place of memory that was given back. */
const nothing = Buffer.alloc(0)

export class Intake implements OnReadOpts {
  /** Who hears of what comes; read at each time. */
  wire: { readonly ear: Listener } | undefined
  /** Bytes came before anybody asked for any. */
  early = false
  #small = spare.small.pop() ?? Buffer.allocUnsafeSlow(smallBlock)
  /** Borrowed while much is to come. */
  #large: Buffer<ArrayBuffer> | undefined
  /** What Node has been told to read into: a block, from a place on. */
  #target = this.#small
  #targetAt = 0
  /** Node has the target, and reads into it next. */
  #lent = false
  /** Read and not told yet: a part of the target. */
  #from = 0
  #to = 0
  /** To come and wanted together. */
  #wanted = 0
  #scheduled = false

  readonly buffer = (): Buffer => {
    this.#lent = true
    if (this.#from < this.#to) this.#targetAt = this.#to
    else this.#choose()
    return this.#targetAt === 0 ? this.#target : this.#target.subarray(this.#targetAt)
  }

  readonly callback = (length: number): boolean => {
    this.#lent = false
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
    const length = this.#to - this.#from
    if (length === 0) return
    const bytes = this.#target.subarray(this.#from, this.#to)
    this.#from = 0
    this.#to = 0
    this.#wanted = this.#wanted - length < least ? 0 : this.#wanted - length
    if (this.wire) this.wire.ear.bytes(bytes)
    else this.early = true
  }

  /**
   * What was told last is still wanted: the next bytes go elsewhere.
   * @returns the block, to be given back one day; undefined where it must not be used again: somebody has it already, or
   *   Node still reads into the rest of it
   */
  keep(): Buffer<ArrayBuffer> | undefined {
    const kept = this.#target
    if (kept === nothing) return undefined
    if (kept === this.#large) this.#large = undefined
    else if (kept === this.#small) this.#small = spare.small.pop() ?? Buffer.allocUnsafeSlow(smallBlock)
    else return undefined
    return this.#lent ? undefined : kept
  }

  /** The connection is gone, and with it whatever read into its memory: another one may have that. */
  release(): void {
    this.wire = undefined
    this.#wanted = 0
    giveBack(this.#small)
    if (this.#large) giveBack(this.#large)
    this.#small = nothing
    this.#large = undefined
    this.#target = nothing
  }

  /** @param bytes that are to come and wanted in large pieces */
  gather(bytes: number): void {
    if (bytes >= least) this.#wanted = bytes
  }

  /** The loop's turn is over. */
  turn(): void {
    this.#scheduled = false
    this.tell()
  }

  /** The block for the next read. Only here, where Node lets go of the one before, can that be given back. */
  #choose(): void {
    this.#targetAt = 0
    if (this.#wanted > 0) {
      this.#large ??= spare.large.pop() ?? Buffer.allocUnsafeSlow(largeBlock)
      this.#target = this.#large
      return
    }
    this.#target = this.#small
    if (this.#large) giveBack(this.#large)
    this.#large = undefined
  }
}

function tellLater(intake: Intake): void {
  intake.turn()
}
