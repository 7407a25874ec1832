// The run: scenarios × contenders → a result, handed out after each scenario. All on the loopback interface; whatever
// ends the run, the processes it started end with it and its folder is removed.

import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeKeyPair, startBackend } from '../backend/backend.ts'
import type { Contender } from '../contenders/contender.ts'
import { own } from '../contenders/table.ts'
import { Loader } from '../load/loader.ts'
import { Children } from '../machine/children.ts'
import { describeMachine } from '../machine/machine.ts'
import { chooseCores } from '../machine/place.ts'
import { findTools, hint, type ToolName } from '../machine/tools.ts'
import type { Check, Result, Series, Skipped } from '../result.ts'
import type { Scenario } from '../scenarios.ts'
import { seeded } from '../stats/random.ts'
import { check } from './check.ts'
import { Instances } from './instances.ts'
import { type Counting, type Pace, paceOf, plan, secondsOf, toolsFor } from './plan.ts'
import { duration, Progress } from './progress.ts'
import { measure } from './rounds.ts'

export interface RunOptions {
  readonly scenarios: readonly Scenario[]
  readonly contenders: readonly Contender[]
  readonly pace: Pace
  readonly seed: number
  readonly counting: Counting
  /** Told of the result so far, after each scenario. */
  readonly keep: (part: Result) => void
  readonly flags: Result['flags']
  readonly terminal: boolean
  readonly say: (text: string) => void
}

export interface Run {
  /** Resolves with the result. */
  readonly result: Promise<Result>
  /** Ends what was started and returns what was measured so far; may be called while the process exits. */
  end(): Result | undefined
}

const useful: readonly (readonly [ToolName, string])[] = [
  ['taskset', 'one core for the proxy'],
  ['perf', 'system calls at full speed'],
  ['strace', 'system calls by name'],
]

/** @throws Fault 'internal' where nothing can be measured at all */
export function startRun(options: RunOptions): Run {
  const children = new Children()
  const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'))
  let current: (() => Result) | undefined
  const end = (): Result | undefined => {
    children.end()
    rmSync(folder, { recursive: true, force: true })
    return current?.()
  }
  const result = run(options, children, folder, take => {
    current = take
  }).finally(end)
  return { result, end }
}

async function run(
  options: RunOptions,
  children: Children,
  folder: string,
  expose: (take: () => Result) => void,
): Promise<Result> {
  const { pace, seed } = options
  const began = performance.now()
  const found = findTools()
  const tools = toolsFor(found, options.counting)
  const machine = describeMachine(found)
  const skipped: Skipped[] = []
  const failures: Skipped[] = []
  const series: Series[] = []
  const checks: Check[] = []
  const skip = (one: Skipped): void => {
    skipped.push(one)
    progress.say(`SKIPPED ${one.what}: ${one.why}`)
  }
  const present = options.contenders.filter(({ missing }) => missing(tools) === undefined)
  const best = own.find(name => present.some(each => each.name === name))
  // HTTP/2 is loaded by h2load alone.
  const loadable = options.scenarios.filter(({ kind }) => kind !== 'http2' || tools.h2load)
  if (loadable.length < options.scenarios.length) skip({ what: 'HTTP/2', why: hint('h2load') })
  const { steps, skipped: unable } = plan(loadable, present, best)
  const planned = secondsOf(steps, pace, tools)
  const total = planned.reduce((sum, seconds) => sum + seconds, 0)
  const progress = new Progress(total, options.terminal, options.say)
  for (const contender of options.contenders) {
    const why = contender.missing(tools)
    if (why !== undefined) skip({ what: contender.name, why })
  }
  for (const one of unable) skip(one)
  for (const [name, what] of useful) if (!found[name]) skip({ what, why: hint(name) })

  const cores = chooseCores(tools)
  const take = (complete: boolean): Result => ({
    version: 2,
    date: new Date().toISOString(),
    complete,
    tookSeconds: Math.round((performance.now() - began) / 1_000),
    machine,
    flags: options.flags,
    method: {
      cores: cores ? `proxy on core ${cores.proxy}, load and backend on ${cores.rest}` : 'nothing pinned',
      seed,
      ...pace,
    },
    scenarios: steps.map(({ scenario }) => scenario),
    contenders: present.map(({ name, summary, version }) => ({ name, summary, version: version(tools) })),
    skipped,
    failures,
    series,
    checks,
  })
  expose(() => take(false))
  progress.say(`${steps.length} scenarios, ${present.length} contenders, about ${duration(total)}`)
  if (availableParallelism() < 2) progress.say('WARNING one core only: proxy, load and backend take it from each other')

  const changes = steps.some(({ scenario }) => scenario.changing)
  const pair = await makeKeyPair(folder)
  const otherPair = await makeKeyPair(folder, 'other')
  const backend = await startBackend(children, cores, pair, changes)
  const loader = new Loader(children, cores)
  const instances = new Instances({ children, tools, cores, folder, pair, otherPair, backend })
  for (const [index, step] of steps.entries()) {
    const each = (planned[index] ?? 0) / (step.slots.length * paceOf(step.scenario, pace).rounds)
    await measure(
      {
        ...{ children, tools, loader, instances, pace, skip },
        random: seeded(seed + index),
        took({ leg, contender }, scenario, { cpuUs, requests, round, seconds }) {
          progress.done(each)
          const cost = cpuUs === null ? '' : `  ${(cpuUs / requests).toFixed(1)} µs`
          const rate = `${Math.round(requests / seconds)}/s`
          progress.show(`${scenario.name} ${leg}  round ${round}  ${contender.name}  ${rate}${cost}`)
        },
        failed(one) {
          failures.push(one)
          progress.say(`FAILED ${one.what}: ${one.why}`)
        },
      },
      step,
      one => series.push(one),
    )
    const checked = step.scenario.closely ? step.slots.find(({ contender }) => contender.name === best) : undefined
    if (checked) checks.push(...(await check({ children, tools, cores, instances, skip }, step.scenario, checked)))
    options.keep(take(index === steps.length - 1))
    await instances.keep(steps.slice(index + 1).flatMap(({ slots }) => slots.map(({ wanted }) => wanted)))
  }
  return take(true)
}
