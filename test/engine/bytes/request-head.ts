import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { Out } from '../../../src/engine/bytes/out.ts'
import { type RequestPlan, writeRequestHead } from '../../../src/engine/bytes/request-head.ts'
import { Strip } from '../../../src/engine/bytes/strip.ts'
import { type RequestRules, requestFields } from '../../../src/engine/rewrite.ts'
import { linesOf, readHead, requestHead } from '../../support/bytes-heads.ts'

const noStrip: readonly string[] = []

function plan(changes: Partial<Omit<RequestPlan, 'strip'>> & { readonly strip?: readonly string[] } = {}): RequestPlan {
  const { strip = noStrip, ...rest } = changes
  return {
    method: 'GET',
    path: undefined,
    framing: 'none',
    length: 0,
    upgrade: undefined,
    peer: '192.0.2.7',
    authority: '127.0.0.1:8080',
    targetAuthority: undefined,
    strip: new Strip(strip),
    ...rest,
  }
}

function write(lines: readonly string[], changes: Parameters<typeof plan>[0] = {}, line?: string): string {
  const out = new Out()
  writeRequestHead(out, requestHead(lines, line), plan(changes))
  return out.take().toString('latin1')
}

const sent = (...args: Parameters<typeof write>): string[] => linesOf(write(...args))

t.test('what passes is copied in order, behind Host; what we say comes last', async t => {
  const lines = ['A: 1', 'b:2', 'Host: app', 'C:  3 ', 'Connection: keep-alive', 'D: 4']
  t.equal(
    write(lines),
    'GET / HTTP/1.1\r\nHost: app\r\nA: 1\r\nb:2\r\nC:  3 \r\nD: 4\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n',
  )
  t.equal(write(['Host: app']), 'GET / HTTP/1.1\r\nHost: app\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n')
})

t.test('the first line has the method and target received, or the path that the plan says', async t => {
  t.equal(sent([], {}, 'm-Search /a?b=\xff HTTP/1.0')[0], 'm-Search /a?b=\xff HTTP/1.1')
  t.equal(sent([], { path: '/c' }, 'GET http://a/c HTTP/1.1')[0], 'GET /c HTTP/1.1')
})

const framings: [name: string, changes: Parameters<typeof plan>[0], lines: string[], want: string[]][] = [
  ['no body', {}, [], []],
  ['no body where one is usual', { method: 'POST' }, [], ['Content-Length: 0']],
  ['so PUT', { method: 'PUT' }, [], ['Content-Length: 0']],
  ['so PATCH', { method: 'PATCH' }, [], ['Content-Length: 0']],
  ['nothing by length', { method: 'GET' }, ['Content-Length: 0'], []],
  ['a length', { framing: 'length', length: 12 }, ['content-length: 012'], ['Content-Length: 12']],
  ['chunks', { framing: 'chunked' }, ['Transfer-Encoding: Chunked'], ['Transfer-Encoding: chunked']],
  [
    'announced trailers',
    { framing: 'chunked' },
    ['Transfer-Encoding: chunked', 'Trailer: a', 'trailer: b, c'],
    ['Transfer-Encoding: chunked', 'Trailer: a', 'Trailer: b, c'],
  ],
  ['trailers that cannot come', { framing: 'length', length: 1 }, ['Trailer: a'], ['Content-Length: 1']],
  [
    'a switch',
    { upgrade: 'WebSocket' },
    ['Connection: Upgrade, x', 'Upgrade: WebSocket', 'X: gone'],
    ['Connection: Upgrade', 'Upgrade: WebSocket'],
  ],
  ['a switch that is not wanted', {}, ['Connection: Upgrade', 'Upgrade: h2c'], []],
]
for (const [name, changes, lines, want] of framings) {
  t.test(`framing is ours to say: ${name}`, async t => {
    t.same(sent(lines, changes).slice(3), want)
  })
}

// The rules of engine/rewrite.ts, over bytes: the same fields have to come out, whatever comes in.

