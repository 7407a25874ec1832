// A client's connection: finds requests in what comes, one after another, and keeps what has come too early. Nothing of a
// later request is looked at before the one before it has ended, so answers cannot change places.

import type { Peer } from '../../gate/contract.ts'
import { limits } from '../engine.ts'
import { asksForHttp2, firstStream, matchPreface, preface, prefaceEnd, switching } from '../preface.ts'
import { Asked } from './asked.ts'
import { Carry } from './carry.ts'
import { Exchange, type Front, type Shared } from './exchange.ts'
import { field } from './names.ts'
import type { Ear, Wire } from './wire.ts'

/** More than this of what nobody has asked for yet is left in the kernel. */
const maxHeld = 64 * 1024

/** How long a client that has been told to go may still send what nobody reads. */
const lingerMs = 2_000

const badRequest = '400 Bad Request'
const tooLarge = '431 Request Header Fields Too Large'

/**
 * head: between requests or within a head · busy: an exchange runs · swallow: the rest of a body that nobody wants ·
 * switching: HTTP/2 was asked for and agreed to, and its first bytes have not all come.
 */
type Phase = 'head' | 'busy' | 'swallow' | 'switching' | 'lingering' | 'closing' | 'closed'

export class Client implements Front {
  readonly asked: Asked
  readonly wire: Wire
  /** What has come and was not used: the bytes of `input` from `at` to `to`. Valid while somebody runs. */
  input: Buffer
  at = 0
  to = 0
  stable = false
  readonly #shared: Shared
  readonly #gone: (client: Client) => void
  readonly #carry = new Carry()
  #exchange: Exchange | undefined
  #phase: Phase = 'head'
  #running = false
  #stopped = false
  #retired = false
  /** Lets it end where it is now. */
  #handedOver: (() => void) | undefined
  /** The client has ended its direction, behind bytes that were not used yet. */
  #ended = false
  #since: number
  /** Of the last answer, when it was looked at last. */
  #untaken = 0
  #fresh = true
  /** The request that asked to go on as HTTP/2, as that has it. */
  #first: Buffer | undefined

  constructor(wire: (ear: Ear) => Wire, from: Peer, shared: Shared, gone: (client: Client) => void) {
    this.asked = new Asked(from)
    this.input = this.#carry.bytes
    this.#shared = shared
    this.#gone = gone
    this.#since = shared.options.clock.monotonic()
    this.wire = wire(this)
  }

  /** True while no request is under way and none has begun to come. */
  get idle(): boolean {
    return this.#phase === 'head' && !this.asked.fields.begun && this.#carry.length === 0
  }

  /** True while a request is under way that is no tunnel. */
  get busy(): boolean {
    return this.#exchange !== undefined && !this.#exchange.tunnel
  }

  get leaving(): boolean {
    return this.#retired || this.#shared.draining
  }

  // What the wire tells.

