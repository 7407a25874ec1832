// System calls per request, never counted while time is taken. strace stops the process twice at each call: it names the
// calls, but the slowed process finds more work in each wake-up, so it waits less often per request than at full speed.
// perf counts in the kernel without that: its number is the total to quote.
//
// Each counts over a short and a long load; the difference is free of attaching and leaving. How often a process waits
// depends on how often it runs dry, and may differ between the two: the first decimal is not sharp.

import { Fault } from '../../src/base/errors.ts'
import type { Child, Children } from './children.ts'
import { family } from './processes.ts'
import type { ToolName, Tools } from './tools.ts'

export type Counts = Readonly<Record<string, number>>

export interface Window {
  readonly requests: number
  readonly counts: Counts
}

export interface Counted {
  readonly windows: readonly [short: Window, long: Window]
  /** By call; with perf there is `total` alone. */
  readonly perRequest: Counts
}

interface Method {
  readonly args: (pids: readonly number[]) => readonly string[]
  readonly attached: (said: string) => boolean
  readonly read: (said: string) => Counts
}

export type CounterName = Extract<ToolName, 'strace' | 'perf'>

export const counters: readonly CounterName[] = ['perf', 'strace']

const methods: Readonly<Record<CounterName, Method>> = {
  strace: {
    args: pids => ['-c', '-f', ...pids.flatMap(pid => ['-p', String(pid)])],
    attached: said => said.includes('attached'),
    read: readStrace,
  },
  perf: {
    args: pids => ['stat', '-x,', '-e', 'raw_syscalls:sys_enter', '-p', pids.join(',')],
    // Says nothing until its end; see settleMs.
    attached: () => true,
    read(said) {
      const total = /^(\d+),[^\n]*raw_syscalls:sys_enter/m.exec(said)?.[1]
      return total === undefined ? {} : { total: Number(total) }
    },
  },
}

const shortSeconds = 0.4
const longSeconds = 1.2
const attachMs = 5_000
const settleMs = 250
const endMs = 10_000

/** What countSyscalls takes for one contender, for the estimate of a run. */
export const countingSeconds = shortSeconds + longSeconds + 2 * (settleMs / 1_000 + 0.2)

/**
 * @param load runs one load of so many seconds against the process, and says how many requests it answered
 * @throws Fault 'internal' where the counter is missing, not permitted, or says nothing
 */
export async function countSyscalls(
  name: CounterName,
  tools: Tools,
  children: Children,
  pid: number,
  load: (seconds: number) => Promise<{ readonly requests: number }>,
): Promise<Counted> {
  const count = async (seconds: number): Promise<Window> => {
    const counter = await attach(name, tools, children, pid)
    const { requests } = await load(seconds)
    await counter.stop('SIGINT', endMs)
    const counts = methods[name].read(counter.said())
    if (Object.keys(counts).length === 0) throw failed(name, counter)
    return { requests, counts }
  }
  const short = await count(shortSeconds)
  const long = await count(longSeconds)
  return { windows: [short, long], perRequest: difference(short, long) }
}

async function attach(name: CounterName, tools: Tools, children: Children, pid: number): Promise<Child> {
  const tool = tools[name]
  if (!tool) throw new Fault('internal', `${name} is missing`)
  const child = children.start({ file: tool.file, args: methods[name].args(family(pid)) }, undefined)
  for (const until = Date.now() + attachMs; Date.now() < until; ) {
    await new Promise(resolve => setTimeout(resolve, settleMs))
    if (child.ended() !== undefined) break
    if (methods[name].attached(child.said())) return child
  }
  await child.stop()
  throw failed(name, child)
}

function failed(name: CounterName, child: Child): Fault {
  return new Fault('internal', `${name} did not count: ${child.said().trim().slice(0, 300) || 'it said nothing'}`)
}

/** Per request, from the two windows; NaN never: where the long one answered no more, there is nothing. */
export function difference(short: Window, long: Window): Counts {
  const requests = long.requests - short.requests
  if (!(requests > 0)) return {}
  const names = new Set([...Object.keys(short.counts), ...Object.keys(long.counts)])
  const entries = [...names].map((name): [string, number] => {
    return [name, ((long.counts[name] ?? 0) - (short.counts[name] ?? 0)) / requests]
  })
  return Object.fromEntries(entries.sort(([, a], [, b]) => b - a))
}

/** Rows are: % time, seconds, µs a call, calls, errors (or nothing), name. The last row's name is `total`. */
export function readStrace(said: string): Counts {
  const rows = said
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(fields => fields.length >= 5 && /^[\d.]+$/.test(fields[0] ?? '') && /^[a-z_]\w*$/.test(fields.at(-1) ?? ''))
  return Object.fromEntries(rows.map(fields => [fields.at(-1), Number(fields[3])]))
}
