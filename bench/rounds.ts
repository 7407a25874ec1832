// One scenario: all contenders up, each warmed up, then rounds of one load each in alternating order, then the counting of
// system calls. Only one is under load at any time; the others stand idle.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe } from '../src/base/errors.ts'
import { untilAnswers } from './ask.ts'
import type { Child, Children } from './children.ts'
import { type Contender, portsPerContender } from './contenders.ts'
import { cpuTime } from './cpu.ts'
import type { Loader } from './load.ts'
import { type Cores, freePorts } from './place.ts'
import type { Measurement, Sample, Skipped } from './result.ts'
import type { Scenario } from './scenarios.ts'
import { type Counted, type CounterName, countSyscalls } from './syscalls.ts'
import type { Tools } from './tools.ts'

export interface Bench {
  readonly children: Children
  readonly tools: Tools
  readonly cores: Cores | undefined
  readonly loader: Loader
  readonly folder: string
  readonly backendPorts: { readonly plain: number; readonly tls: number }
  readonly rounds: number
  readonly seconds: number
  readonly say: (line: string) => void
  readonly skip: (skipped: Skipped) => void
}

interface Runner {
  readonly name: string
  readonly child: Child
  readonly port: number
  readonly samples: Sample[]
  syscalls: Partial<Record<CounterName, Counted>>
}

const warmUpSeconds = 4
const counters: readonly CounterName[] = ['perf', 'strace']

/** @throws Fault 'internal' where a contender does not start, does not answer rightly, or dies */
export async function measure(
  bench: Bench,
  scenario: Scenario,
  contenders: readonly Contender[],
): Promise<Measurement> {
  const runners: Runner[] = []
  for (const contender of contenders) runners.push(await start(bench, scenario, contender))
  for (const { port } of runners) await bench.loader.run(port, scenario.connections, warmUpSeconds)
  for (let round = 1; round <= bench.rounds; round++) {
    for (const runner of round % 2 === 1 ? runners : runners.toReversed()) {
      const sample = await time(bench, scenario, runner, round)
      runner.samples.push(sample)
      const perRequest = sample.cpuUs === null ? '–' : (sample.cpuUs / sample.requests).toFixed(1)
      bench.say(`${scenario.name}  round ${round}  ${runner.name}  ${sample.requests} requests  ${perRequest} µs each`)
    }
  }
  for (const runner of runners) runner.syscalls = await count(bench, scenario, runner)
  for (const { name, child, port } of runners) await untilAnswers(name, child, port)
  await Promise.all(runners.map(({ child }) => child.stop()))
  return {
    scenario: scenario.name,
    measured: runners.map(({ name, samples, syscalls }) => ({ contender: name, samples, syscalls })),
  }
}

async function start(bench: Bench, scenario: Scenario, contender: Contender): Promise<Runner> {
  const { children, tools, cores, backendPorts } = bench
  const folder = join(bench.folder, `${scenario.name}-${contender.name}`)
  mkdirSync(folder)
  const ports = await freePorts(portsPerContender)
  const { upstream } = scenario
  const backendPort = upstream === 'attested' ? backendPorts.tls : backendPorts.plain
  const child = children.start(contender.command({ ports, backendPort, upstream, folder, tools }), cores?.proxy)
  const port = ports[0] ?? 0
  await untilAnswers(contender.name, child, port)
  return { name: contender.name, child, port, samples: [], syscalls: {} }
}

async function time(bench: Bench, scenario: Scenario, { child, port }: Runner, round: number): Promise<Sample> {
  const before = cpuTime(child.pid)
  const load = await bench.loader.run(port, scenario.connections, bench.seconds)
  const after = cpuTime(child.pid)
  if (!before || !after) return { round, ...load, cpuUs: null, waitedUs: null }
  const waited = before.waitedUs === null || after.waitedUs === null ? null : after.waitedUs - before.waitedUs
  return {
    round,
    ...load,
    cpuUs: Math.round(after.ranUs - before.ranUs),
    waitedUs: waited === null ? null : Math.round(waited),
  }
}

/** What cannot be counted is skipped, and said. */
async function count(bench: Bench, scenario: Scenario, { name, child, port }: Runner): Promise<Runner['syscalls']> {
  const { children, tools, loader } = bench
  const counted: Runner['syscalls'] = {}
  for (const counter of counters) {
    // That it is missing was said once, at the start.
    if (!tools[counter]) continue
    try {
      counted[counter] = await countSyscalls(counter, tools, children, child.pid, seconds =>
        loader.run(port, scenario.connections, seconds),
      )
    } catch (error) {
      bench.skip({ what: `syscalls by ${counter}, ${scenario.name}, ${name}`, why: describe(error) })
    }
  }
  return counted
}
