// What a run will do, before it does it: which contender on which leg of which scenario, what is skipped and why, and how
// long it takes.

import { type Contender, maxConnections } from '../contenders/contender.ts'
import type { LegName } from '../legs.ts'
import { legs } from '../legs.ts'
import { counters, countingSeconds } from '../machine/syscalls.ts'
import type { Tools } from '../machine/tools.ts'
import type { Skipped } from '../result.ts'
import type { Scenario } from '../scenarios.ts'
import type { Wanted } from './instances.ts'

/** One place in a scenario's rounds. */
export interface Slot {
  readonly leg: LegName
  readonly contender: Contender
  readonly controlOf?: string
  readonly wanted: Wanted
}

export interface Step {
  readonly scenario: Scenario
  readonly slots: readonly Slot[]
}

export interface Pace {
  readonly rounds: number
  readonly seconds: number
  readonly warmUpSeconds: number
}

/** Around each load: connecting, closing, messages. */
const overheadSeconds = 0.12
const startSeconds = 0.5
export const controlSuffix = ' (control)'

/**
 * @param control the contender that runs twice where a scenario is looked at closely; undefined: none
 * @returns the steps, and each reason for which a contender is left out of something, once
 */
export function plan(
  scenarios: readonly Scenario[],
  contenders: readonly Contender[],
  control: string | undefined,
): { readonly steps: readonly Step[]; readonly skipped: readonly Skipped[] } {
  const skipped = new Map<string, Skipped>()
  const steps = scenarios.map(scenario => {
    const slots = scenario.legs.flatMap(leg =>
      contenders.flatMap((contender): Slot[] => {
        const why = contender.cannot(scenario, leg)
        if (why !== undefined) {
          skipped.set(`${contender.name} ${why}`, { what: `${contender.name} where it cannot take part`, why })
          return []
        }
        const slot: Slot = {
          leg,
          contender,
          wanted: { contender, upstream: legs[leg].upstream, limit: scenario.limit },
        }
        const twice = scenario.closely && contender.name === control && leg === scenario.legs[0]
        return twice ? [slot, twin(slot)] : [slot]
      }),
    )
    return { scenario, slots }
  })
  return { steps: steps.filter(({ slots }) => slots.length > 0), skipped: [...skipped.values()] }
}

/** The same contender again, in a process of its own. */
function twin({ leg, contender, wanted }: Slot): Slot {
  const copy = { ...contender, name: `${contender.name}${controlSuffix}` }
  return { leg, contender: copy, controlOf: contender.name, wanted: { ...wanted, contender: copy } }
}

/** How long a step takes, in seconds. */
export function stepSeconds({ scenario, slots }: Step, pace: Pace, tools: Tools): number {
  const load = (pace.warmUpSeconds + overheadSeconds + pace.rounds * (pace.seconds + overheadSeconds)) * slots.length
  const counting = scenario.closely
    ? slots.filter(countable).length * counters.filter(name => tools[name]).length * countingSeconds
    : 0
  const starts = new Set(slots.map(({ wanted }) => `${wanted.contender.name} ${wanted.upstream}`)).size
  return (
    load + counting + starts * startSeconds + Math.min(scenario.connections, maxConnections) * 0.0005 * slots.length
  )
}

/** System calls are counted once for each kind of contender. */
export function countable({ contender, controlOf }: Slot): boolean {
  return contender.command !== undefined && controlOf === undefined
}