/** Names in every spelling that something depends on. */
const name = fc
  .tuple(
    fc.constantFrom(
      ...['host', 'connection', 'close', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization'],
      ...[
        'te',
        'trailer',
        'transfer-encoding',
        'upgrade',
        'content-length',
        'expect',
        'user-agent',
        'accept',
        'cookie',
      ],
      ...[
        'forwarded',
        'x-forwarded-for',
        'x-forwarded-host',
        'x-forwarded-proto',
        'k-original-host',
        'k-network-probe',
      ],
      ...['k-kubelet-probe', 'k-proxy-request', 'knative-serving-namespace', 'knative-serving-revision'],
      ...['traceparent', 'tracestate', 'baggage', 'x-a', 'x-secret'],
    ),
    fc.constantFrom('lower', 'upper', 'title', 'underscores'),
  )
  .map(([word, spelling]) => {
    if (spelling === 'upper') return word.toUpperCase()
    if (spelling === 'title') return word.replaceAll(/\b[a-z]/g, letter => letter.toUpperCase())
    return spelling === 'underscores' ? word.replaceAll('-', '_') : word
  })

const traces = '4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7'
const values: Readonly<Record<string, readonly string[]>> = {
  connection: [
    'close',
    'keep-alive, x-a',
    'upgrade',
    'TE, Forwarded',
    'x-forwarded-for',
    'K-Original-Host , close',
    ',',
    'host',
  ],
  te: ['trailers', 'gzip', 'gzip;q=1, Trailers'],
  'user-agent': ['curl/8', 'kube-probe/1.34', ''],
  forwarded: ['for=a', '', 'for=b;proto=https'],
  'x-forwarded-for': ['1.2.3.4', '', '1.2.3.4, 2001:db8::1', ',a', 'a,'],
  'x-forwarded-host': ['h', ''],
  'x-forwarded-proto': ['https', ''],
  'k-original-host': ['orig.example', '', 'a b/c', 'other:80'],
  'k-network-probe': ['probe', 'queue', ''],
  'k-kubelet-probe': ['', 'x'],
  traceparent: [`00-${traces}-01`, `cc-${traces}-01-extra`, `00-${traces}-ff`, `00-${traces.toUpperCase()}-01`, ''],
  tracestate: ['a=1,b=2', 'A B', ''],
  baggage: ['k1=v1, =bad', 'a = b ;p', '=', ''],
  host: ['app', '', 'app:8080'],
}

const anyValue = fc.oneof(
  fc.constantFrom('', '1', 'a, b', '\xe9 "x"'),
  fc
    .string({ unit: fc.constantFrom('a', ',', ' ', '=', ';', '\t', '\xff'), maxLength: 12 })
    .map(text => text.replace(/^[ \t]+|[ \t]+$/g, '')),
)
const field = name.chain(spelled => {
  const usual = values[spelled.toLowerCase().replaceAll('_', '-')]
  const value = usual
    ? fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: anyValue })
    : anyValue
  return fc.tuple(fc.constant(spelled), fc.constantFrom('', ' ', '\t '), value, fc.constantFrom('', ' '))
})
const stripped = fc.subarray([
  'x-secret',
  'forwarded',
  'x-forwarded-for',
  'traceparent',
  'baggage',
  'connection',
  'host',
  'te',
  'k-original-host',
  'user-agent',
  'k-network-probe',
])

/** Said by framing on each leg, and tested above. */
const framing: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'trailer',
  'connection',
  'upgrade',
])

/** Values in order, for each name as it is spelled. */
function byName(raw: readonly string[]): Record<string, string[]> {
  const found: Record<string, string[]> = {}
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const each = raw[at] ?? ''
    if (framing.has(each.toLowerCase())) continue
    found[each] ??= []
    found[each].push(raw[at + 1] ?? '')
  }
  return found
}

const rules = fc.record({
  strip: fc.oneof(fc.constant(noStrip), stripped),
  honourOriginalHost: fc.boolean(),
  targetAuthority: fc.constantFrom(undefined, 'target.example'),
  identity: fc.constantFrom(undefined, ['postern-peer', 'id="a"'] as const),
})

t.test('the fields are those of the rules over field lists, whatever came', async () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 14 }), rules, (fields, { strip, ...choices }) => {
      const lines = fields.map(([spelled, before, value, behind]) => `${spelled}:${before}${value}${behind}`)
      const raw = fields.flatMap(([spelled, , value]) => [spelled, value])
      const same: RequestRules = { peer: '192.0.2.7', authority: '127.0.0.1:8080', strip: new Set(strip), ...choices }
      const written = readHead('request', write(lines, { strip, ...choices }))
      return written.name(0) === 'Host' && isDeepStrictEqual(byName(written.raw()), byName(requestFields(raw, same)))
    }),
    { numRuns: 20_000 },
  )
})
