import t from 'tap'
import { lex } from '../../../src/observe/template/lexer.ts'

const words = (source: string): string[] =>
  lex(source).map(({ kind, text }) => (kind === 'space' || kind === 'end' ? kind : `${kind} ${text}`))

const rows: [source: string, expected: string[]][] = [
  ['', ['end']],
  ['text', ['text text', 'end']],
  ['{{ .A.B }}', ['open {{', 'field .A', 'field .B', 'space', 'close }}', 'end']],
  ['{{js $.A|len}}', ['open {{', 'name js', 'space', 'root $', 'field .A', 'pipe |', 'name len', 'close }}', 'end']],
  ['{{("a}}")}}', ['open {{', 'left (', 'string "a}}"', 'right )', 'close }}', 'end']],
  ['{{`r`}}{{.}}', ['open {{', 'string `r`', 'close }}', 'open {{', 'dot .', 'close }}', 'end']],
  [`{{'x' }}`, ['open {{', "char 'x'", 'space', 'close }}', 'end']],
  ['a \n{{- 1 -}} \n b', ['text a', 'open {{', 'number 1', 'close }}', 'text b', 'end']],
  ['a {{-1}} b', ['text a ', 'open {{', 'number -1', 'close }}', 'text  b', 'end']],
  ['a {{/* c }} */}} b', ['text a ', 'text  b', 'end']],
  ['a {{- /* c */ -}} b', ['text a', 'text b', 'end']],
  [' {{- 1}}', ['open {{', 'number 1', 'close }}', 'end']],
  [
    '{{0x1F 1_0 .5 1e-3 +2}}',
    [
      'open {{',
      'number 0x1F',
      'space',
      'number 1_0',
      'space',
      'number .5',
      'space',
      'number 1e-3',
      'space',
      'number +2',
      'close }}',
      'end',
    ],
  ],
]
for (const [source, expected] of rows) t.test(JSON.stringify(source), async t => t.same(words(source), expected))

const refusals: [source: string, message: string][] = [
  ['a\n{{x', '2:1: unclosed action'],
  ['{{/* x', '1:1: unclosed comment'],
  ['{{/* x */ y}}', '1:1: comment ends before closing delimiter'],
  ['{{"x}}', '1:3: unterminated quoted string'],
  ['{{`x}}', '1:3: unterminated raw quoted string'],
  ['{{$x}}', '1:3: variables are not supported'],
  ['{{#}}', '1:3: unexpected "#" in action'],
  ['{{1x}}', '1:3: bad number syntax: "1x"'],
  ['{{.A,}}', '1:5: bad character ","'],
]
for (const [source, message] of refusals) {
  t.test(`refused: ${JSON.stringify(source)}`, async t => {
    t.throws(() => lex(source), { message: `template: requestLog:${message}`, code: 'environment-invalid' })
  })
}

t.test('columns count characters, not bytes', async t => {
  t.throws(() => lex('\xc3\xa9{{#}}'), { message: /:1:4: / })
})
