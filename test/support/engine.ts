// What the conformance suite stands on: an engine between a raw client and a raw container, with a gate that writes down
// every report.

import { createServer } from 'node:net'
import type { Test } from 'tap'
import type { Fault } from '../../src/base/errors.ts'
import { type Dialer, makeDialer } from '../../src/engine/dial.ts'
import type { Engine, EngineOptions, MakeEngine } from '../../src/engine/engine.ts'
import type { Driver, End, Gate, Order, Reply, RequestHead, Ticket } from '../../src/gate/contract.ts'
import { FakeClock } from './clock.ts'
import { Backend, dialWire, Watch, type Wire } from './engine-wire.ts'
import { listen } from './sockets.ts'

/** What an engine may not be able to do; the suite then asserts what it does instead. */
export type Gap =
  | 'continue-relayed'
  | 'expect-relayed'
  | 'raw-utf8-targets'
  | 'pipelining-behind-upgrade'
  | 'head-before-body'
  | 'target-asterisk'
  | 'request-trailers'
  | 'status-line-1.0'
  | 'unknown-methods'
  | 'half-closed-1.0'

export type Gaps = readonly Gap[]

/** One engine to test, by name. */
export interface Subject {
  readonly makeEngine: MakeEngine
  readonly gaps: ReadonlySet<Gap>
}

/** A ticket that keeps what it is told. */
export class RecordedVisit implements Ticket {
  readonly order: Order
  readonly driver: Driver
  readonly head: RequestHead
  /** Reports in order; runs of received() and sent() are one word each. */
  readonly reports: string[] = []
  readonly faults: Fault[] = []
  bytesReceived = 0
  bytesSent = 0
  readonly #watch: Watch
  #answered: boolean

  constructor(order: Order, head: RequestHead, driver: Driver, watch: Watch) {
    this.order = order
    this.head = head
    this.driver = driver
    this.#watch = watch
    this.#answered = typeof order === 'object'
  }

  interim(status: number): void {
    this.#note(`interim ${status}`)
  }

  responded(status: number): void {
    this.#answered = true
    this.#note(`responded ${status}`)
  }

  received(bytes: number): void {
    this.bytesReceived += bytes
    this.#note('received')
  }

  sent(bytes: number): void {
    this.bytesSent += bytes
    this.#note('sent')
  }

  failed(fault: Fault): Reply | undefined {
    this.faults.push(fault)
    this.#note(`failed ${fault.code}`)
    if (this.#answered) return undefined
    this.#answered = true
    const type = ['Content-Type', 'text/plain; charset=utf-8'] as const
    return { status: fault.status, headers: [type], body: `${fault.code}\n`, close: fault.blame === 'client' }
  }

  finished(end: End, retries: number): void {
    this.#note(`finished ${end} ${retries}`)
  }

  #note(report: string): void {
    const plain = report === 'received' || report === 'sent'
    if (!plain || this.reports.at(-1) !== report) this.reports.push(report)
    this.#watch.changed()
  }

  /** Without received and sent, whose order against each other is nobody's business. */
  get story(): string[] {
    return this.reports.filter(report => report !== 'received' && report !== 'sent')
  }

  /** The story, once it has ended. */
  over(): Promise<string[]> {
    return this.#watch.until('the last report', () => (this.finishes > 0 ? this.story : undefined))
  }

  reported(report: string): Promise<true> {
    return this.#watch.until(`report ${report}`, () => this.reports.includes(report) || undefined)
  }

  /** Until so many bytes of body came from the client. */
  receivedAll(bytes: number): Promise<true> {
    return this.#watch.until(`${bytes} bytes of body`, () => this.bytesReceived >= bytes || undefined)
  }

  get finishes(): number {
    return this.reports.filter(report => report.startsWith('finished')).length
  }
}

/** Admits all, unless told otherwise. */
export class RecordingGate implements Gate {
  readonly visits: RecordedVisit[] = []
  readonly #watch = new Watch()
  readonly #decide: (head: RequestHead, n: number) => Order
  #given = 0

  constructor(decide: (head: RequestHead, n: number) => Order = () => 'start') {
    this.#decide = decide
  }

  enter(head: RequestHead, driver: Driver): Ticket {
    const visit = new RecordedVisit(this.#decide(head, this.visits.length), head, driver, this.#watch)
    this.visits.push(visit)
    this.#watch.changed()
    return visit
  }

  /** The next visit that nobody has asked for yet. */
  next(): Promise<RecordedVisit> {
    const at = this.#given++
    return this.#watch.until(`request ${at + 1} at the gate`, () => this.visits[at])
  }
}

export interface StandOptions extends Partial<Omit<EngineOptions, 'clock'>> {
  readonly order?: (head: RequestHead, n: number) => Order
  readonly gate?: Gate
  readonly secure?: boolean
  /** How connections to the container are opened; told the port. */
  readonly makeDialer?: (port: number) => Dialer
}

export interface Stand {
  readonly engine: Engine
  readonly gate: RecordingGate
  readonly backend: Backend
  readonly clock: FakeClock
  /** Lets each connection end, in the order in which they came. */
  readonly retires: (() => void)[]
  /** Connects a client. */
  client(): Promise<Wire>
  /** A client, the visit of its request and the container's end, once the request's head is there. */
  converse(request: string): Promise<{ client: Wire; container: Wire }>
}

export function plainDialer(port: number, clock: FakeClock): Dialer {
  return makeDialer({ host: '127.0.0.1', port, clock, judge: undefined, refused: () => {} })
}

/** An engine with both sides around it; all of it ends with the test. */
export async function makeStand(t: Test, { makeEngine }: Subject, options: StandOptions = {}): Promise<Stand> {
  const { order, secure = true, makeDialer: dialerFor, gate: otherGate, ...rest } = options
  const clock = new FakeClock()
  const backend = new Backend()
  const port = await listen(
    t,
    createServer({ allowHalfOpen: true, noDelay: true }, socket => backend.accept(socket)),
  )
  const gate = new RecordingGate(order)
  const engine = makeEngine(otherGate ?? gate, {
    dialer: dialerFor?.(port) ?? plainDialer(port, clock),
    clock,
    authority: '127.0.0.1:8080',
    upgrades: token => token === 'websocket',
    strip: [],
    allowUnframed: false,
    maxIdleUpstream: 10,
    idleConnectionMs: 0,
    ...rest,
  })
  const retires: (() => void)[] = []
  const front = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    retires.push(engine.accept(socket, { address: '192.0.2.7', secure }))
  })
  const frontPort = await listen(t, front)
  t.teardown(() => engine.destroy())
  const client = (): Promise<Wire> => dialWire(t, frontPort)
  async function converse(request: string): Promise<{ client: Wire; container: Wire }> {
    const wire = await client()
    wire.send(request)
    return { client: wire, container: await backend.next() }
  }
  return { engine, gate, backend, clock, retires, client, converse }
}

export const get = (target = '/', fields = ''): string => `GET ${target} HTTP/1.1\r\nHost: app\r\n${fields}\r\n`

export const post = (body: string, fields = ''): string =>
  `POST / HTTP/1.1\r\nHost: app\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`

export const ok = (body = '', fields = ''): string =>
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`
