// What `list` and `--help` print.

import type { Contender } from './contenders/contender.ts'
import { showLeg } from './legs.ts'
import type { Tools } from './machine/tools.ts'
import { type Pace, plan, secondsOf } from './run/plan.ts'
import { duration } from './run/progress.ts'
import type { Scenario } from './scenarios.ts'

export const help = `postern-bench: what proxies cost and how fast they answer, on the same work

usage: postern-bench run [FLAGS]
       postern-bench report RESULT.json [--html FILE] [--brief] [--into FILE]
       postern-bench compare BEFORE.json AFTER.json [--threshold PERCENT] [--to CONTENDER]
       postern-bench list

run
  --quick            the most telling scenarios only, in less than three minutes
  --scenario NAME    only this one, on all its legs; may be repeated
  --leg NAME         only this one of h-h, h-tls, tls-h, tls-tls; may be repeated
  --contender NAME   only this one; may be repeated
  --contender NAME=COMMAND, NAME=FILE.json
                     a proxy of yours: a command that is given a queue-proxy's environment, or a description
                     (bench/README.md), compared with those named besides
  --rounds N         rounds of each scenario; 5 or more for a difference to be claimed (default 5)
  --seconds S        length of one load (default 0.75; 0.5 with --quick)
  --warm-up S        of each contender on each load (as --seconds)
  --seed N           of the order of rounds (default 1)
  --no-syscalls      do not count system calls
  --json FILE        write the result, every sample in it, after each scenario
  --html FILE        write the report

report               Markdown to the standard output, or between the marks <!-- bench --> and <!-- /bench --> of
                     --into FILE; --brief is what fits into a README; --html writes the self-contained page instead

compare              exit code 1 if anything is slower by more than the threshold (default 5 %) beyond doubt;
                     --to compares multiples of a contender, for results of different machines

All runs on the loopback interface of this machine. postern and Go's queue-proxy listen as in a pod, on every
address, so do not run this where strangers reach the machine.

exit codes: 0 done; 1 something failed while it ran, or regressed; 64 command-line usage; 130 interrupted
`

export function list(
  scenarios: readonly Scenario[],
  contenders: readonly Contender[],
  tools: Tools,
  pace: Pace,
  best: string | undefined,
): string {
  const present = contenders.filter(({ missing }) => missing(tools) === undefined)
  const { steps } = plan(scenarios, present, best)
  const total = secondsOf(steps, pace, tools).reduce((sum, seconds) => sum + seconds, 0)
  return [
    'contenders',
    ...contenders.map(({ name, summary, missing, version }) => {
      const why = missing(tools)
      return row(name, why === undefined ? `${summary} (${version(tools)})` : `SKIPPED: ${why}`)
    }),
    '',
    'scenarios',
    ...scenarios.map(({ name, summary, legs, quick }) => {
      const mark = quick.length > 0 ? `; quick: ${quick.map(showLeg).join(' ')}` : ''
      return row(name, `${summary} [${legs.map(showLeg).join(' ')}${mark}]`)
    }),
    '',
    `a full run on this machine takes about ${duration(total)}`,
    '',
  ].join('\n')
}

const row = (name: string, text: string): string => `  ${name.padEnd(16)}  ${text}`
