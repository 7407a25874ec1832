// What a run leaves: every sample as it was taken, so that a table or chart can be drawn again and doubted, and the
// summary that is computed from them.

import type { Machine } from './machine.ts'
import type { Counted, CounterName } from './syscalls.ts'

export interface Sample {
  /** From 1. Contenders of one round stand one after another, in turned order in every second round. */
  readonly round: number
  readonly requests: number
  readonly seconds: number
  readonly errors: number
  /** Of the contender's process; null where the machine does not tell. */
  readonly cpuUs: number | null
  /** Time for which it was ready and another process had the core. */
  readonly waitedUs: number | null
}

export interface Measured {
  readonly contender: string
  readonly samples: readonly Sample[]
  readonly syscalls: Readonly<Partial<Record<CounterName, Counted>>>
}

export interface Measurement {
  readonly scenario: string
  readonly measured: readonly Measured[]
}

export interface Skipped {
  readonly what: string
  readonly why: string
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface SummaryRow {
  readonly scenario: string
  readonly contender: string
  readonly cpuUsPerRequest: Spread | null
  /** CPU per request as a multiple of the yardstick's in the same round. */
  readonly ratio: Spread | null
  readonly requestsPerSecond: Spread
  /** Of one core, 0 to 1. */
  readonly busy: Spread | null
  /** Share of the time in which others kept it from its core: above a few hundredths the CPU figures rise. */
  readonly waited: Spread | null
  /** perf's total where there is one, else strace's. */
  readonly syscallsPerRequest: number | null
  readonly errors: number
}

export interface Result {
  readonly version: 1
  /** ISO 8601. */
  readonly date: string
  readonly machine: Machine
  readonly flags: Readonly<Record<string, string | number>>
  readonly method: {
    readonly requestHeadBytes: number
    readonly responseBodyBytes: number
    readonly backend: string
    readonly load: string
    readonly cores: string
    readonly cpuClock: string
  }
  readonly skipped: readonly Skipped[]
  readonly summary: readonly SummaryRow[]
  readonly measurements: readonly Measurement[]
}

/** Middle, least and most; null where there is nothing or a gap. */
export function spread(values: readonly (number | undefined)[]): Spread | null {
  const numbers = values.filter(value => value !== undefined).sort((a, b) => a - b)
  const [min, max] = [numbers[0], numbers.at(-1)]
  const low = numbers[Math.floor((numbers.length - 1) / 2)]
  const high = numbers[Math.ceil((numbers.length - 1) / 2)]
  if (numbers.length < values.length || min === undefined || max === undefined) return null
  return low === undefined || high === undefined ? null : { median: (low + high) / 2, min, max }
}
