// The load checked against other people's: wrk and h2load put the same load on the same contender, and what it cost by
// their count stands beside ours. They connect within what is measured, which over two seconds is little.

import { describe, Fault } from '../../src/base/errors.ts'
import { legs } from '../legs.ts'
import type { Children } from '../machine/children.ts'
import type { Cores } from '../machine/place.ts'
import { costOf } from '../machine/processes.ts'
import type { ToolName, Tools } from '../machine/tools.ts'
import { requestHeaders } from '../requests.ts'
import type { Check, Skipped } from '../result.ts'
import type { Scenario } from '../scenarios.ts'
import type { Instances } from './instances.ts'
import type { Slot } from './plan.ts'

const seconds = 2
const slackMs = 15_000
const usPerSecond = 1_000_000

interface Generator {
  readonly tool: Extract<ToolName, 'wrk' | 'h2load'>
  readonly args: (url: string, connections: number) => readonly string[]
  /** Requests answered rightly; undefined where it does not say. */
  readonly read: (said: string) => number | undefined
}

const fields = (names: RegExp): string[] =>
  requestHeaders.filter(([name]) => names.test(name)).flatMap(([name, value]) => ['-H', `${name}: ${value}`])

export const generators: readonly Generator[] = [
  {
    tool: 'wrk',
    args: (url, connections) => ['-t1', `-c${connections}`, `-d${seconds}s`, ...fields(/./), url],
    read(said) {
      const bad = Number(/Non-2xx or 3xx responses: (\d+)/.exec(said)?.[1] ?? 0)
      const all = /(\d+) requests in /.exec(said)?.[1]
      return all === undefined ? undefined : Number(all) - bad
    },
  },
  {
    tool: 'h2load',
    // It sends these two itself, and would send a second Host.
    args: (url, connections) => [
      ...['--h1', '-t1', `-c${connections}`, `-D${seconds}`],
      ...fields(/^(?!(host|user-agent)$)/i),
      url,
    ],
    read(said) {
      const found = /status codes: (\d+) 2xx/.exec(said)?.[1]
      return found === undefined ? undefined : Number(found)
    },
  },
]

interface Parts {
  readonly children: Children
  readonly tools: Tools
  readonly cores: Cores | undefined
  readonly instances: Instances
  readonly skip: (what: Skipped) => void
}

/** One check a generator that is there. What fails is skipped, and said. */
export async function check(parts: Parts, scenario: Scenario, slot: Slot): Promise<Check[]> {
  const found: Check[] = []
  for (const generator of generators) {
    if (!parts.tools[generator.tool]) continue
    try {
      found.push(await run(parts, generator, scenario, slot))
    } catch (error) {
      parts.skip({ what: `check by ${generator.tool}`, why: describe(error) })
    }
  }
  return found
}

async function run(parts: Parts, { tool, args, read }: Generator, scenario: Scenario, slot: Slot): Promise<Check> {
  const { children, tools, cores, instances } = parts
  const { inbound } = legs[slot.leg]
  const instance = await instances.get(slot.wanted)
  const url = `${inbound === 'tls' ? 'https' : 'http'}://127.0.0.1:${instance.ports[inbound]}${scenario.shape.path}`
  const before = costOf(instance.child.pid)
  const command = { file: tools[tool]?.file ?? tool, args: args(url, scenario.connections) }
  const child = children.start(command, cores?.rest)
  const code = await child.end(seconds * 1_000 + slackMs)
  const after = costOf(instance.child.pid)
  const requests = read(child.said())
  if (code !== 0 || !requests || !before || !after) {
    throw new Fault('internal', `it gave no result (exit ${code}): ${child.said().trim().slice(-300)}`)
  }
  const cpuUs = (after.ranUs - before.ranUs) / requests
  const { name } = slot.contender
  return {
    ...{ tool, scenario: scenario.name, leg: slot.leg, contender: name },
    cpuUsPerRequest: cpuUs,
    requestsPerSecond: requests / seconds,
    busy: (cpuUs * requests) / (seconds * usPerSecond),
  }
}

/** For the estimate of a run. */
export function checkSeconds(tools: Tools): number {
  return generators.filter(({ tool }) => tools[tool]).length * (seconds + 0.3)
}
