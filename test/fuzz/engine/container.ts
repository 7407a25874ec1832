// The container's end of a connection: reads requests as strictly as the reference does, checks that each is what its
// client sent, and answers by its plan.

import type { Socket } from 'node:net'
import { resetSocket } from '../../../src/engine/bytes/stream-wire.ts'
import { type ReadHead, readChunks, readHead, valuesOf } from '../../support/http1-reader.ts'
import { breathe, doze, dribble, Inbox } from './inbox.ts'
import type { Plan } from './plans.ts'
import type { Random } from './random.ts'

/** What the container has seen of each request, by id. */
export interface Seen {
  heads: number
  bodies: number
}

export class ContainerEnd {
  readonly #random: Random
  readonly #socket: Socket
  readonly #inbox: Inbox
  readonly #plans: ReadonlyMap<string, Plan>
  readonly #seen: Map<string, Seen>
  readonly #complain: (what: string) => void
  #at = 0

  constructor(
    random: Random,
    socket: Socket,
    plans: ReadonlyMap<string, Plan>,
    seen: Map<string, Seen>,
    complain: (what: string) => void,
  ) {
    this.#random = random
    this.#socket = socket
    this.#inbox = new Inbox(socket)
    this.#plans = plans
    this.#seen = seen
    this.#complain = complain
  }

  /** Serves until the connection ends. */
  async run(): Promise<void> {
    while (await this.#serve()) {}
    // Whoever has ended is ended.
    await this.#inbox.until(() => undefined)
    this.#socket.end()
  }

  async #serve(): Promise<boolean> {
    const random = this.#random
    const head = await this.#inbox.until(() => this.#readHead())
    if (!head) return false
    this.#at += head.length
    const id = valuesOf(head, 'x-request')[0] ?? ''
    const plan = this.#plans.get(id)
    if (!plan) {
      this.#complain(`the container got a request that nobody sent: ${head.first.join(' ')}`)
      return false
    }
    const seen = this.#seen.get(id) ?? { heads: 0, bodies: 0 }
    this.#seen.set(id, seen)
    seen.heads++
    this.#checkHead(plan, head)
    if (random.oneIn(6)) doze(random, this.#socket)
    const { answer } = plan
    if (answer.status === 101) return this.#tunnel(answer.text)
    const expects = valuesOf(head, 'expect').length > 0
    if (answer.early) {
      await breathe(random)
      if (!(await this.#answer(plan))) return false
    } else if (expects && answer.invites) {
      await dribble(random, this.#socket, `HTTP/1.1 100 Continue\r\nX-Id: ${id}\r\n\r\n`)
    }
    if (!(await this.#readBody(plan, head))) return false
    seen.bodies++
    return answer.early || this.#answer(plan)
  }

  #readHead(): ReadHead | undefined {
    const rest = this.#inbox.text.slice(this.#at)
    const head = readHead('request', rest)
    if (!head && rest.includes('\r\n\r\n'))
      this.#complain(`the container got what is no request: ${rest.slice(0, 200)}`)
    return head
  }

  #checkHead(plan: Plan, head: ReadHead): void {
    const [method, target, version] = head.first
    const framed = valuesOf(head, 'content-length').length + valuesOf(head, 'transfer-encoding').length
    const hosts = valuesOf(head, 'host')
    const good = method === plan.method && target === `/${plan.id}` && version === '1.1' && framed <= 1
    if (!good || hosts.length !== 1 || hosts[0] !== 'app') this.#complain(`${plan.id}: the container got another head`)
  }

  async #readBody(plan: Plan, head: ReadHead): Promise<boolean> {
    const length = valuesOf(head, 'content-length')[0]
    const chunked = valuesOf(head, 'transfer-encoding').length > 0
    const body = await this.#inbox.until(() => {
      if (!chunked) {
        const end = this.#at + Number(length ?? 0)
        return this.#inbox.text.length < end ? undefined : { data: this.#inbox.text.slice(this.#at, end), end }
      }
      const { state, data, length: used } = readChunks(this.#inbox.text.slice(this.#at))
      if (state === 'bad') this.#complain(`${plan.id}: the container got malformed chunks`)
      return state === 'done' ? { data, end: this.#at + used } : undefined
    })
    if (!body) return false
    this.#at = body.end
    if (body.data !== plan.body) this.#complain(`${plan.id}: the container got another body`)
    return true
  }

  /** False where the connection ends with it. */
  async #answer({ answer }: Plan): Promise<boolean> {
    const random = this.#random
    const text = answer.text.slice(0, answer.cutAt)
    if (answer.atOnce) this.#socket.write(text, 'latin1')
    else await dribble(random, this.#socket, text)
    if (answer.end === 'keep') return true
    await breathe(random)
    if (answer.end === 'fin') this.#socket.end()
    else resetSocket(this.#socket)
    return false
  }

  /** Says back what it hears. */
  async #tunnel(switched: string): Promise<false> {
    const random = this.#random
    await dribble(random, this.#socket, switched)
    const most = random.oneIn(3) ? random.below(200) : Number.POSITIVE_INFINITY
    let said = 0
    while (!this.#inbox.over && said < most) {
      const from = this.#at
      await this.#inbox.until(() => this.#inbox.text.length > from || undefined)
      this.#at = this.#inbox.text.length
      said += this.#at - from
      await dribble(random, this.#socket, this.#inbox.text.slice(from))
    }
    this.#socket.end()
    return false
  }
}
