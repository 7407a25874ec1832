// One request from its head to its end. A visit knows what it took (a count, a place in line or a slot, deadlines) and
// gives back exactly that, in finished() and nowhere else, so that a probe, a refused, a queued and a served request all
// end in the same function.

import type { Clock } from '../base/clock.ts'
import { describe, type Fault } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Place } from '../base/queue.ts'
import type { Driver, End, Order, Recorder, Reply, RequestHead, Summary, Ticket } from './contract.ts'
import type { Deadline, Deadlines, Expiring, Timed } from './deadlines.ts'
import type { Limiter, Waiter } from './limiter.ts'
import { errorReply, notReady, timedOut } from './replies.ts'
import type { Stats } from './stats.ts'

export interface VisitParts {
  readonly clock: Clock
  readonly limiter: Limiter
  readonly deadlines: Deadlines
  readonly stats: Stats
  readonly recorders: readonly Recorder[]
  readonly log: Log
  /** True where clients may see what went wrong, not only its code. */
  readonly explain: boolean
}

type Phase = 'entered' | 'queued' | 'started' | 'responding' | 'answered' | 'finished'

const deadlineText = { request: 'Request', 'response-start': 'Response start', idle: 'Idle' } as const

export class Visit implements Ticket, Waiter, Expiring {
  order: Order = 'wait'
  readonly #parts: VisitParts
  readonly #head: RequestHead
  readonly #driver: Driver
  readonly #enteredAt: number
  #phase: Phase = 'entered'
  #counted: 'no' | 'direct' | 'proxied' = 'no'
  #place: 'none' | 'slot' | Place<Waiter> = 'none'
  #timed: Timed | undefined
  #tunnel = false
  #status = 0
  #startedAt = 0
  #respondedAt = 0
  #bytesReceived = 0
  #bytesSent = 0
  #fault: Fault | undefined

  constructor(parts: VisitParts, head: RequestHead, driver: Driver) {
    this.#parts = parts
    this.#head = head
    this.#driver = driver
    this.#enteredAt = parts.clock.monotonic()
  }

  // Orders that the gate gives while the request enters.

  /** Answered by us, now. */
  answer(reply: Reply): this {
    this.#replied(reply)
    this.order = reply
    return this
  }

  /** Answered by us, later: `driver.answer` will be called. */
  answerLater(reply: Promise<Reply>): this {
    this.#phase = 'queued'
    reply.then(
      each => this.#answerNow(each),
      (error: unknown) => {
        this.#parts.log.error('the readiness question broke', { code: 'internal', error: describe(error) })
        this.#answerNow(notReady)
      },
    )
    return this
  }

  /** Straight through: timed, but neither counted nor limited (a kubelet's probe of the container). */
  passes(): this {
    this.#arm()
    this.#phase = 'started'
    this.#startedAt = this.#parts.clock.monotonic()
    this.order = 'start'
    return this
  }

  /** Counted for the autoscaler and timed from now on, whatever becomes of it. */
  countIn(proxied: boolean): void {
    this.#counted = proxied ? 'proxied' : 'direct'
    this.#parts.stats.in(proxied)
    this.#arm()
  }

  #arm(): void {
    this.#timed = this.#parts.deadlines.arm(this)
  }

  /** A slot is taken: go. */
  starts(): this {
    this.#take()
    this.order = 'start'
    return this
  }

  /** In line: the limiter will call admitted(). */
  waits(place: Place<Waiter>): this {
    this.#phase = 'queued'
    this.#place = place
    return this
  }

  // Orders that come later.

  admitted(): void {
    this.#take()
    this.#driver.start()
  }

  #take(): void {
    this.#phase = 'started'
    this.#place = 'slot'
    this.#startedAt = this.#parts.clock.monotonic()
  }

  #answerNow(reply: Reply): void {
    if (this.#phase !== 'queued' && this.#phase !== 'started') return
    this.#replied(reply)
    this.#driver.answer(reply)
  }

  #replied(reply: Reply): Reply {
    this.#phase = 'answered'
    this.#status = reply.status
    if (this.#head.method !== 'HEAD') this.#bytesSent += reply.body.length
    return reply
  }

  expired(deadline: Deadline): void {
    if (this.#phase === 'answered' || this.#phase === 'finished') return
    this.#parts.log.warn(`${deadlineText[deadline]} timeout`, { code: 'timeout', deadline })
    if (this.#phase === 'responding') {
      this.#phase = 'answered'
      this.#driver.cut()
      return
    }
    this.#leaveLine()
    this.#answerNow(timedOut)
  }

  /** Nobody shall be started for a client that is being told why not. */
  #leaveLine(): void {
    if (typeof this.#place !== 'object') return
    this.#parts.limiter.leaveLine(this.#place)
    this.#place = 'none'
  }

  // Reports of the engine.

  interim(_status: number): void {
    this.#begun()
  }

  responded(status: number): void {
    if (this.#phase !== 'started') return
    this.#phase = 'responding'
    this.#status = status
    this.#respondedAt = this.#parts.clock.monotonic()
    this.#tunnel = status === 101
    this.#begun()
  }

  #begun(): void {
    if (!this.#timed) return
    this.#parts.deadlines.begun(this.#timed)
    this.#parts.deadlines.moved(this.#timed)
  }

  received(bytes: number): void {
    this.#bytesReceived += bytes
    // A tunnel has no direction that counts more: either end's bytes show that it lives.
    if (this.#tunnel && this.#timed) this.#parts.deadlines.moved(this.#timed)
  }

  sent(bytes: number): void {
    this.#bytesSent += bytes
    if (this.#timed) this.#parts.deadlines.moved(this.#timed)
  }

  failed(fault: Fault): Reply | undefined {
    this.#fault ??= fault
    if (this.#phase === 'answered' || this.#phase === 'finished') return undefined
    this.#parts.log.error('error reverse proxying request', { code: fault.code, error: fault.message })
    if (this.#phase === 'responding') return undefined
    this.#leaveLine()
    const text = this.#parts.explain ? fault.message : fault.code
    return this.#replied(errorReply(fault.status, text, fault.blame === 'client'))
  }

  finished(end: End, retries: number): void {
    if (this.#phase === 'finished') return
    this.#phase = 'finished'
    const { limiter, deadlines, stats, recorders } = this.#parts
    if (this.#timed) deadlines.disarm(this.#timed)
    if (this.#place === 'slot') limiter.leaveSlot()
    else this.#leaveLine()
    if (this.#counted !== 'no') stats.out(this.#counted === 'proxied')
    if (recorders.length === 0) return
    const summary = this.#summary(end, retries)
    for (const recorder of recorders) recorder.finished(summary)
  }

  #summary(end: End, retries: number): Summary {
    const now = this.#parts.clock.monotonic()
    const admitted = this.#place === 'slot'
    const responded = this.#respondedAt > 0
    return {
      head: this.#head,
      end,
      status: end === 'client-left' && this.#status === 0 ? 499 : this.#status,
      responded,
      counted: this.#counted !== 'no',
      admitted,
      forwarded: this.#startedAt > 0,
      totalMs: now - this.#enteredAt,
      durationMs: admitted ? now - this.#startedAt : 0,
      headMs: responded ? this.#respondedAt - this.#startedAt : 0,
      retries,
      bytesReceived: this.#bytesReceived,
      bytesSent: this.#bytesSent,
      fault: this.#fault,
    }
  }
}
