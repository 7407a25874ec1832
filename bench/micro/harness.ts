// Times small functions against each other: CPU of this process, rounds in random order, medians with their intervals, as
// the big benchmark does it. `--json` prints every sample.

import { estimate } from '../stats/estimate.ts'
import { seeded, shuffled } from '../stats/random.ts'

export interface Timed {
  readonly name: string
  /** Does the thing once; what it returns is looked at, so that it cannot be left out. */
  readonly run: () => unknown
}

const rounds = 15
/** Long enough for the clock of the kernel's books. */
const roundMs = 40
const warmUpMs = 150
const nsPerUs = 1_000

let sink: unknown

/** Prints a line each; µs of CPU a call, garbage collection included. */
export function time(functions: readonly Timed[]): void {
  const batches = functions.map(({ run }) => batchOf(run))
  const samples = functions.map((): number[] => [])
  const random = seeded(1)
  for (let round = 0; round < rounds; round++) {
    for (const i of shuffled([...functions.keys()], random)) {
      const [run, batch] = [functions[i]?.run, batches[i]]
      if (run && batch) samples[i]?.push(spend(run, batch) / batch)
    }
  }
  const found = functions.map(({ name }, i) => ({ name, ns: estimate((samples[i] ?? []).map(us => us * nsPerUs)) }))
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ node: process.version, functions: found, samplesUs: samples })}\n`)
    return
  }
  for (const { name, ns } of found) {
    const interval = ns ? `${ns.low.toFixed(0)} to ${ns.high.toFixed(0)}` : ''
    process.stdout.write(`${name.padEnd(44)} ${(ns?.median ?? 0).toFixed(0).padStart(7)} ns  (${interval})\n`)
  }
}

/** So many calls as fill a round, after a warm-up. */
function batchOf(run: () => unknown): number {
  let calls = 0
  const until = performance.now() + warmUpMs
  while (performance.now() < until) {
    for (let i = 0; i < 100; i++) sink = run()
    calls += 100
  }
  return Math.max(1, Math.round((calls * roundMs) / warmUpMs))
}

/** µs of user and system time. */
function spend(run: () => unknown, calls: number): number {
  const before = process.cpuUsage()
  for (let i = 0; i < calls; i++) sink = run()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

/** For a look at it, which keeps the calls from being taken out. */
export const last = (): unknown => sink
