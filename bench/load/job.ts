// What the load process is told to do, and what it answers.

import type { Shape } from '../requests.ts'
import type { Kind } from '../scenarios.ts'
import type { Latency } from './latency.ts'

export interface Job {
  readonly kind: Kind
  readonly port: number
  readonly tls: boolean
  readonly shape: Shape
  readonly connections: number
  readonly keepAlive: boolean
  /** Requests a second, with `open`. */
  readonly rate: number
  /** Whether 503 is an answer, counted apart. */
  readonly refusals: boolean
  /** How long the connections may take to stand; undefined: long. */
  readonly readyMs?: number
}

export interface Outcome {
  /** Answered with 2xx, and whole; or messages echoed, events received, connections that stayed open. */
  readonly requests: number
  readonly seconds: number
  /** Failed connections, broken and unexpected answers, requests that were due and could not be sent. */
  readonly errors: number
  /** Answered with 503, where that is no error. */
  readonly refused?: number
  /** What the first error was; undefined without any. */
  readonly firstError?: string | undefined
  /** From the moment at which a request was due, or an event was sent. */
  readonly latency?: Latency
  /** How much later than due the generator itself sent: what of the latency is not the proxy's. */
  readonly lag?: Latency
}

/** Opens the connections; then one answer, `{ ready: true }`. */
export interface Prepare {
  readonly verb: 'prepare'
  readonly job: Job
}

/** Runs the prepared job; then one answer, an Outcome. */
export interface Go {
  readonly verb: 'go'
  readonly seconds: number
}

/** Closes what is open; then one answer, `{ closed: true }`. */
export interface Close {
  readonly verb: 'close'
}

export type Message = Prepare | Go | Close

export interface Generator {
  /** Resolves when every connection stands and has been answered once. */
  prepare(): Promise<void>
  go(seconds: number): Promise<Outcome>
  close(): void
}
