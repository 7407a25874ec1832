// The command line of the benchmark. What it does not know is refused with the way to the help.

import { parseArgs } from 'node:util'
import { Fault } from '../src/base/errors.ts'

export interface Flags {
  readonly rounds: number
  /** Of load in each round. */
  readonly seconds: number
  /** File for the result; undefined: none. */
  readonly json: string | undefined
  /** Names to keep to; empty: all. */
  readonly contenders: readonly string[]
  readonly scenarios: readonly string[]
}

interface Named {
  readonly name: string
  readonly summary: string
}

const all: string[] = []

const options = {
  rounds: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '5' },
  json: { type: 'string' },
  contender: { type: 'string', multiple: true, default: all },
  scenario: { type: 'string', multiple: true, default: all },
  help: { type: 'boolean', short: 'h' },
} as const

/** @returns the flags, or the help's text. @throws Fault 'usage' */
export function readArgs(argv: string[], contenders: readonly Named[], scenarios: readonly Named[]): Flags | string {
  const [verb, ...args] = argv
  if (verb === undefined || verb === 'help' || verb === '--help' || verb === '-h') return help(contenders, scenarios)
  if (verb !== 'run') throw usage(`no command "${verb}"`)
  const values = parse(args)
  if (values.help) return help(contenders, scenarios)
  return {
    rounds: count('rounds', values.rounds, 100),
    seconds: count('seconds', values.seconds, 600),
    json: values.json,
    contenders: known('contender', values.contender, contenders),
    scenarios: known('scenario', values.scenario, scenarios),
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options, strict: true, allowPositionals: false }).values
  } catch (error) {
    throw usage(error instanceof Error ? (error.message.split('. ')[0] ?? '') : 'unreadable')
  }
}

function count(name: string, text: string, most: number): number {
  const value = /^[0-9]{1,4}$/.test(text) ? Number(text) : 0
  if (value < 1 || value > most) throw usage(`--${name}: want a number from 1 to ${most}, got "${text}"`)
  return value
}

function known(flag: string, names: readonly string[], table: readonly Named[]): readonly string[] {
  for (const name of names) {
    if (!table.some(row => row.name === name)) {
      throw usage(`--${flag}: no "${name}"; there are ${table.map(row => row.name).join(', ')}`)
    }
  }
  return names
}

function usage(what: string): Fault {
  return new Fault('usage', `postern-bench: ${what}; see postern-bench --help`)
}

function help(contenders: readonly Named[], scenarios: readonly Named[]): string {
  const rows = (table: readonly Named[]) => table.map(({ name, summary }) => `  ${name.padEnd(16)}  ${summary}`)
  return [
    'postern-bench: CPU and system calls per request of proxies on the same work',
    '',
    'usage: postern-bench run [FLAGS]',
    '',
    '  --rounds N         rounds of each scenario; 5 or more for a number to be quoted (default 5)',
    '  --seconds S        length of one load (default 5)',
    '  --json FILE        write the result with every sample',
    '  --contender NAME   only this one; may be repeated',
    '  --scenario NAME    only this one; may be repeated',
    '',
    'scenarios:',
    ...rows(scenarios),
    '',
    'contenders:',
    ...rows(contenders),
    '',
    'exit codes: 0 done, 1 a contender or tool failed, 64 command-line usage',
    '',
  ].join('\n')
}
