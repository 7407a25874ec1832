// The benchmark: scenarios × contenders → a table, and a file with every sample. All on the loopback interface; whatever
// ends the run, the processes it started end with it and its folder is removed.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, Fault } from '../src/base/errors.ts'
import { type Flags, readArgs } from './args.ts'
import { prepareBackend } from './backend.ts'
import { Children } from './children.ts'
import { contenders, yardstick } from './contenders.ts'
import { makeLoader } from './load.ts'
import { describeMachine } from './machine.ts'
import { chooseCores, freePorts } from './place.ts'
import { report, summarise } from './report.ts'
import type { Measurement, Result, Skipped } from './result.ts'
import { type Bench, measure } from './rounds.ts'
import { requestHead, responseBody, scenarios } from './scenarios.ts'
import { findTools, hint, type ToolName } from './tools.ts'

/** As in BSD's sysexits. */
const usageExit = 64
const interruptedExit = 130

async function run(flags: Flags): Promise<void> {
  const tools = findTools()
  const machine = describeMachine(tools)
  const say = (line: string): boolean => process.stderr.write(`${line}\n`)
  const skipped: Skipped[] = []
  const skip = (one: Skipped): void => {
    skipped.push(one)
    say(`SKIPPED ${one.what}: ${one.why}`)
  }
  const columns: readonly (readonly [ToolName, string])[] = [
    ['strace', 'system calls by name'],
    ['perf', 'system calls at full speed'],
    ['wrk', 'load by wrk (our own generator runs instead)'],
    ['taskset', 'one core for the proxy'],
  ]
  for (const [name, what] of columns) if (!tools[name]) skip({ what, why: hint(name) })
  const wanted = contenders.filter(({ name }) => flags.contenders.length === 0 || flags.contenders.includes(name))
  const present = wanted.filter(({ name, missing }) => {
    const why = missing(tools)
    if (why !== undefined) skip({ what: `contender ${name}`, why })
    return why === undefined
  })

  const children = new Children()
  const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'))
  process.on('exit', () => {
    children.end()
    rmSync(folder, { recursive: true, force: true })
  })
  const cores = chooseCores(tools)
  const loader = makeLoader(children, tools.wrk, cores?.rest)
  const [plain = 0, tls = 0] = await freePorts(2)
  const backend = await prepareBackend(tools, folder, { plain, tls })
  const { rounds, seconds } = flags
  const bench: Bench = {
    ...{ children, tools, cores, loader, folder, rounds, seconds, say, skip },
    backendPorts: { plain, tls },
  }
  children.start(backend.command, cores?.rest)
  const measurements: Measurement[] = []
  for (const scenario of scenarios) {
    if (flags.scenarios.length > 0 && !flags.scenarios.includes(scenario.name)) continue
    measurements.push(await measure(bench, scenario, present))
  }
  const result: Result = {
    version: 1,
    date: new Date().toISOString(),
    machine,
    flags: { rounds, seconds, contender: flags.contenders.join(), scenario: flags.scenarios.join() },
    method: {
      requestHeadBytes: requestHead.length,
      responseBodyBytes: responseBody.length,
      backend: backend.kind,
      load: loader.kind,
      cores: cores ? `proxy on core ${cores.proxy}, load and backend on core ${cores.rest}` : 'nothing pinned',
      cpuClock: 'run time of all threads, /proc/PID/task/*/schedstat',
    },
    skipped,
    summary: summarise(measurements, yardstick),
    measurements,
  }
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(result, undefined, 2)}\n`)
  process.stdout.write(`${report(result, yardstick)}\n`)
}

async function main(): Promise<void> {
  const flags = readArgs(process.argv.slice(2), contenders, scenarios)
  if (typeof flags === 'string') process.stdout.write(flags)
  else await run(flags)
  process.exit()
}

function fail(error: unknown): void {
  const usage = error instanceof Fault && error.code === 'usage'
  process.stderr.write(`${error instanceof Fault ? error.message : `internal error: ${describe(error)}`}\n`)
  process.exit(usage ? usageExit : 1)
}

process.on('SIGINT', () => process.exit(interruptedExit))
process.on('SIGTERM', () => process.exit(interruptedExit))
main().catch(fail)
