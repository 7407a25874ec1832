// What a run leaves: every sample as it was taken, so that a table or chart can be drawn again and doubted. Nothing in it
// is computed from something else in it but the system calls per request.

import type { LegName } from './legs.ts'
import type { Latency } from './load/latency.ts'
import type { Machine } from './machine/machine.ts'
import type { Counted, CounterName } from './machine/syscalls.ts'
import type { Scenario } from './scenarios.ts'

export interface Sample {
  /** From 1. In each round every contender is measured once, in random order. */
  readonly round: number
  readonly requests: number
  readonly seconds: number
  readonly errors: number
  /** Of the contender and what it started; null where the machine does not tell, and without a contender. */
  readonly cpuUs: number | null
  /** Time for which it was ready and another process had the core. */
  readonly waitedUs: number | null
  readonly rssKiB: number | null
  readonly threads: number | null
  /** Answered with 503, in scenarios where that is no error. */
  readonly refused?: number
  /** Before any connection stood, in scenarios with a process of their own. */
  readonly baseRssKiB?: number
  /** From the start of the process to its first answer, in scenarios of starts. */
  readonly startMs?: number
  /** From when a request was due, or an event was sent. */
  readonly latency?: Latency
  /** How late the generator itself was. */
  readonly lag?: Latency
}

/** One contender in one scenario on one leg. */
export interface Series {
  readonly scenario: string
  readonly leg: LegName
  readonly contender: string
  /** A second copy of this contender, which must not differ from it. */
  readonly controlOf?: string
  readonly samples: readonly Sample[]
  readonly syscalls: Readonly<Partial<Record<CounterName, Counted>>>
}

/** The same load by somebody else's generator. */
export interface Check {
  readonly tool: string
  readonly scenario: string
  readonly leg: LegName
  readonly contender: string
  readonly cpuUsPerRequest: number
  readonly requestsPerSecond: number
  /** Of one core, from 0 to 1. */
  readonly busy: number
}

/** What was left out, and how it can be had. */
export interface Skipped {
  readonly what: string
  readonly why: string
}

export interface Result {
  readonly version: 2
  /** ISO 8601. */
  readonly date: string
  /** False where the run was ended before its time. */
  readonly complete: boolean
  readonly tookSeconds: number
  readonly machine: Machine
  readonly flags: Readonly<Record<string, string | number | boolean>>
  readonly method: {
    readonly cores: string
    readonly seed: number
    readonly rounds: number
    readonly seconds: number
    readonly warmUpSeconds: number
  }
  readonly scenarios: readonly Scenario[]
  readonly contenders: readonly { readonly name: string; readonly summary: string; readonly version: string }[]
  readonly skipped: readonly Skipped[]
  /** What went wrong while it ran; what was measured before is kept. */
  readonly failures: readonly Skipped[]
  readonly series: readonly Series[]
  readonly checks: readonly Check[]
}
