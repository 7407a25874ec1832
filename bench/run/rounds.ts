// One scenario: every contender up and warmed on every leg, then rounds in which each is measured once, in random order,
// then the counting of system calls. Only one is under load at any time; the others stand idle. One that fails leaves the
// rounds, with what was measured of it kept.

import { describe } from '../../src/base/errors.ts'
import { legs } from '../legs.ts'
import type { Job } from '../load/job.ts'
import type { Loader } from '../load/loader.ts'
import type { Children } from '../machine/children.ts'
import { type Cost, costOf } from '../machine/processes.ts'
import { type Counted, type CounterName, counters, countSyscalls } from '../machine/syscalls.ts'
import type { Tools } from '../machine/tools.ts'
import type { Sample, Series, Skipped } from '../result.ts'
import type { Scenario } from '../scenarios.ts'
import { type Random, shuffled } from '../stats/random.ts'
import type { Instance, Instances } from './instances.ts'
import { countable, type Pace, paceOf, type Slot, type Step, startedWarmUps } from './plan.ts'

/** Between two looks at a process that has just been started: what its start is known to. */
const freshPauseMs = 2

const deathMs = 100
/** After which a process that has just been started is warm, or has had its chance. */
const enoughRequests = 25_000
const moreWarmUps = 4

export interface Bench {
  readonly children: Children
  readonly tools: Tools
  readonly loader: Loader
  readonly instances: Instances
  readonly random: Random
  readonly pace: Pace
  /** Told of each sample, so that progress can be shown. */
  readonly took: (slot: Slot, scenario: Scenario, sample: Sample) => void
  readonly failed: (what: Skipped) => void
  readonly skip: (what: Skipped) => void
}

/** Grows while the scenario runs, so that a run that is ended keeps it. */
interface Growing extends Series {
  readonly samples: Sample[]
  syscalls: Partial<Record<CounterName, Counted>>
}

export async function measure(whole: Bench, { scenario, slots }: Step, keep: (series: Series) => void): Promise<void> {
  const bench = { ...whole, pace: paceOf(scenario, whole.pace) }
  const runners = slots.map(slot => {
    const { leg, contender, controlOf } = slot
    const series: Growing = {
      ...{ scenario: scenario.name, leg, contender: contender.name, samples: [], syscalls: {} },
      ...(controlOf !== undefined && { controlOf }),
    }
    keep(series)
    return { slot, series }
  })
  const fallen = new Set<Slot>()
  const attempt = async (slot: Slot, what: () => Promise<void>): Promise<void> => {
    if (fallen.has(slot)) return
    try {
      await what()
    } catch (error) {
      fallen.add(slot)
      // Where it died, that is why; what the load saw of it says less, and may be heard first.
      await new Promise(resolve => setTimeout(resolve, deathMs))
      const why = bench.instances.death(slot.wanted) ?? describe(error)
      bench.failed({ what: `${scenario.name}, ${slot.leg}, ${slot.contender.name}`, why })
    }
  }
  const once = scenario.fresh ? [] : runners
  for (const { slot } of once) await attempt(slot, () => warmUp(bench, scenario, slot))
  for (let round = 1; round <= bench.pace.rounds; round++) {
    for (const { slot, series } of shuffled(runners, bench.random)) {
      await attempt(slot, async () => {
        const sample = await (scenario.fresh ? timeFresh : time)(bench, scenario, slot, round)
        series.samples.push(sample)
        bench.took(slot, scenario, sample)
      })
    }
  }
  if (!scenario.closely) return
  for (const { slot, series } of runners) {
    if (countable(slot)) await attempt(slot, async () => count(bench, scenario, slot, series))
  }
}

async function warmUp(bench: Bench, scenario: Scenario, slot: Slot, started = false): Promise<void> {
  const instance = await bench.instances.get(slot.wanted)
  await bench.loader.prepare(jobOf(scenario, slot, instance))
  const { warmUpSeconds } = bench.pace
  const times = instance.fresh || started ? startedWarmUps : 1
  let answered = 0
  for (let i = 0; i < times; i++) answered += (await bench.loader.go(warmUpSeconds)).requests
  // Compilers count calls, not seconds: on a busy machine it takes longer.
  for (let i = 0; times > 1 && i < moreWarmUps && answered < enoughRequests; i++) {
    answered += (await bench.loader.go(warmUpSeconds)).requests
  }
  await bench.loader.close()
}

