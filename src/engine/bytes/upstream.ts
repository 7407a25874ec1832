// A connection to the container: reads responses off it, one request at a time, and tells the exchange what came. It
// knows nothing of clients.

import { Fault } from '../../base/errors.ts'
import type { Verdict } from '../../gate/contract.ts'
import { type Bridged, limits } from '../engine.ts'
import { Lapse, lapsed } from '../expiry.ts'
import { Carry } from './carry.ts'
import { Body, responseFraming } from './framing.ts'
import { Head } from './head.ts'
import type { Intake } from './intake.ts'
import type { Ear, MakeWire, Wire } from './wire.ts'

/** Who is told of a response. Bytes are valid during the call only. */
export interface Asker {
  interim(head: Head): void
  /** The container switches protocols; what it sent behind the head stands from `from` on. */
  switched(head: Head, bytes: Buffer, from: number): void
  responded(head: Head, body: Body): void
  data(bytes: Buffer, from: number, to: number): void
  /** The response is complete. */
  answered(): void
  /** One read has been told: what was put together can leave. */
  flush(): void
  broken(fault: Fault): void
  /** The container takes more again. */
  drained(): void
}

interface Owner {
  drop(upstream: Upstream): void
  gone(upstream: Upstream): void
}

export class Upstream implements Ear {
  readonly verdict: Verdict
  readonly wire: Wire
  idleSince = 0
  readonly #owner: Owner
  readonly #head = new Head('response', limits.responseHeadBytes)
  readonly #body = new Body()
  readonly #carry = new Carry()
  readonly #lapse = new Lapse()
  #asker: Asker | undefined
  #reading: 'head' | 'body' = 'head'
  #bodyless = false
  #allowUnframed = false
  #requests = 0
  #heard = false
  #lasting = true
  #gone = false

  constructor(link: Bridged, intake: Intake | undefined, owner: Owner, makeWire: MakeWire) {
    this.verdict = link.verdict
    this.#owner = owner
    this.wire =
      'wire' in link ? link.wire(this) : makeWire(link.socket, this, link.intake === intake ? intake : undefined)
  }

  /**
   * Takes one request; its response is told to `asker`.
   * @param bodyless true where the request is HEAD
   */
  ask(asker: Asker, bodyless: boolean, allowUnframed: boolean): void {
    this.#asker = asker
    this.#bodyless = bodyless
    this.#allowUnframed = allowUnframed
    this.#requests++
    this.#heard = false
    this.#reading = 'head'
    this.#head.reset()
  }

  /**
   * True where an earlier request was answered here and not one byte has come for the last: only then can the connection
   * have gone stale, and only then may a request be sent again.
   */
  get stale(): boolean {
    return this.#requests > 1 && !this.#heard
  }

  /** True where another request may follow: the container keeps the connection, and said no more than it was asked for. */
  get reusable(): boolean {
    return this.#lasting && !this.#gone && this.#asker === undefined && this.#carry.length === 0
  }

  /** True where what the asker is given stays as it is for as long as it is kept. */
  get stable(): boolean {
    return this.#carry.length === 0
  }

  /** Nobody is told any more; the connection closes. */
  destroy(): void {
    this.#asker = undefined
    this.#lasting = false
    this.#owner.drop(this)
    this.wire.destroy()
  }

  /** Breaks off a response that has outlived its verdict for too long. A tunnel has a watch of its own. */
  expire(valid: boolean, now: number): void {
    if (this.#lapse.isOver(valid, now) && this.#asker) this.#break(new Fault('upstream-untrusted', lapsed))
  }

  // What the wire tells.

  bytes(chunk: Buffer): void {
    const asker = this.#asker
    if (!asker) {
      this.destroy()
      return
    }
    this.#heard = true
    if (this.#carry.length === 0) {
      const used = this.#read(chunk, 0, chunk.length)
      if (used < chunk.length) this.#carry.append(chunk, used, chunk.length)
    } else {
      this.#carry.append(chunk, 0, chunk.length)
      this.#carry.use(this.#read(this.#carry.bytes, this.#carry.from, this.#carry.to))
    }
    // Told last, as it may end with a next request on this very connection.
    if (this.#asker !== asker) return
    if (this.#reading === 'body' && this.#body.done) this.#complete(asker)
    else asker.flush()
  }

  /** @returns where what has not been used begins */
  #read(bytes: Buffer, from: number, to: number): number {
    let at = from
    while (at < to && this.#asker) {
      if (this.#reading === 'head') {
        const length = this.#head.feed(bytes, at, to)
        if (length === 0) return at
        if (length < 0) return this.#refuse(to, 'malformed HTTP response')
        at = this.#readHead(bytes, at + length, to)
        continue
      }
      if (this.#body.done) break
      at = this.#body.read(bytes, at, to)
      if (at < 0) return this.#refuse(to, 'malformed chunked encoding')
      if (this.#body.from < this.#body.to) this.#asker.data(bytes, this.#body.from, this.#body.to)
    }
    return at
  }

  #readHead(bytes: Buffer, at: number, to: number): number {
    const head = this.#head
    const asker = this.#asker as Asker
    if (head.major !== 1 || head.status < 100) return this.#refuse(to, 'malformed HTTP response')
    if (head.status === 101) {
      this.#asker = undefined
      this.#lasting = false
      asker.switched(head, bytes.subarray(0, to), at)
      return to
    }
    if (head.status < 200) {
      asker.interim(head)
      head.reset()
      return at
    }
    const framing = responseFraming(head, this.#bodyless, this.#allowUnframed)
    if (framing instanceof Fault) {
      this.#break(framing)
      return to
    }
    this.#body.begin(framing.framing, framing.length)
    this.#reading = 'body'
    this.#lasting = framing.framing !== 'until-close' && lasts(head)
    asker.responded(head, this.#body)
    return at
  }

  #complete(asker: Asker): void {
    this.#asker = undefined
    asker.answered()
  }

  #refuse(to: number, text: string): number {
    this.#break(new Fault('upstream-malformed', text))
    return to
  }

  #break(fault: Fault): void {
    const asker = this.#asker
    this.destroy()
    asker?.broken(fault)
  }

  drained(): void {
    this.#asker?.drained()
  }

  ended(): void {
    const asker = this.#asker
    if (!asker) {
      this.destroy()
      return
    }
    this.#lasting = false
    if (this.#reading === 'body' && this.#body.close()) this.#complete(asker)
    else this.#break(new Fault('upstream-closed', 'EOF'))
  }

  closed(code: string | undefined): void {
    this.#gone = true
    this.#owner.gone(this)
    if (!this.#asker) return
    const reset = code === 'ECONNRESET' || code === 'EPIPE'
    this.#break(
      reset
        ? new Fault('upstream-reset', 'connection reset by peer')
        : new Fault('upstream-closed', code === undefined ? 'EOF' : code),
    )
  }
}

/** Whether the container keeps the connection (RFC 9112 §9.3). */
function lasts(head: Head): boolean {
  return !head.hasOption('close') && (head.minor > 0 || head.hasOption('keep-alive'))
}