  bytes(chunk: Buffer): void {
    if (this.#phase === 'lingering' || this.#phase === 'closing' || this.#phase === 'closed') return
    if (this.#carry.length > 0) {
      this.#carry.append(chunk, 0, chunk.length)
      this.advance()
      return
    }
    this.input = chunk
    this.at = 0
    this.to = chunk.length
    this.stable = true
    this.#run()
    if (this.at < this.to) this.#carry.append(chunk, this.at, this.to)
    this.#settle()
  }

  drained(): void {
    if (this.#exchange) this.#exchange.clientDrained()
    else this.advance()
  }

  ended(): void {
    const { body } = this.asked
    if (this.#carry.length > 0 && this.#exchange?.forwarding) {
      // What it sent before is still on its way to the container.
      this.#ended = true
      return
    }
    if (this.#exchange) this.#exchange.clientEnded(body.done || this.#mayHoldAll())
    else if (this.#phase === 'head' && this.asked.fields.begun) this.#refuse(badRequest)
    else this.close()
  }

  closed(): void {
    this.#phase = 'closed'
    // A tunnel's other end may still be open: then over() says that all of this is gone.
    if (this.#exchange) this.#exchange.clientGone()
    else this.#gone(this)
  }

  // What the exchange tells.

  /** Goes on with what is there: a request can be forwarded, or the next one be read. */
  advance(): void {
    if (this.#running || this.#phase === 'closed') return
    this.input = this.#carry.bytes
    this.at = this.#carry.from
    this.to = this.#carry.to
    this.stable = false
    this.#run()
    if (this.input === this.#carry.bytes) this.#carry.use(this.at)
    this.#settle()
  }

  /** The exchange is over. @param last true where the connection ends with it */
  over(last: boolean): void {
    this.#exchange = undefined
    if (this.#phase === 'closed') {
      this.#gone(this)
      return
    }
    // Whose response had begun before it was to be the last has not been told; what it sent by then is answered yet.
    const quiet = this.asked.body.done && this.at === this.to && this.#carry.length === 0
    if (last || (this.leaving && quiet) || !this.wire.writable) {
      this.#leave()
      return
    }
    this.#phase = this.asked.body.done ? 'head' : 'swallow'
    this.asked.fields.reset()
    this.#since = this.#shared.options.clock.monotonic()
    this.advance()
  }

  /** Hands over what came behind a request that has become a tunnel. */
  takeRest(): Buffer {
    const rest = Buffer.from(this.input.subarray(this.at, this.to))
    this.at = this.to
    this.wire.resume()
    return rest
  }

  // What the engine asks for.

  /** True where the client has had its time. */
  overdue(now: number, idleMs: number): boolean {
    const ending = this.#phase === 'lingering' || this.#phase === 'closing'
    const { pending } = this.wire
    if (ending && pending !== this.#untaken) {
      // Who is slow to take its answer has not been told to go yet.
      this.#untaken = pending
      this.#since = now
    }
    const quiet = now - this.#since
    if (ending) return quiet > (pending > 0 ? limits.headMs : lingerMs)
    if (this.#phase === 'swallow' || this.#phase === 'switching') return quiet > limits.headMs
    if (this.#phase !== 'head') return false
    if (this.#fresh || this.asked.fields.begun) return quiet > limits.headMs
    return idleMs > 0 && quiet > idleMs
  }

  /** Takes no request after the one that is under way or has begun to come. */
  retire(): void {
    this.#retired = true
    if (this.#handedOver) this.#handedOver()
    else if (this.idle) this.close()
  }

  /** Ends the connection once what has been written has left. */
  close(): void {
    this.#phase = 'closing'
    this.#since = this.#shared.options.clock.monotonic()
    this.wire.close()
  }

  destroy(): void {
    this.#exchange?.destroy()
    this.wire.destroy()
  }

  // One request after another.

  #run(): void {
    this.#running = true
    for (;;) {
      if (this.#phase === 'head') {
        if (!this.#readHead()) break
      } else if (this.#phase === 'busy') {
        this.#exchange?.pull()
        // Where the exchange is still there it has taken what it can.
        if (this.#exchange) break
      } else if (this.#phase === 'swallow') {
        if (!this.#swallow()) break
      } else {
        if (this.#phase === 'switching') this.#switch()
        break
      }
    }
    this.#running = false
  }

  /** False where nothing can be done before more has come. */
  #readHead(): boolean {
    // Who does not read answers is not asked for more.
    if (this.at === this.to || this.wire.full) return false
    const { asked } = this
    if (!asked.fields.begun) {
      this.#since = this.#shared.options.clock.monotonic()
      if (this.#fresh && this.input[this.at] === preface[0] && this.#isPreface()) return false
    }
    const length = asked.fields.feed(this.input, this.at, this.to)
    if (length === 0) return false
    if (length < 0) {
      const { problem } = asked.fields
      this.#refuse(
        problem === 'too-large'
          ? tooLarge
          : problem === 'field-name'
            ? `${badRequest}: invalid header name`
            : badRequest,
      )
      return false
    }
    asked.fields.own(length)
    this.at += length
    this.#fresh = false
    const problem = asked.take(this.#shared.options.upgrades)
    if (problem !== undefined) {
      this.#refuse(problem)
      return false
    }
    if (this.#mayHandOver && this.#asksForHttp2()) {
      this.#beginSwitch()
      return true
    }
    this.#phase = 'busy'
    this.#exchange = new Exchange(this.#shared, this)
    this.#exchange.begin()
    return true
  }

  // A connection that goes on as HTTP/2.

  get #mayHandOver(): boolean {
    return this.#shared.options.handOver !== undefined && !this.asked.from.secure
  }

  /** False where this is HTTP/1.1 after all. */
  #isPreface(): boolean {
    const match = this.#mayHandOver ? matchPreface(this.input, this.at, this.to) : 'no'
    if (match === 'yes') this.#handOver(Buffer.from(this.input.subarray(this.at, this.to)))
    else if (match === 'broken') this.close()
    return match !== 'no'
  }

  /** Only without a body, which would have to be held until the other protocol has begun; and not where only probes are. */
  #asksForHttp2(): boolean {
    const { fields, body } = this.asked
    if (fields.find(field.upgrade) < 0 || body.framing !== 'none') return false
    return this.#shared.options.plaintext !== 'probes-only' && asksForHttp2(fields.raw())
  }

  #beginSwitch(): void {
    const { method, target, path, authority, fields } = this.asked
    this.#first = firstStream({ method, path: path ?? target, authority, fields: fields.raw() })
    this.#phase = 'switching'
    this.#since = this.#shared.options.clock.monotonic()
    this.wire.give(switching)
  }

  /** The request stands behind the client's preface, where its stream would have been opened. */
  #switch(): void {
    const end = prefaceEnd(this.input, this.at, this.to)
    if (end < 0) this.close()
    if (end <= 0 || !this.#first) return
    const { input, at, to } = this
    this.#handOver(Buffer.concat([input.subarray(at, end), this.#first, input.subarray(end, to)]))
  }

  #handOver(early: Buffer): void {
    this.at = this.to
    this.#phase = 'closed'
    this.#gone(this)
    this.#handedOver = this.#shared.options.handOver?.(this.wire.release(), this.asked.from, early)
    if (this.#retired) this.#handedOver?.()
  }

  #swallow(): boolean {
    const { body } = this.asked
    while (this.at < this.to && !body.done) {
      const next = body.read(this.input, this.at, this.to)
      if (next < 0) {
        this.#refuse(badRequest)
        return false
      }
      this.at = next
    }
    if (!body.done) return false
    this.#phase = 'head'
    return true
  }

  /** Stops reading where too much is there that nobody can take, and reads on where that is over. */
  #settle(): void {
    const held = this.#phase === 'busy' ? this.#carry.length >= maxHeld : this.wire.full
    const stop = held || this.#exchange?.choked === true
    if (stop !== this.#stopped) {
      this.#stopped = stop
      if (stop) this.wire.pause()
      else this.wire.resume()
    }
    if (this.#ended && this.#carry.length === 0) {
      this.#ended = false
      this.ended()
    }
  }

  /** As Go's server answers what it cannot parse: status and text, nothing else, and the end of the connection. */
  #refuse(status: string): void {
    const head = `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n`
    if (this.wire.writable) this.wire.give(Buffer.from(head + status, 'latin1'))
    this.#linger()
  }

  /** Where the exchange has not begun to read the body: can the rest of it be among what is held? */
  #mayHoldAll(): boolean {
    const { body } = this.asked
    const held = this.#carry.length
    return body.framing === 'length' ? body.left <= held : held > 0
  }

  /** Who did not ask for the end may have sent a next request already. */
  #leave(): void {
    const { asked } = this
    if (asked.closes && asked.body.done && this.at === this.to && this.#carry.length === 0) this.close()
    else this.#linger()
  }

  /** An answer can be lost on its way where what the client still sends meets a closed socket; so it is read a while. */
  #linger(): void {
    this.#phase = 'lingering'
    this.#since = this.#shared.options.clock.monotonic()
    this.at = this.to
    this.wire.end()
    this.#stopped = false
    this.wire.resume()
  }
}
