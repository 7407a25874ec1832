import t from 'tap'
import { parseCommand, type Verb } from '../../src/cli/args.ts'

const verbs: readonly Verb[] = [
  {
    name: 'proxy',
    summary: 'run the proxy',
    usage: '--policy FILE [--quiet]',
    flags: [
      { name: 'policy', value: 'FILE', help: 'whom to trust', required: true },
      { name: 'engine', value: 'NAME', help: 'how bytes move' },
      { name: 'quiet', help: 'say less' },
    ],
  },
  { name: 'digest', summary: 'print a digest', usage: '', flags: [] },
]

const parsed: [name: string, argv: string[], expected: object][] = [
  ['a verb without flags', ['digest'], { verb: 'digest', values: {} }],
  ['a flag with its value', ['proxy', '--policy', 'p.json'], { verb: 'proxy', values: { policy: 'p.json' } }],
  ['a value behind =', ['proxy', '--policy=p.json'], { verb: 'proxy', values: { policy: 'p.json' } }],
  ['a switch', ['proxy', '--policy=p', '--quiet'], { values: { policy: 'p', quiet: true } }],
  ['the last of two values', ['proxy', '--policy=a', '--policy=b'], { values: { policy: 'b' } }],
  ['--version', ['--version'], { verb: 'version' }],
  ['-v', ['-v'], { verb: 'version' }],
]
for (const [name, argv, expected] of parsed) {
  t.test(`understands ${name}`, async t => {
    t.match(parseCommand(argv, verbs), expected)
  })
}

const helps: [name: string, argv: string[], text: RegExp][] = [
  ['nothing at all', [], /^postern: a queue-proxy .* {2}proxy {3}run the proxy\n {2}digest {2}print a digest\n/s],
  ['help', ['help'], /exit codes: 0 done, 1 .*, 64 command-line usage/],
  ['--help', ['--help'], /usage: postern COMMAND/],
  ['-h', ['-h'], /usage: postern COMMAND/],
  ['help of nobody', ['help', 'nobody'], /usage: postern COMMAND/],
  [
    'help of a verb',
    ['help', 'proxy'],
    /^postern proxy: run the proxy\n\nusage: postern proxy --policy FILE \[--quiet\]\n\n {2}--policy FILE {2}whom to trust\n {2}--engine NAME {2}how bytes move\n {2}--quiet {8}say less\n$/,
  ],
  ['--help of a verb, whatever is missing', ['proxy', '--help'], /^postern proxy: /],
  ['-h of a verb', ['proxy', '-h'], /^postern proxy: /],
  ['--help of a verb without flags', ['digest', '--help'], /^postern digest: print a digest\n/],
]
for (const [name, argv, text] of helps) {
  t.test(`${name} gets help`, async t => {
    const command = parseCommand(argv, verbs)
    t.match(command, { verb: 'help', text })
  })
}

const refused: [name: string, argv: string[], message: RegExp][] = [
  ['a verb that does not exist', ['prxy'], /^postern: no command "prxy"; see postern --help$/],
  ['a flag before the verb', ['--policy=p', 'proxy'], /^postern: no command "--policy=p"; see postern --help$/],
  ['a missing flag', ['proxy'], /^postern proxy: --policy FILE is missing; see postern proxy --help$/],
  ['an unknown flag', ['proxy', '--polcy=p'], /^postern proxy: Unknown option '--polcy'; see postern proxy --help$/],
  ['a flag of another verb', ['digest', '--policy=p'], /^postern digest: Unknown option '--policy'/],
  ['a flag without its value', ['proxy', '--policy'], /^postern proxy: .*'--policy <value>' argument missing; see/],
  ['a switch with a value', ['proxy', '--policy=p', '--quiet=yes'], /^postern proxy: .*'--quiet' does not take an arg/],
  ['a stray word', ['proxy', '--policy=p', 'x'], /^postern proxy: Unexpected argument 'x'/],
  ['a flag named like a property of objects', ['digest', '--__proto__=x'], /^postern digest: Unknown option/],
]
for (const [name, argv, message] of refused) {
  t.test(`refuses ${name}`, async t => {
    t.throws(() => parseCommand(argv, verbs), { code: 'usage', message })
  })
}
