import t from 'tap'
import { type Node, type Operand, type Pipe, parse } from '../../../src/observe/template/parser.ts'

/** The tree as text: groups in parentheses, literals as JSON, floats with a tilde. */
function shown(nodes: readonly Node[]): string {
  return nodes
    .map(node => {
      if (node.kind === 'text') return node.text
      if (node.kind === 'action') return `<${pipe(node.pipe)}>`
      return `<if ${pipe(node.pipe)}: ${shown(node.then)} | ${shown(node.otherwise)}>`
    })
    .join('')
}
function pipe({ commands }: Pipe): string {
  return commands.map(({ first, rest }) => [first, ...rest].map(operand).join(' ')).join(' | ')
}
function operand(each: Operand): string {
  if (each.kind === 'path') return `.${each.names.join('.')}`
  if (each.kind === 'function') return each.name
  if (each.kind === 'group') return `(${pipe(each.pipe)})`
  return `${each.float ? '~' : ''}${JSON.stringify(each.value)}`
}

const rows: [source: string, expected: string][] = [
  ['a{{.A.B}}b', 'a<.A.B>b'],
  ['{{$}}{{$.A}}{{.}}', '<.><.A><.>'],
  ['{{ f .A (g "x" | h) | i 1 }}', '<f .A (g "x" | h) | i 1>'],
  ['{{if .A}}a{{end}}', '<if .A: a | >'],
  ['{{if .A}}a{{else}}b{{end}}c', '<if .A: a | b>c'],
  ['{{if 1}}a{{else if 2}}b{{else}}c{{end}}', '<if 1: a | <if 2: b | c>>'],
  ['{{if 1}}{{if 2}}x{{end}}{{end}}', '<if 1: <if 2: x | > | >'],
  ['{{true}}{{false}}{{nil}}', '<true><false><null>'],
  ['{{0}}{{-0}}{{017}}{{0x1f}}{{0b1_1}}{{-5}}{{+7}}', '<0><0><15><31><3><-5><7>'],
  ['{{1.5}}{{1e3}}{{.5}}{{-2.}}', '<~1.5><~1000><~0.5><~-2>'],
  [`{{'a'}}{{'\\n'}}{{'\\''}}{{'\xc3\xa9'}}{{'\\u00e9'}}`, '<97><10><39><233><233>'],
  [
    '{{"\\a\\b\\f\\n\\r\\t\\v\\\\\\"\\x41\\101\\u00e9\\U0001F600"}}',
    `<${JSON.stringify('\x07\b\f\n\r\t\v\\"AA\xc3\xa9\xf0\x9f\x98\x80')}>`,
  ],
  ['{{`a\\n\r`}}', `<${JSON.stringify('a\\n')}>`],
]
for (const [source, expected] of rows)
  t.test(JSON.stringify(source), async t => t.equal(shown(parse(source)), expected))

const refusals: [source: string, message: string][] = [
  ['{{if 1}}', '1:3: unexpected EOF: the action is never ended'],
  ['{{end}}', '1:3: unexpected {{end}}'],
  ['a{{else}}', '1:4: unexpected {{else}}'],
  ['{{if 1}}{{else}}{{else}}{{end}}', '1:19: expected end; found {{else}}'],
  ['{{if 1}}{{end x}}', '1:15: unexpected "x" in end'],
  ['{{if 1}}{{else x}}{{end}}', '1:16: unexpected "x" in else'],
  ['{{block "x" .}}', '1:3: {{block}} is not supported'],
  ['{{}}', '1:3: missing value for command'],
  ['{{if}}', '1:5: missing value for if'],
  ['{{| f}}', '1:3: missing value for command'],
  ['{{f |}}', '1:6: missing value for command'],
  ['{{f | | g}}', '1:7: missing value for command'],
  ['{{(f}}', '1:5: unclosed left paren'],
  ['{{f)}}', '1:4: unexpected right paren'],
  ['{{()}}', '1:4: missing value for parenthesized pipeline'],
  ['{{f | 1}}', '1:7: non executable command in pipeline stage 2'],
  ['{{1 | (f)}}', '1:7: non executable command in pipeline stage 2'],
  ['{{"a".B}}', '1:6: fields of a value in parentheses or of a literal are not supported'],
  ['{{"a""b"}}', '1:6: unexpected ""b"" in operand'],
  ['{{. .}}{{.}.}}', '1:11: unexpected "}" in action'],
  ['{{"\\z"}}', '1:3: invalid syntax in "\\z"'],
  ['{{"\\400"}}', '1:3: invalid syntax in "\\400"'],
  ['{{"\\ud800"}}', '1:3: invalid syntax in "\\ud800"'],
  [`{{'ab'}}`, `1:3: unexpected "'" in action`],
  [`{{'\\x41b'}}`, `1:3: malformed character constant: '\\x41b'`],
  ['{{09}}', '1:3: bad number syntax: "09"'],
  ['{{1e999}}', '1:3: bad number syntax: "1e999"'],
  ['{{9007199254740993}}', '1:3: bad number syntax: "9007199254740993"'],
]
for (const [source, message] of refusals) {
  t.test(`refused: ${JSON.stringify(source)}`, async t => {
    t.throws(() => parse(source), { message: `template: requestLog:${message}`, code: 'environment-invalid' })
  })
}

t.test('as deep as sense goes', async t => {
  t.throws(() => parse('{{if 1}}'.repeat(101)), { message: /too deep/ })
  t.throws(() => parse(`{{${'('.repeat(101)}}}`), { message: /too deep/ })
  t.doesNotThrow(() => parse(`${'{{if 1}}'.repeat(50)}${'{{end}}'.repeat(50)}`.repeat(3)))
})
