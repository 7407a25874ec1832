// The command line: one table of verbs, each with its flags and one sentence. Parsing is node:util's; what it refuses is
// a usage fault with the verb's own help behind it.

import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { Fault } from '../base/errors.ts'

export interface Verb {
  /** One word, or two: `quote verify` is a verb of the group `quote`. */
  readonly name: string
  readonly summary: string
  /** What stands behind the verb's name in its usage line. */
  readonly usage: string
  readonly flags: readonly Flag[]
  /** Arguments without a flag. */
  readonly positionals?: readonly Positional[]
}

export interface Positional {
  readonly name: string
  readonly help: string
  /** May be left out; only the last ones may. */
  readonly optional?: boolean
}

export interface Flag {
  readonly name: string
  /** Placeholder of the value; absent for a switch. */
  readonly value?: string
  readonly help: string
  readonly required?: boolean
}

export interface Parsed {
  readonly verb: string
  readonly values: Readonly<Record<string, string | boolean | undefined>>
  /** As many as the verb has, but for optional ones. */
  readonly positionals: readonly string[]
}

export type Command = Parsed | { readonly verb: 'help'; readonly text: string } | { readonly verb: 'version' }

/** @throws Fault 'usage' with a message that ends in the way to the help */
export function parseCommand(argv: readonly string[], verbs: readonly Verb[]): Command {
  const [name, ...rest] = argv
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const about = rest.join(' ')
    const verb = verbs.find(each => each.name === about)
    return { verb: 'help', text: verb ? verbHelp(verb) : overview(groupOf(verbs, about)) }
  }
  if (name === '--version' || name === '-v') return { verb: 'version' }
  const group = groupOf(verbs, name)
  if (group !== verbs) return parseGroup(name, rest, group)
  const verb = verbs.find(each => each.name === name)
  if (!verb) throw new Fault('usage', `postern: no command "${name}"; see postern --help`)
  return parseVerb(verb, rest)
}

/** The verbs of two words that begin with this one; all verbs where there are none. */
function groupOf(verbs: readonly Verb[], name: string): readonly Verb[] {
  const group = verbs.filter(verb => verb.name.startsWith(`${name} `))
  return group.length > 0 ? group : verbs
}

function parseGroup(name: string, rest: readonly string[], group: readonly Verb[]): Command {
  const [second, ...args] = rest
  if (second === undefined || second === '--help' || second === '-h') return { verb: 'help', text: overview(group) }
  const verb = group.find(each => each.name === `${name} ${second}`)
  if (!verb) throw new Fault('usage', `postern ${name}: no command "${second}"; see postern ${name} --help`)
  return parseVerb(verb, args)
}

function parseVerb(verb: Verb, rest: readonly string[]): Command {
  const options: ParseArgsOptionsConfig = { help: { type: 'boolean', short: 'h' } }
  for (const flag of verb.flags) options[flag.name] = { type: flag.value === undefined ? 'boolean' : 'string' }
  const { values, positionals } = parse(verb, [...rest], options)
  if (values['help'] === true) return { verb: 'help', text: verbHelp(verb) }
  for (const flag of verb.flags) {
    if (flag.required && values[flag.name] === undefined) throw missing(verb, `--${flag.name} ${flag.value}`)
  }
  const wanted = verb.positionals ?? []
  const absent = wanted[positionals.length]
  if (absent && !absent.optional) throw missing(verb, absent.name)
  const extra = positionals[wanted.length]
  if (extra !== undefined) {
    throw new Fault('usage', `postern ${verb.name}: Unexpected argument '${extra}'; see postern ${verb.name} --help`)
  }
  return { verb: verb.name, values, positionals }
}

function missing(verb: Verb, what: string): Fault {
  return new Fault('usage', `postern ${verb.name}: ${what} is missing; see postern ${verb.name} --help`)
}

function parse(verb: Verb, args: string[], options: ParseArgsOptionsConfig): Omit<Parsed, 'verb'> {
  try {
    const allowPositionals = verb.positionals !== undefined
    const { values, positionals } = parseArgs({ args, options, strict: true, allowPositionals })
    return { values: values as Parsed['values'], positionals }
  } catch (error) {
    const text = error instanceof Error ? (error.message.split('. ')[0] ?? '') : ''
    throw new Fault('usage', `postern ${verb.name}: ${text}; see postern ${verb.name} --help`)
  }
}

function overview(verbs: readonly Verb[]): string {
  const width = Math.max(...verbs.map(verb => verb.name.length))
  const rows = verbs.map(verb => `  ${verb.name.padEnd(width)}  ${verb.summary}`)
  return [
    'postern: a queue-proxy for Knative that verifies the container it forwards to',
    '',
    'usage: postern COMMAND [FLAGS]',
    '',
    ...rows,
    '',
    '  postern COMMAND --help    the flags of a command',
    '  postern --version',
    '',
    'exit codes: 0 done, 1 environment, policy, bind failure or refused verdict, 64 command-line usage',
    '',
  ].join('\n')
}

function verbHelp(verb: Verb): string {
  const left = (flag: Flag): string => (flag.value === undefined ? `--${flag.name}` : `--${flag.name} ${flag.value}`)
  const all = [
    ...(verb.positionals ?? []).map(({ name, help }) => ({ name, help })),
    ...verb.flags.map(flag => ({ name: left(flag), help: flag.help })),
  ]
  const width = Math.max(...all.map(({ name }) => name.length))
  const rows = all.map(({ name, help }) => `  ${name.padEnd(width)}  ${help}`)
  return [
    `postern ${verb.name}: ${verb.summary}`,
    '',
    `usage: postern ${verb.name} ${verb.usage}`,
    '',
    ...rows,
    '',
  ].join('\n')
}
