// What stands around a gate, made small: heads from field lists, a driver that writes its orders down, a log and a
// recorder that remember. Limiter, deadlines, statistics, drain and probe answers are the real ones.

import type { Driver, Gate, Reply, RequestHead, Summary, Ticket } from '../../src/gate/contract.ts'
import { Deadlines } from '../../src/gate/deadlines.ts'
import { Drain } from '../../src/gate/drain.ts'
import { makeGate } from '../../src/gate/gate.ts'
import { inbound, type Plaintext } from '../../src/gate/inbound.ts'
import { type Life, newLife } from '../../src/gate/life.ts'
import { Limiter } from '../../src/gate/limiter.ts'
import { Stats } from '../../src/gate/stats.ts'
import { answerProbe, ready } from '../../src/health/probes.ts'
import { FakeClock } from './clock.ts'
import { type Line, memoryLog } from './log.ts'

export interface HeadOptions {
  readonly method?: string
  readonly target?: string
  readonly version?: RequestHead['version']
  readonly secure?: boolean
  readonly upgrade?: boolean
  /** Name, value, name, value, … */
  readonly fields?: readonly string[]
}

export function head(options: HeadOptions = {}): RequestHead {
  const { method = 'GET', target = '/', version = '1.1', secure = true, upgrade = false, fields = [] } = options
  return {
    method,
    target,
    version,
    upgrade,
    from: { address: '192.0.2.1', secure },
    header(lowerName) {
      const at = fields.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === lowerName)
      return at === -1 ? undefined : fields[at + 1]
    },
  }
}

/** A driver that obeys nothing and writes everything down. */
export class Journal implements Driver {
  readonly orders: string[] = []
  /** Runs inside each order, as an engine's own doings would. */
  during: (order: string) => void = () => {}

  start(): void {
    this.#note('start')
  }

  answer(reply: Reply): void {
    this.#note(`answer ${reply.status} ${reply.body.trim()}`.trim())
  }

  cut(): void {
    this.#note('cut')
  }

  #note(order: string): void {
    this.orders.push(order)
    this.during(order)
  }
}

export interface RigOptions {
  readonly working?: number
  readonly requestMs?: number
  readonly responseStartMs?: number
  readonly idleMs?: number
  readonly plaintext?: Plaintext
  readonly kubeletProbesPass?: boolean
  readonly explain?: boolean
  readonly phase?: 'starting' | 'serving' | 'draining'
  /** What the container says of its readiness. */
  readonly ask?: () => Promise<Reply>
}

export interface Entered {
  readonly ticket: Ticket
  readonly driver: Journal
  /** The order as a word: 'start', 'wait' or the reply's status and text. */
  readonly order: string
}

export interface Rig {
  readonly gate: Gate
  readonly clock: FakeClock
  readonly life: Life
  readonly drain: Drain
  readonly limiter: Limiter
  readonly stats: Stats
  readonly lines: readonly Line[]
  readonly summaries: readonly Summary[]
  enter(request?: HeadOptions, driver?: Journal): Entered
}

/** A gate with everything real around it, in service unless told otherwise. */
export function makeRig(options: RigOptions = {}): Rig {
  const { working = 1, requestMs = 60_000, responseStartMs = 0, idleMs = 0, phase = 'serving' } = options
  const clock = new FakeClock()
  const life = newLife()
  if (phase !== 'starting') life.to(phase)
  const drain = new Drain(life, clock)
  const limiter = new Limiter(working)
  const stats = new Stats(clock)
  const { log, lines } = memoryLog()
  const summaries: Summary[] = []
  const gate = makeGate({
    clock,
    life,
    drain,
    limiter,
    stats,
    log,
    deadlines: new Deadlines({ requestMs, responseStartMs, idleMs }, clock),
    recorders: [{ finished: summary => summaries.push(summary) }],
    explain: options.explain ?? false,
    refuse: inbound(options.plaintext ?? 'serve'),
    probe: request =>
      answerProbe(request, {
        draining: () => life.state === 'draining',
        starting: () => life.state === 'starting',
      }),
    askContainer: options.ask ?? (() => Promise.resolve(ready)),
    kubeletProbesPass: options.kubeletProbesPass ?? false,
  })
  function enter(request: HeadOptions = {}, driver = new Journal()): Entered {
    const ticket = gate.enter(head(request), driver)
    const { order } = ticket
    return { ticket, driver, order: typeof order === 'string' ? order : `${order.status} ${order.body.trim()}`.trim() }
  }
  return { gate, clock, life, drain, limiter, stats, lines, summaries, enter }
}

/** Lets everything run that waits for microtasks only. */
export function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
