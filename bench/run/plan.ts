// What a run will do, before it does it: which contender on which leg of which scenario, what is skipped and why, and how
// long it takes.

import type { Contender } from '../contenders/contender.ts'
import { rungs } from '../contenders/ladder.ts'
import { own } from '../contenders/table.ts'
import type { LegName } from '../legs.ts'
import { legs } from '../legs.ts'
import { counters, countingSeconds } from '../machine/syscalls.ts'
import type { Tools } from '../machine/tools.ts'
import type { Skipped } from '../result.ts'
import type { Scenario } from '../scenarios.ts'
import { checkSeconds } from './check.ts'
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

/** How system calls are counted: by name and in all, by one tool only, or not at all. */
export type Counting = 'both' | 'one' | 'none'

/** The tools without those that are not to be used. */
export function toolsFor(found: Tools, counting: Counting): Tools {
  if (counting === 'both' || (counting === 'one' && !found.perf)) return found
  return { ...found, strace: undefined, ...(counting === 'none' && { perf: undefined }) }
}

/** Around each load: connecting, closing, messages. */
const overheadSeconds = 0.12
const startSeconds = 0.6
/** A process that has just been started compiles for longer: its first warm-up is so many times as long. */
export const startedWarmUps = 4
const perConnectionSeconds = 0.0008
export const controlSuffix = ' (control)'

/**
 * @param best ours: climbs the ladder, and runs twice where a scenario is looked at closely; undefined: not there
 * @returns the steps, and each reason for which a contender is left out of something, once
 */
export function plan(
  scenarios: readonly Scenario[],
  contenders: readonly Contender[],
  best: string | undefined,
): { readonly steps: readonly Step[]; readonly skipped: readonly Skipped[] } {
  const skipped = new Map<string, Skipped>()
  const steps = scenarios.map((scenario): Step => {
    if (scenario.who === 'ladder') return { scenario, slots: best === undefined ? [] : ladder(best) }
    const everybody = contenders
      .filter(({ takesPart }) => takesPart?.(scenario) ?? true)
      .filter(({ name }) => scenario.who === 'all' || own.includes(name))
    const slots = scenario.legs.flatMap(leg =>
      everybody.flatMap((contender): Slot[] => {
        const why = contender.cannot(scenario, leg)
        if (why !== undefined) {
          skipped.set(`${contender.name} ${why}`, { what: `${contender.name} in some scenarios`, why })
          return []
        }
        const { upstream } = legs[leg]
        const { limit, changing } = scenario
        const slot: Slot = { leg, contender, wanted: { contender, upstream, limit, changing } }
        const twice = scenario.closely && contender.name === best && leg === scenario.legs[0]
        return twice ? [slot, twin(slot)] : [slot]
      }),
    )
    return { scenario, slots }
  })
  return { steps: steps.filter(({ slots }) => slots.length > 0), skipped: [...skipped.values()] }
}

function ladder(engine: string): readonly Slot[] {
  return rungs(engine).map(({ leg, limit, contender }) => {
    const { upstream } = legs[leg]
    return { leg, contender, wanted: { contender, upstream, limit, changing: false } }
  })
}

/** The run's pace, or what the scenario has in its place. */
export function paceOf({ rounds, seconds }: Scenario, pace: Pace): Pace {
  return {
    ...pace,
    rounds: Math.min(rounds ?? pace.rounds, pace.rounds),
    seconds: Math.max(seconds ?? pace.seconds, pace.seconds),
  }
}

/** The same contender again, in a process of its own. */
function twin({ leg, contender, wanted }: Slot): Slot {
  const copy = { ...contender, name: `${contender.name}${controlSuffix}` }
  return { leg, contender: copy, controlOf: contender.name, wanted: { ...wanted, contender: copy } }
}

/** How long each step takes, in seconds: an estimate. */
export function secondsOf(steps: readonly Step[], pace: Pace, tools: Tools): readonly number[] {
  const started = new Set<string>()
  return steps.map(step => {
    const keys = step.scenario.fresh ? [] : step.slots.filter(({ contender }) => contender.command).map(keyOf)
    const fresh = new Set(keys.filter(key => !started.has(key)))
    for (const key of fresh) started.add(key)
    return loadSeconds(step, paceOf(step.scenario, pace), tools) + fresh.size * startedSeconds(pace)
  })
}

const keyOf = ({ wanted }: Slot): string => `${wanted.contender.name} ${wanted.upstream} ${wanted.limit}`
const startedSeconds = ({ warmUpSeconds }: Pace): number => startSeconds + (startedWarmUps - 1) * warmUpSeconds

function loadSeconds({ scenario, slots }: Step, { rounds, seconds, warmUpSeconds }: Pace, tools: Tools): number {
  const each = overheadSeconds + scenario.connections * perConnectionSeconds
  if (scenario.kind === 'start') return slots.length * rounds * startSeconds
  if (scenario.fresh) return slots.length * rounds * (startSeconds + each + seconds)
  const drain = scenario.kind === 'open' ? 0.1 : 0
  const load = slots.length * (warmUpSeconds + each + rounds * (seconds + each + drain))
  if (!scenario.closely) return load
  const counting = slots.filter(countable).length * counters.filter(name => tools[name]).length * countingSeconds
  return load + counting + checkSeconds(tools)
}

/** System calls are counted once for each kind of contender. */
export function countable({ contender, controlOf }: Slot): boolean {
  return contender.command !== undefined && controlOf === undefined
}
