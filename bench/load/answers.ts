// Reads answers off one connection: status, Content-Length, and where each answer ends. No more than that, since it runs
// on the core that also carries the backend.

const headEnd = Buffer.from('\r\n\r\n')

export class Answers {
  /** Answers that were neither 2xx nor 503. */
  bad = 0
  /** Answers that were 503. */
  refused = 0
  /** The peer said that it closes the connection after this answer. */
  closing = false
  /** What cannot be understood; nothing is read after it. */
  broken: string | undefined
  #head = ''
  /** Of the body that is being read; -1 while a head is. */
  #missing = -1

  /** @returns how many answers this piece completed */
  feed(buffer: Buffer, length: number): number {
    let done = 0
    let at = 0
    while (at < length && this.broken === undefined) {
      if (this.#missing < 0) {
        const end = this.#head === '' ? buffer.indexOf(headEnd, at) : -1
        if (end >= 0 && end + 4 <= length) {
          this.#begin(buffer.toString('latin1', at, end))
          at = end + 4
        } else {
          at = this.#gather(buffer, at, length)
        }
        if (this.#missing < 0) continue
      }
      const take = Math.min(this.#missing, length - at)
      this.#missing -= take
      at += take
      if (this.#missing === 0) {
        this.#missing = -1
        done++
      }
    }
    // A body of no bytes ends where its head does.
    if (this.#missing === 0) {
      this.#missing = -1
      done++
    }
    return done
  }

  /** A head that comes in pieces. @returns where the body begins, or the end */
  #gather(buffer: Buffer, at: number, length: number): number {
    const before = this.#head.length
    this.#head += buffer.toString('latin1', at, length)
    const end = this.#head.indexOf('\r\n\r\n')
    if (end < 0) return length
    const head = this.#head.slice(0, end)
    this.#head = ''
    this.#begin(head)
    return at + end + 4 - before
  }

  #begin(head: string): void {
    // "HTTP/1.1 2": all else is counted, and read on.
    if (head.charCodeAt(9) !== 50) {
      if (head.startsWith('503', 9)) this.refused++
      else this.bad++
    }
    if (/\r\nconnection: *close\b/i.test(head)) this.closing = true
    const found = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (found === undefined) this.broken = `no Content-Length: ${head.slice(0, 80)}`
    else this.#missing = Number(found)
  }
}
