// The command line of the benchmark. What it does not know is refused with the way to the help.

import { parseArgs } from 'node:util'
import { Fault } from '../src/base/errors.ts'
import type { Contender } from './contenders/contender.ts'
import { type LegName, legs } from './legs.ts'
import type { Scenario } from './scenarios.ts'

export interface RunFlags {
  readonly scenarios: readonly Scenario[]
  readonly contenders: readonly Contender[]
  readonly rounds: number
  readonly seconds: number
  readonly warmUp: number
  readonly seed: number
  readonly syscalls: boolean
  readonly json: string | undefined
  readonly html: string | undefined
  readonly given: Readonly<Record<string, string | boolean>>
}

const none: string[] = []

const options = {
  quick: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  'warm-up': { type: 'string' },
  seed: { type: 'string', default: '1' },
  'no-syscalls': { type: 'boolean', default: false },
  json: { type: 'string' },
  html: { type: 'string' },
  contender: { type: 'string', multiple: true, default: none },
  scenario: { type: 'string', multiple: true, default: none },
  leg: { type: 'string', multiple: true, default: none },
} as const

/** @throws Fault 'usage' */
export function readRunFlags(
  args: readonly string[],
  contenders: readonly Contender[],
  scenarios: readonly Scenario[],
): RunFlags {
  const values = parse(args)
  const { quick, scenario, contender, leg } = values
  const wantedLegs = known('leg', leg, Object.keys(legs)) as readonly LegName[]
  const named = known(
    'scenario',
    scenario,
    scenarios.map(({ name }) => name),
  )
  const rows = scenarios
    .filter(({ name }) => named.length === 0 || named.includes(name))
    .map(row => (quick && named.length === 0 ? { ...row, legs: row.quick } : row))
    .map(row => ({ ...row, legs: row.legs.filter(each => wantedLegs.length === 0 || wantedLegs.includes(each)) }))
    .filter(row => row.legs.length > 0)
  if (rows.length === 0) throw usage('nothing to run: no such leg in these scenarios')
  const chosen = known(
    'contender',
    contender,
    contenders.map(({ name }) => name),
  )
  return {
    scenarios: rows,
    contenders: contenders.filter(({ name }) => chosen.length === 0 || chosen.includes(name)),
    rounds: number('rounds', values.rounds ?? '5', 1, 100),
    seconds: number('seconds', values.seconds ?? (quick ? '0.8' : '1'), 0.1, 600),
    warmUp: number('warm-up', values['warm-up'] ?? (quick ? '0.8' : '1'), 0.1, 60),
    seed: number('seed', values.seed, 0, 2 ** 32 - 1),
    syscalls: !values['no-syscalls'],
    json: values.json,
    html: values.html,
    given: Object.fromEntries(
      Object.entries(values)
        .filter(([name]) => name !== 'json' && name !== 'html')
        .map(([name, value]) => [name, Array.isArray(value) ? value.join() : (value as string | boolean)]),
    ),
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values
  } catch (error) {
    throw usage(error instanceof Error ? (error.message.split('. ')[0] ?? '') : 'unreadable')
  }
}

function number(name: string, text: string, least: number, most: number): number {
  const value = /^[0-9]{1,10}(\.[0-9]+)?$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= least && value <= most))
    throw usage(`--${name}: want a number from ${least} to ${most}, got "${text}"`)
  return value
}

function known(flag: string, names: readonly string[], table: readonly string[]): readonly string[] {
  for (const name of names) {
    if (!table.includes(name)) throw usage(`--${flag}: no "${name}"; there are ${table.join(', ')}`)
  }
  return names
}

export function usage(what: string): Fault {
  return new Fault('usage', `postern-bench: ${what}; see postern-bench --help`)
}
