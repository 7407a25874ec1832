// A gate that holds the engine to the contract: every report in its turn, the last one once.

import type { Fault } from '../../../src/base/errors.ts'
import type { Driver, End, Gate, Order, Reply, RequestHead, Ticket } from '../../../src/gate/contract.ts'
import type { Plan } from './plans.ts'
import type { Random } from './random.ts'

export class FuzzVisit implements Ticket {
  readonly order: Order
  readonly plan: Plan
  ends: End[] = []
  /** Sent and received bytes of bodies. */
  sentBytes = 0
  receivedBytes = 0
  retries = 0
  responses = 0
  /** A final head has left, or will in this turn. */
  answered: boolean
  readonly #complain: (what: string) => void

  constructor(order: Order, plan: Plan, complain: (what: string) => void) {
    this.order = order
    this.plan = plan
    this.answered = typeof order === 'object'
    this.#complain = complain
  }

  get over(): boolean {
    return this.ends.length > 0
  }

  #live(report: string): void {
    if (this.over) this.#complain(`${this.plan.id}: ${report} behind the last report`)
  }

  interim(status: number): void {
    this.#live(`interim ${status}`)
    if (this.responses > 0) this.#complain(`${this.plan.id}: interim ${status} behind the final head`)
  }

  responded(status: number): void {
    this.#live(`responded ${status}`)
    if (++this.responses > 1) this.#complain(`${this.plan.id}: responded twice`)
    if (this.answered) this.#complain(`${this.plan.id}: responded, and answered by the gate`)
    this.answered = true
  }

  received(bytes: number): void {
    this.#live('received')
    this.receivedBytes += bytes
  }

  sent(bytes: number): void {
    this.#live('sent')
    this.sentBytes += bytes
  }

  failed(fault: Fault): Reply | undefined {
    this.#live(`failed ${fault.code}`)
    if (fault.code === 'internal') this.#complain(`${this.plan.id}: ${fault.message}`)
    if (this.answered) return undefined
    this.answered = true
    return reply(this.plan, fault.status, fault.blame === 'client')
  }

  finished(end: End, retries: number): void {
    this.ends.push(end)
    this.retries = retries
  }
}

function reply(plan: Plan, status: number, close: boolean): Reply {
  return { status, headers: [['X-Gate', plan.id]], body: `gate ${plan.id}`, close }
}

const ignore = (): undefined => undefined

/** Somebody who looks for another server, at a port that this one was given since. */
const stranger: Ticket = {
  order: { status: 421, headers: [], body: '', close: true },
  interim: ignore,
  responded: ignore,
  received: ignore,
  sent: ignore,
  failed: ignore,
  finished: ignore,
}

export class FuzzGate implements Gate {
  readonly visits: FuzzVisit[] = []
  readonly #random: Random
  readonly #plans: ReadonlyMap<string, Plan>
  readonly #complain: (what: string) => void

  constructor(random: Random, plans: ReadonlyMap<string, Plan>, complain: (what: string) => void) {
    this.#random = random
    this.#plans = plans
    this.#complain = complain
  }

  enter(head: RequestHead, driver: Driver): Ticket {
    // Whoever had this port before may still be asked for.
    if (head.header('host') !== 'app') return stranger
    const plan = this.#plans.get(head.header('x-request') ?? '')
    if (!plan) throw new Error(`a request that nobody sent: ${head.method} ${head.target}`)
    const { order } = plan
    const first: Order =
      order === 'start' ? order : order === 'reply' ? reply(plan, 503, this.#random.oneIn(2)) : 'wait'
    const visit = new FuzzVisit(first, plan, this.#complain)
    this.visits.push(visit)
    if (order === 'wait, start') this.#later(visit, () => driver.start())
    if (order === 'wait, reply') this.#later(visit, () => this.#answer(visit, driver))
    if (plan.interrupted) {
      this.#later(visit, () => {
        if (visit.answered) driver.cut()
        else this.#answer(visit, driver)
      })
    }
    return visit
  }

  #answer(visit: FuzzVisit, driver: Driver): void {
    if (visit.answered) return
    visit.answered = true
    driver.answer(reply(visit.plan, 504, this.#random.oneIn(2)))
  }

  #later(visit: FuzzVisit, run: () => void): void {
    setTimeout(() => {
      if (!visit.over) run()
    }, this.#random.below(12))
  }
}
