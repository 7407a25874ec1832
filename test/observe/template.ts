import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import type { Summary } from '../../src/gate/contract.ts'
import { failure } from '../../src/observe/template/values.ts'
import { compileTemplate } from '../../src/observe/template.ts'
import { serving, summaryOf } from './summary.js'

interface Corpus {
  readonly requests: readonly {
    readonly raw: string
    readonly code: number
    readonly size: number
    readonly ns: number
  }[]
  readonly cases: readonly {
    readonly template: string
    readonly refused?: boolean
    readonly outputs?: readonly (string | null)[]
  }[]
}

/** Regenerated with `go run templates.go`; it reads the same file. */
const corpus: Corpus = JSON.parse(readFileSync(new URL('templates.json', import.meta.url), 'utf8'))

const summaries = corpus.requests.map(({ raw, code, size, ns }): Summary => {
  const [line = '', ...lines] = (raw.split('\r\n\r\n')[0] ?? '').split('\r\n')
  const [method = '', target = '', version] = line.split(' ')
  const fields = lines.flatMap(field => /^([^:]*):\s*(.*)$/.exec(field)?.slice(1) ?? [])
  const summary = summaryOf(
    { status: code, bytesSent: size, totalMs: ns / 1e6 },
    { method, target, version: version === 'HTTP/1.0' ? '1.0' : '1.1', fields },
  )
  const from = { ...summary.head.from, port: 4711 }
  return { ...summary, head: { ...summary.head, from } }
})

const whole = (template: string): string => (template.endsWith('\n') ? template : `${template}\n`)

function outcome(template: string): 'refused' | (string | null)[] {
  let render: ReturnType<typeof compileTemplate>
  try {
    render = compileTemplate(whole(template), serving)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return 'refused'
  }
  return summaries.map(summary => {
    try {
      return Buffer.from(render(summary), 'latin1').toString('base64')
    } catch (error) {
      if (error !== failure) throw error
      return null
    }
  })
}

for (const { template, refused, outputs } of corpus.cases) {
  t.test(`as Go: ${JSON.stringify(template)}`, async t => t.same(outcome(template), refused ? 'refused' : outputs))
}

// What Go would accept or find out later, and what no template is: refused with line and column.
const refusals: [template: string, place: string, why: string][] = [
  ['{{range .X}}', '1:3', '{{range}} is not supported'],
  ['{{with .X}}x{{end}}', '1:3', '{{with}} is not supported'],
  ['a\nb {{define "x"}}{{end}}', '2:5', '{{define}} is not supported'],
  ['é {{template "x"}}', '1:5', '{{template}} is not supported'],
  ['{{$x := 1}}', '1:3', 'variables are not supported'],
  ['{{.}}', '1:3', '. cannot be shown'],
  ['{{.Request}}', '1:3', '.Request cannot be shown'],
  ['{{.Request.Header}}', '1:3', '.Request.Header can only be indexed or asked with Get'],
  ['{{js .Request.Header}}', '1:6', '.Request.Header can only be indexed or asked with Get'],
  ['{{index .Request.Header}}', '1:9', 'index: which header field?'],
  ['{{.Request.Header.Del "x"}}', '1:3', '.Request.Header.Del is not supported'],
  ['{{.Request.TLS.Version}}', '1:3', '.Request.TLS.Version is not supported'],
  ['{{if .Request.Form}}x{{end}}', '1:6', '.Request.Form is not supported'],
  ['{{.Request.URL.Query}}', '1:3', '.Request.URL.Query is not supported'],
  ['{{(.Request).Method}}', '1:13', 'fields of a value in parentheses or of a literal are not supported'],
  ['{{slice "abc" 1}}', '1:3', 'slice is not supported'],
  ['{{call .X}}', '1:3', 'call is not supported'],
  ['{{env "SECRET"}}', '1:3', 'function "env" not defined'],
  ['{{printf .TraceID}}', '1:10', 'printf: the format must be a string literal'],
  ['{{printf}}', '1:3', 'printf: the format must be a string literal'],
  ['{{"%s" | printf}}', '1:10', 'printf: the format must be a string literal'],
  ['{{printf "%p" 1}}', '1:10', 'printf: "%p" is not supported'],
  ['{{nil}}', '1:3', 'nil is not a command'],
  ['{{eq nil nil}}', '1:6', 'nil is not supported'],
  ['{{1 2}}', '1:3', "can't give argument to non-function"],
  ['{{(1) 2}}', '1:3', "can't give argument to non-function"],
]
for (const [template, place, why] of refusals) {
  t.test(`refused: ${JSON.stringify(template)}`, async t => {
    t.throws(() => compileTemplate(template, serving), {
      code: 'environment-invalid',
      message: `template: requestLog:${place}: ${why}`,
    })
  })
}

t.test('what is not asked for is not looked at', async t => {
  const summary = summaryOf()
  const head = new Proxy(summary.head, { get: () => t.fail('a look at the request') })
  const render = compileTemplate('{{.Response.Code}} {{.Revision.Name}}{{if false}}{{.TraceID}}{{end}}', serving)
  t.equal(render({ ...summary, head }), '200 cart-00001')
})

t.test('any text is compiled, or refused with its place, and nothing else happens', async t => {
  const words = fc.constantFrom(
    '{{',
    '}}',
    '(',
    ')',
    '|',
    '.',
    '.TraceID',
    '"a"',
    '`',
    "'",
    'if ',
    'else',
    'end',
    ' ',
    '-',
    '1',
    'js',
  )
  await fc.assert(
    fc.property(fc.array(fc.oneof(words, fc.string({ maxLength: 3 }))), parts => {
      const text = parts.join('')
      try {
        compileTemplate(text, serving)
      } catch (error) {
        if (!(error instanceof Fault) || !/^template: requestLog:\d+:\d+: ./.test(error.message)) throw error
      }
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('nothing nests deeper than a stack can', async t => {
  t.throws(() => compileTemplate(`{{${'('.repeat(50_000)}}}`, serving), { message: /too deep/ })
  t.throws(() => compileTemplate('{{if 1}}'.repeat(50_000), serving), { message: /too deep/ })
  t.equal(compileTemplate(`{{${'('.repeat(90)}1${')'.repeat(90)}}}`, serving)(summaryOf()), '1')
})
