// Bytes that could not be used yet, in one piece. Memory grows by doubling, so that a head that comes byte by byte costs
// no more than twice its length.

const smallest = 1024
const nothing = Buffer.alloc(0)

export class Carry {
  bytes: Buffer = nothing
  /** What has not been used stands from `from` to `to`. */
  from = 0
  to = 0

  get length(): number {
    return this.to - this.from
  }

  append(bytes: Buffer, from: number, to: number): void {
    const room = this.length + to - from
    if (this.to + to - from > this.bytes.length) {
      const into = room > this.bytes.length ? Buffer.allocUnsafeSlow(Math.max(smallest, room * 2)) : this.bytes
      this.bytes.copy(into, 0, this.from, this.to)
      this.bytes = into
      this.to -= this.from
      this.from = 0
    }
    bytes.copy(this.bytes, this.to, from, to)
    this.to += to - from
  }

  /** Bytes up to here have been used; where nothing is left, the memory goes too. */
  use(upTo: number): void {
    this.from = upTo
    if (this.from < this.to) return
    this.bytes = nothing
    this.from = 0
    this.to = 0
  }
}
