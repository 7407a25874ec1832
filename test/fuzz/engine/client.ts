// A client's end: sends its requests in pieces, reads the answers as strictly as the reference does, and may leave at any
// moment. What no client may ever see is complained of at once.

import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { resetSocket } from '../../../src/engine/bytes/stream-wire.ts'
import { type ReadHead, readChunks, readHead, valuesOf } from '../../support/http1-reader.ts'
import { breathe, doze, Inbox } from './inbox.ts'
import type { Plan } from './plans.ts'
import type { Random } from './random.ts'

/** A final answer that came whole. */
export interface Got {
  readonly status: number
  /** Who made it; by id. */
  readonly from: 'container' | 'gate' | 'engine'
  readonly closes: boolean
  readonly body: string
}

export type Departure = 'reset' | 'fin' | 'destroy' | undefined

export class ClientEnd {
  readonly plans: readonly Plan[]
  /** What came, request by request. */
  readonly got: Got[] = []
  readonly departure: Departure
  /** Requests of which every byte was written. */
  sent = 0
  /** It has seen a connection that takes no more. */
  closed = false
  readonly #random: Random
  readonly #socket: Socket
  readonly #inbox: Inbox
  readonly #nudge: () => void
  readonly #complain: (what: string) => void
  #departed = false
  #at = 0
  /** The request whose body was asked for last. */
  #invited = -1
  #tunnel = false

