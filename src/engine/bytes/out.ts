// Where a message is put together before it leaves in one write: head, framing and the first bytes of a body, one after
// another in memory that is used again and again. What stands in it must be sent before anything else is begun.

const usual = 64 * 1024

export class Out {
  #bytes = Buffer.allocUnsafeSlow(usual)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Room that is left without growing. */
  get room(): number {
    return this.#bytes.length - this.#length
  }

  /** Characters of one byte each. */
  text(text: string): this {
    this.#make(text.length)
    this.#length += this.#bytes.write(text, this.#length, 'latin1')
    return this
  }

  bytes(from: Buffer, start: number, end: number): this {
    this.#make(end - start)
    from.copy(this.#bytes, this.#length, start, end)
    this.#length += end - start
    return this
  }

  /** What has been put together; valid until something else is begun. Begins anew. */
  take(): Buffer {
    const all = this.#bytes.subarray(0, this.#length)
    this.#length = 0
    // What a rare message needed is not kept for all.
    if (this.#bytes.length > usual) this.#bytes = Buffer.allocUnsafeSlow(usual)
    return all
  }

  #make(length: number): void {
    const needed = this.#length + length
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}
