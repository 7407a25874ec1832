// Where a message is put together before it leaves in one write: head, framing and the first bytes of a body, one after
// another in memory that is used again and again. What stands in it must be sent before anything else is begun.

const usual = 64 * 1024

/** Up to here a loop costs less than a call out of JavaScript. */
const short = 48

export class Out {
  #bytes = Buffer.allocUnsafeSlow(usual)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Characters of one byte each. */
  text(text: string): this {
    const { length } = text
    this.#make(length)
    const bytes = this.#bytes
    const at = this.#length
    if (length <= short) for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i)
    else bytes.write(text, at, 'latin1')
    this.#length = at + length
    return this
  }

  bytes(from: Buffer, start: number, end: number): this {
    const length = end - start
    this.#make(length)
    const bytes = this.#bytes
    const at = this.#length
    if (length <= short) for (let i = 0; i < length; i++) bytes[at + i] = from[start + i] as number
    else from.copy(bytes, at, start, end)
    this.#length = at + length
    return this
  }

  /** A copy of what has been put together. Begins anew. */
  take(): Buffer {
    const all = Buffer.allocUnsafe(this.#length)
    this.#bytes.copy(all, 0, 0, this.#length)
    this.clear()
    return all
  }

  /** What has been put together, where it lies. */
  peek(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Somebody still reads what was put together: it is put together elsewhere from now on. */
  abandon(): void {
    this.#bytes = Buffer.allocUnsafeSlow(usual)
  }

  /** Begins anew. */
  clear(): void {
    this.#length = 0
    // What a rare message needed is not kept for all.
    if (this.#bytes.length > usual) this.#bytes = Buffer.allocUnsafeSlow(usual)
  }

  #make(length: number): void {
    const needed = this.#length + length
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}
