// The command line of the benchmark. What it does not know is refused with the way to the help.

import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { Fault } from '../src/base/errors.ts'
import type { Contender } from './contenders/contender.ts'
import { customContender } from './contenders/custom.ts'
import { type LegName, legs } from './legs.ts'
import type { Counting, Pace } from './run/plan.ts'
import type { Scenario } from './scenarios.ts'

export interface RunCommand {
  readonly verb: 'run'
  readonly scenarios: readonly Scenario[]
  readonly contenders: readonly Contender[]
  readonly pace: Pace
  readonly seed: number
  readonly counting: Counting
  readonly json: string | undefined
  readonly html: string | undefined
  /** As given, for the result; without paths. */
  readonly given: Readonly<Record<string, string | boolean>>
}

export interface ReportCommand {
  readonly verb: 'report'
  readonly file: string
  readonly html: string | undefined
  /** Only what fits into a README. */
  readonly brief: boolean
  /** A text file in which the part between two marks is replaced by the Markdown. */
  readonly into: string | undefined
}

export interface CompareCommand {
  readonly verb: 'compare'
  readonly before: string
  readonly after: string
  readonly threshold: number
  readonly to: string | undefined
}

export type Command = RunCommand | ReportCommand | CompareCommand | { readonly verb: 'list' | 'help' }

const none: string[] = []
/** Of a full run that is told nothing else. */
export const usualPace: Pace = { rounds: 5, seconds: 0.75, warmUpSeconds: 0.75 }
const quickSeconds = 0.5
/** Per cent. */
const usualThreshold = 5

const runOptions = {
  quick: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  'warm-up': { type: 'string' },
  seed: { type: 'string' },
  'no-syscalls': { type: 'boolean', default: false },
  json: { type: 'string' },
  html: { type: 'string' },
  contender: { type: 'string', multiple: true, default: none },
  scenario: { type: 'string', multiple: true, default: none },
  leg: { type: 'string', multiple: true, default: none },
} as const

const reportOptions = {
  html: { type: 'string' },
  into: { type: 'string' },
  brief: { type: 'boolean', default: false },
} as const

interface Tables {
  readonly contenders: readonly Contender[]
  readonly scenarios: readonly Scenario[]
}

/** @throws Fault 'usage' */
export function readCommand(argv: readonly string[], tables: Tables): Command {
  const [verb = 'help', ...args] = argv
  if (args.includes('--help') || args.includes('-h')) return { verb: 'help' }
  switch (verb) {
    case 'run':
      return readRun(args, tables)
    case 'report':
      return readReport(args)
    case 'compare':
      return readCompare(args)
    case 'list':
      parse(args, {})
      return { verb }
    case 'help':
    case '--help':
    case '-h':
      return { verb: 'help' }
    default:
      throw usage(`no command "${verb}"`)
  }
}

function readRun(args: readonly string[], { contenders, scenarios }: Tables): RunCommand {
  const { values } = parse(args, runOptions)
  const { quick, scenario, contender, leg } = values
  const custom = contender.filter(name => name.includes('=')).map(customContender)
  const chosen = contender.map(given => given.replace(/=.*/s, ''))
  const everybody = [...contenders.filter(({ name }) => !custom.some(each => each.name === name)), ...custom]
  const rows = chooseScenarios(scenarios, scenario, leg, quick)
  const { rounds, seconds, warmUpSeconds } = usualPace
  return {
    verb: 'run',
    scenarios: rows,
    contenders: choose('contender', chosen, everybody).map(each =>
      chosen.length > 0 ? { ...each, takesPart: undefined } : each,
    ),
    pace: {
      rounds: number('rounds', values.rounds, 1, 100) ?? rounds,
      seconds: number('seconds', values.seconds, 0.1, 600) ?? (quick ? quickSeconds : seconds),
      warmUpSeconds: number('warm-up', values['warm-up'], 0.1, 60) ?? (quick ? quickSeconds : warmUpSeconds),
    },
    seed: number('seed', values.seed, 0, 2 ** 32 - 1) ?? 1,
    counting: values['no-syscalls'] ? 'none' : quick ? 'one' : 'both',
    json: values.json,
    html: values.html,
    given: { quick, scenario: scenario.join(), contender: chosen.join(), leg: leg.join() },
  }
}

/** Named ones with all their legs; otherwise all, or with --quick those that have legs for it. */
function chooseScenarios(
  scenarios: readonly Scenario[],
  named: readonly string[],
  wantedLegs: readonly string[],
  quick: boolean,
): readonly Scenario[] {
  for (const each of wantedLegs) {
    if (!Object.hasOwn(legs, each)) throw usage(`--leg: no "${each}"; there are ${Object.keys(legs).join(', ')}`)
  }
  const wanted = (leg: LegName): boolean => wantedLegs.length === 0 || wantedLegs.includes(leg)
  const rows = choose('scenario', named, scenarios)
    .map(row => ({ ...row, legs: quick && named.length === 0 ? row.quick : row.legs }))
    .map(row => ({ ...row, legs: row.legs.filter(wanted) }))
    .filter(row => row.legs.length > 0)
  if (rows.length === 0) throw usage('nothing to run: these scenarios have no such leg')
  return rows
}

function readReport(args: readonly string[]): ReportCommand {
  const { values, positionals } = parse(args, reportOptions, 1)
  const [file = ''] = positionals
  return { verb: 'report', file, html: values.html, brief: values.brief, into: values.into }
}

function readCompare(args: readonly string[]): CompareCommand {
  const options = { threshold: { type: 'string' }, to: { type: 'string' } } as const
  const { values, positionals } = parse(args, options, 2)
  const [before = '', after = ''] = positionals
  const threshold = (number('threshold', values.threshold, 0, 1_000) ?? usualThreshold) / 100
  return { verb: 'compare', before, after, threshold, to: values.to }
}

function parse<const O extends ParseArgsOptionsConfig>(args: readonly string[], options: O, files = 0) {
  let parsed: ReturnType<typeof parseArgs<{ args: string[]; options: O; strict: true; allowPositionals: true }>>
  try {
    parsed = parseArgs({ args: [...args], options, strict: true, allowPositionals: true })
  } catch (error) {
    throw usage(error instanceof Error ? (error.message.split('. ')[0] ?? '') : 'unreadable')
  }
  const got = parsed.positionals.length
  if (got !== files) throw usage(`want ${files === 0 ? 'no file' : `${files} result files`}, got ${got}`)
  return parsed
}

/** Undefined where the flag was not given. */
function number(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined
  const value = /^[0-9]{1,10}(\.[0-9]+)?$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= least && value <= most))
    throw usage(`--${name}: want a number from ${least} to ${most}, got "${text}"`)
  return value
}

/** Those of these names, in the table's order; all, where none is named. */
function choose<T extends { readonly name: string }>(flag: string, names: readonly string[], table: readonly T[]) {
  for (const name of names) {
    if (!table.some(row => row.name === name)) {
      throw usage(`--${flag}: no "${name}"; there are ${table.map(row => row.name).join(', ')}`)
    }
  }
  return names.length === 0 ? table : table.filter(row => names.includes(row.name))
}

function usage(what: string): Fault {
  return new Fault('usage', `postern-bench: ${what}; see postern-bench --help`)
}
