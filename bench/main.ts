// The command: which verb, its signals and its exit code.

import { describe, Fault } from '../src/base/errors.ts'
import { readRunFlags } from './args.ts'
import { contenders } from './contenders/table.ts'
import { markdown } from './report/markdown.ts'
import { startRun } from './run/run.ts'
import { scenarios } from './scenarios.ts'

/** As in BSD's sysexits. */
const usageExit = 64
const interruptedExit = 130

async function main(): Promise<void> {
  const [, ...args] = process.argv.slice(2)
  const flags = readRunFlags(args, contenders, scenarios)
  const run = startRun({
    scenarios: flags.scenarios,
    contenders: flags.contenders,
    pace: { rounds: flags.rounds, seconds: flags.seconds, warmUpSeconds: flags.warmUp },
    seed: flags.seed,
    syscalls: flags.syscalls,
    json: flags.json,
    flags: flags.given,
    terminal: process.stderr.isTTY,
    say: text => process.stderr.write(text),
  })
  process.on('exit', () => run.end())
  const result = await run.result
  process.stdout.write(`${markdown(result)}\n`)
  process.exit(result.failures.length > 0 ? 1 : 0)
}

function fail(error: unknown): void {
  const usage = error instanceof Fault && error.code === 'usage'
  process.stderr.write(`${error instanceof Fault ? error.message : `internal error: ${describe(error)}`}\n`)
  process.exit(usage ? usageExit : 1)
}

process.on('SIGINT', () => process.exit(interruptedExit))
process.on('SIGTERM', () => process.exit(interruptedExit))
main().catch(fail)