async function time(bench: Bench, scenario: Scenario, slot: Slot, round: number): Promise<Sample> {
  const { instances, loader } = bench
  const instance = await instances.get(slot.wanted)
  if (instance.fresh) await warmUp(bench, scenario, slot, true)
  await loader.prepare(jobOf(scenario, slot, instance))
  const sample = await load(bench, slot, instance, round)
  await loader.close()
  // Says so if it died under the load.
  await instances.get(slot.wanted)
  return sample
}

/** On a process that is started for this sample. */
async function timeFresh(bench: Bench, scenario: Scenario, slot: Slot, round: number): Promise<Sample> {
  const { instances, loader } = bench
  const instance = await instances.launch(slot.wanted, freshPauseMs)
  const { child, startMs } = instance
  try {
    const base = costOf(child.pid)
    if (scenario.kind === 'start') {
      const none = { ranUs: 0, waitedUs: 0, rssKiB: 0, threads: 0 }
      return { round, requests: 1, seconds: startMs / 1_000, errors: 0, ...spent(none, base), startMs }
    }
    await loader.prepare(jobOf(scenario, slot, instance))
    const sample = await load(bench, slot, instance, round)
    await loader.close()
    return { ...sample, ...(base && { baseRssKiB: base.rssKiB }) }
  } finally {
    await child.stop()
  }
}

/** The prepared load, between two readings of what the process cost. */
async function load({ loader, pace }: Bench, slot: Slot, { child }: Instance, round: number): Promise<Sample> {
  const measured = slot.contender.command !== undefined
  const before = measured ? costOf(child.pid) : undefined
  const { requests, seconds, errors, refused, latency, lag } = await loader.go(pace.seconds)
  const after = measured ? costOf(child.pid) : undefined
  return {
    ...{ round, requests, seconds, errors, ...spent(before, after) },
    ...(refused !== undefined && { refused }),
    ...(latency && { latency }),
    ...(lag && { lag }),
  }
}

function spent(
  before: Cost | undefined,
  after: Cost | undefined,
): Pick<Sample, 'cpuUs' | 'waitedUs' | 'rssKiB' | 'threads'> {
  if (!before || !after) return { cpuUs: null, waitedUs: null, rssKiB: null, threads: null }
  const waited = before.waitedUs === null || after.waitedUs === null ? null : after.waitedUs - before.waitedUs
  return {
    cpuUs: Math.round(after.ranUs - before.ranUs),
    waitedUs: waited === null ? null : Math.round(waited),
    rssKiB: after.rssKiB,
    threads: after.threads,
  }
}

function jobOf(
  { kind, shape, connections, keepAlive, rate, refusals }: Scenario,
  { leg }: Slot,
  { ports }: Instance,
): Job {
  const { inbound } = legs[leg]
  return { kind, shape, connections, keepAlive, rate, refusals, port: ports[inbound], tls: inbound === 'tls' }
}

/** What cannot be counted is skipped, and said. */
async function count(bench: Bench, scenario: Scenario, slot: Slot, series: Growing): Promise<void> {
  const { children, tools, loader, instances } = bench
  for (const counter of counters) {
    // That it is missing was said once, at the start.
    if (!tools[counter]) continue
    const instance = await instances.get(slot.wanted)
    await loader.prepare(jobOf(scenario, slot, instance))
    try {
      const counted = await countSyscalls(counter, tools, children, instance.child.pid, seconds => loader.go(seconds))
      series.syscalls = { ...series.syscalls, [counter]: counted }
    } catch (error) {
      const what = `system calls by ${counter}, ${scenario.name}, ${slot.leg}, ${slot.contender.name}`
      bench.skip({ what, why: describe(error) })
    }
    await loader.close()
  }
}