  constructor(
    random: Random,
    socket: Socket,
    plans: readonly Plan[],
    departure: Departure,
    nudge: () => void,
    complain: (what: string) => void,
  ) {
    this.#random = random
    this.#socket = socket
    this.#inbox = new Inbox(socket)
    this.plans = plans
    this.departure = departure
    this.#nudge = nudge
    this.#complain = what => complain(`${what}\n    behind ${this.got.length} answers: ${this.#rest.slice(0, 300)}`)
    socket.on('data', () => this.#read())
    socket.on('close', () => this.#read())
    socket.on('end', () => this.#read())
  }

  get #rest(): string {
    return this.#inbox.text.slice(this.#at)
  }

  /** Sends all, and waits until everything is answered or the connection has ended. */
  async run(): Promise<void> {
    await Promise.race([this.#speak(), this.#inbox.until(() => undefined)])
    await this.#inbox.until(() => (this.got.length === this.plans.length || this.#departed ? true : undefined))
    this.#read()
    this.#socket.end()
    await sleep(this.#random.below(2))
    this.#socket.destroy()
  }

  async #speak(): Promise<void> {
    const random = this.#random
    const all = this.plans.reduce((sum, { head, payload }) => sum + head.length + payload.length, 0)
    let left = this.departure ? random.below(all + 50) : Number.POSITIVE_INFINITY
    const say = async (text: string, written = (): void => {}): Promise<boolean> => {
      if (text === '') written()
      let rest = text.length
      for (const piece of random.oneIn(3) ? [text] : random.pieces(text, 6)) {
        if (!this.#socket.writable) return false
        this.#socket.write(piece.slice(0, left), 'latin1')
        left -= piece.length
        rest -= piece.length
        if (rest === 0 && left >= 0) written()
        if (left < 0) {
          await breathe(random)
          this.#depart()
          return false
        }
        if (random.oneIn(8)) doze(random, this.#socket)
        await breathe(random)
      }
      return true
    }
    for (const [at, plan] of this.plans.entries()) {
      if (!(await say(plan.head))) return
      if (plan.patient && plan.payload !== '' && !(await this.#invitation(at))) continue
      if (!(await say(plan.payload, () => this.sent++))) return
      // Some wait for each answer, some do not.
      if (random.oneIn(2)) await this.#inbox.until(() => this.got.length > at || undefined)
      if (plan.tunnel && !(await this.#talk(at))) return
    }
    if (this.departure) this.#depart()
  }

  #depart(): void {
    this.#departed = true
    // Node loses a socket that is reset while its end is under way.
    if (this.departure === 'reset' && !this.#socket.writableEnded) resetSocket(this.#socket)
    else if (this.departure === 'fin') this.#socket.end()
    else this.#socket.destroy()
    this.#inbox.changed()
  }

  /** False where the body is not wanted. */
  async #invitation(at: number): Promise<boolean> {
    const nudged = setInterval(this.#nudge, 1 + this.#random.below(10))
    await this.#inbox.until(() => this.#invited === at || this.got.length > at || undefined)
    clearInterval(nudged)
    if (this.#invited !== at && this.got[at]?.closes === false) {
      this.#complain('answered, kept, and the body was not invited')
    }
    // What was asked for has to be sent, whatever was answered meanwhile.
    return this.#invited === at
  }

  /** Behind a switch. False where there was none. */
  async #talk(at: number): Promise<boolean> {
    await this.#inbox.until(() => this.#tunnel || this.got.length > at || undefined)
    if (!this.#tunnel) return false
    const { id } = this.plans[at] as Plan
    const said = `${id}.`.repeat(1 + this.#random.size(3_000))
    const from = this.#at
    for (const piece of this.#random.pieces(said, 8)) {
      if (!this.#socket.writable) break
      this.#socket.write(piece, 'latin1')
      await breathe(this.#random)
    }
    await this.#inbox.until(() => this.#inbox.text.length - from >= said.length || undefined)
    if (!said.startsWith(this.#inbox.text.slice(from))) this.#complain('a tunnel brought what nobody had sent')
    this.#at = this.#inbox.text.length
    return true
  }

  /** Takes what answers are there. */
  #read(): void {
    while (!this.#tunnel && this.#readOne()) {}
  }

  #readOne(): boolean {
    const rest = this.#rest
    if (rest === '') return false
    const plan = this.plans[this.got.length]
    const head = readHead('response', rest)
    if (!head) {
      if (rest.includes('\r\n\r\n')) this.#fail('the client got what is no response')
      return false
    }
    if (!plan || this.closed) {
      this.#fail('the client got a response that it did not ask for')
      return false
    }
    const status = Number(head.first[0])
    this.#checkOwner(plan, head)
    if (status === 101) {
      this.#at += head.length
      this.got.push({ status, from: 'container', closes: true, body: '' })
      this.#tunnel = true
      if (!plan.tunnel) this.#complain('a switch that nobody asked for')
    } else if (status < 200) {
      this.#at += head.length
      if (status === 100) this.#invited = this.got.length
    } else {
      return this.#readFinal(plan, head, status)
    }
    return true
  }

  #readFinal(plan: Plan, head: ReadHead, status: number): boolean {
    const body = this.#readBody(plan, head, status)
    if (!body) return false
    const owner =
      valuesOf(head, 'x-id').length > 0 ? 'container' : valuesOf(head, 'x-gate').length > 0 ? 'gate' : 'engine'
    const options = valuesOf(head, 'connection').join().toLowerCase()
    const old = head.first[1] === '1.0'
    const closes = old ? !options.includes('keep-alive') : options.includes('close')
    const { answer } = plan
    if (owner === 'container') {
      if (!answer.whole) this.#fail('what was broken looks whole')
      else if (body.data !== answer.body || status !== answer.status) this.#fail('the client got another answer')
    } else if (owner === 'engine' && plan.fault === 'none' && !plan.unservable && !this.departure) {
      this.#fail('refused without reason')
    }
    this.#at += body.length
    this.closed = closes
    this.got.push({ status, from: owner, closes, body: body.data })
    return true
  }

  #readBody(plan: Plan, head: ReadHead, status: number): { data: string; length: number } | undefined {
    if (plan.method === 'HEAD' || status === 204 || status === 304) return { data: '', length: head.length }
    const rest = this.#rest.slice(head.length)
    const length = valuesOf(head, 'content-length')
    if (valuesOf(head, 'transfer-encoding').length > 0) {
      if (length.length > 0) this.#fail('a length beside chunks')
      const { state, data, length: used } = readChunks(rest)
      if (state === 'bad') this.#fail('the client got malformed chunks')
      return state === 'done' ? { data, length: head.length + used } : undefined
    }
    if (length.length > 0) {
      const size = Number(length[0])
      return rest.length < size ? undefined : { data: rest.slice(0, size), length: head.length + size }
    }
    // Until the end, which must have been one.
    return this.#inbox.over && this.#inbox.clean ? { data: rest, length: head.length + rest.length } : undefined
  }

  #checkOwner(plan: Plan, head: ReadHead): void {
    const ids = [...valuesOf(head, 'x-id'), ...valuesOf(head, 'x-gate')]
    if (ids.some(id => id !== plan.id)) this.#fail(`an answer for ${ids} where ${plan.id} was asked`)
  }

  /** Nothing behind it means anything. */
  #fail(what: string): void {
    this.#complain(what)
    this.#at = this.#inbox.text.length
    this.closed = true
  }
}
