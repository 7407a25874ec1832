// The command line: one table of verbs, each with its flags and one sentence. Parsing is node:util's; what it refuses is
// a usage fault with the verb's own help behind it.

import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { Fault } from '../base/errors.ts'

export interface Verb {
  readonly name: string
  readonly summary: string
  /** What stands behind the verb's name in its usage line. */
  readonly usage: string
  readonly flags: readonly Flag[]
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
}

export type Command = Parsed | { readonly verb: 'help'; readonly text: string } | { readonly verb: 'version' }

/** @throws Fault 'usage' with a message that ends in the way to the help */
export function parseCommand(argv: readonly string[], verbs: readonly Verb[]): Command {
  const [name, ...rest] = argv
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const about = verbs.find(verb => verb.name === rest[0])
    return { verb: 'help', text: about ? verbHelp(about) : overview(verbs) }
  }
  if (name === '--version' || name === '-v') return { verb: 'version' }
  const verb = verbs.find(each => each.name === name)
  if (!verb) throw new Fault('usage', `postern: no command "${name}"; see postern --help`)
  const options: ParseArgsOptionsConfig = { help: { type: 'boolean', short: 'h' } }
  for (const flag of verb.flags) options[flag.name] = { type: flag.value === undefined ? 'boolean' : 'string' }
  const values = parse(verb, rest, options)
  if (values['help'] === true) return { verb: 'help', text: verbHelp(verb) }
  for (const flag of verb.flags) {
    if (flag.required && values[flag.name] === undefined) {
      throw new Fault(
        'usage',
        `postern ${verb.name}: --${flag.name} ${flag.value} is missing; see postern ${verb.name} --help`,
      )
    }
  }
  return { verb: verb.name, values }
}

function parse(verb: Verb, args: string[], options: ParseArgsOptionsConfig): Parsed['values'] {
  try {
    return parseArgs({ args, options, strict: true, allowPositionals: false }).values as Parsed['values']
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
  const width = Math.max(...verb.flags.map(flag => left(flag).length))
  const rows = verb.flags.map(flag => `  ${left(flag).padEnd(width)}  ${flag.help}`)
  return [
    `postern ${verb.name}: ${verb.summary}`,
    '',
    `usage: postern ${verb.name} ${verb.usage}`,
    '',
    ...rows,
    '',
  ].join('\n')
}
