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

/** Verbs of two words, and arguments without a flag. */
const grouped: readonly Verb[] = [
  ...verbs,
  {
    name: 'quote show',
    summary: 'show a quote',
    usage: 'FILE [--json]',
    positionals: [{ name: 'FILE', help: 'a quote' }],
    flags: [{ name: 'json', help: 'as JSON' }],
  },
  {
    name: 'quote compare',
    summary: 'compare two',
    usage: 'ONE [OTHER]',
    positionals: [
      { name: 'ONE', help: 'a quote' },
      { name: 'OTHER', help: 'another', optional: true },
    ],
    flags: [],
  },
  { name: 'quote make', summary: 'make a quote', usage: '', flags: [] },
]
const groups: [name: string, argv: string[], expected: object][] = [
  ['a verb of two words', ['quote', 'make'], { verb: 'quote make', values: {}, positionals: [] }],
  ['its argument', ['quote', 'show', 'a'], { verb: 'quote show', positionals: ['a'] }],
  ['one argument where two may be', ['quote', 'compare', 'a'], { positionals: ['a'] }],
  ['both', ['quote', 'compare', 'a', 'b'], { positionals: ['a', 'b'] }],
  ['an argument behind a flag', ['quote', 'show', '--json', 'a'], { values: { json: true }, positionals: ['a'] }],
  ['an argument that looks like a flag', ['quote', 'show', '--', '-a'], { positionals: ['-a'] }],
  [
    'a group alone',
    ['quote'],
    {
      verb: 'help',
      text: /\n {2}quote show {5}show a quote\n {2}quote compare {2}compare two\n {2}quote make {5}make a quote\n\n/,
    },
  ],
  ['a group and --help', ['quote', '--help'], { verb: 'help', text: /quote make/ }],
  ['a group and -h', ['quote', '-h'], { verb: 'help', text: /quote make/ }],
  ['help of a group', ['help', 'quote'], { verb: 'help', text: /quote make/ }],
  [
    'help of a verb of two words',
    ['help', 'quote', 'show'],
    { text: /^postern quote show: .*\n\n {2}FILE {4}a quote\n {2}--json {2}as JSON\n$/s },
  ],
  ['a verb of one word beside a group', ['digest'], { verb: 'digest' }],
]
for (const [name, argv, expected] of groups) {
  t.test(`understands ${name}`, async t => {
    t.match(parseCommand(argv, grouped), expected)
  })
}
const wrong: [name: string, argv: string[], message: RegExp][] = [
  [
    'a second word that does not exist',
    ['quote', 'eat'],
    /^postern quote: no command "eat"; see postern quote --help$/,
  ],
  ['the first letters of a group', ['quo'], /^postern: no command "quo"; see postern --help$/],
  ['a missing argument', ['quote', 'show'], /^postern quote show: FILE is missing; see postern quote show --help$/],
  ['an argument too many', ['quote', 'show', 'a', 'b'], /^postern quote show: Unexpected argument 'b'; see/],
  ['none where one must be', ['quote', 'compare'], /^postern quote compare: ONE is missing/],
  ['three where two may be', ['quote', 'compare', 'a', 'b', 'c'], /Unexpected argument 'c'/],
  ['an argument that is not wanted', ['quote', 'make', 'a'], /^postern quote make: Unexpected argument 'a'/],
]
for (const [name, argv, message] of wrong) {
  t.test(`${name}: a usage fault`, async t => {
    t.throws(() => parseCommand(argv, grouped), { code: 'usage', message })
  })
}

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
