import t from 'tap'
import {
  firstValue,
  forwardedShim,
  identityOf,
  requestFields,
  responseFields,
  tokens,
} from '../../src/engine/rewrite.ts'

/** Header lines as somebody would type them. */
const raw = (...lines: string[]): string[] =>
  lines.flatMap(line => {
    const at = line.indexOf(':')
    return [line.slice(0, at), line.slice(at + 1).trim()]
  })

const lines = (fields: readonly string[]): string[] => {
  const all: string[] = []
  for (let i = 0; i < fields.length; i += 2) all.push(`${fields[i]}: ${fields[i + 1]}`)
  return all
}

const rules = { peer: '10.0.0.9', authority: '127.0.0.1:8080', strip: new Set<string>() }
const host = 'Host: test.example'
const hop = 'X-Forwarded-For: 10.0.0.9'

// [name, what came besides Host, what the container gets, in order]
const requests: [name: string, received: string[], sent: string[]][] = [
  ['nothing but Host', [host], [host, hop]],
  ['order and spelling are kept', [host, 'B: 1', 'a: 2', 'X-c: 3'], [host, 'B: 1', 'a: 2', 'X-c: 3', hop]],
  ['duplicates and empty values are kept', [host, 'A: 1', 'A: ', 'A: 1'], [host, 'A: 1', 'A: ', 'A: 1', hop]],
  [
    'fields of the connection are removed',
    [host, 'Connection: close', 'Proxy-Connection: a', 'Keep-Alive: b', 'Proxy-Authenticate: c', 'A: 1'],
    [host, 'A: 1', hop],
  ],
  [
    'the other half of them',
    [host, 'Proxy-Authorization: d', 'TE: gzip', 'Trailer: x', 'Transfer-Encoding: chunked', 'Upgrade: websocket'],
    [host, hop],
  ],
  [
    'what Connection names is removed',
    [host, 'Connection: X-A, x-b', 'connection: X-C', 'x-a: 1', 'X-B: 2', 'X-C: 3', 'X-D: 4'],
    [host, 'X-D: 4', hop],
  ],
  ['Connection cannot name Host away', [host, 'Connection: host'], [host, hop]],
  [
    'Connection can name X-Forwarded-For away, after Forwarded was made of it',
    [host, 'Connection: X-Forwarded-For, Host', 'X-Forwarded-For: 1.1.1.1'],
    [host, hop, 'Forwarded: for=1.1.1.1'],
  ],
  [
    'Connection can name Forwarded away',
    [host, 'Connection: forwarded', 'X-Forwarded-Proto: https'],
    [host, 'X-Forwarded-Proto: https', hop],
  ],
  [
    'Connection can name K-Proxy-Request away',
    [host, 'Connection: K-Proxy-Request', 'K-Proxy-Request: x'],
    [host, hop],
  ],
  ['TE: trailers is put back', [host, 'TE: trailers'], [host, hop, 'TE: trailers']],
  ['also out of a list', [host, 'TE: gzip, Trailers'], [host, hop, 'TE: trailers']],
  ['also out of two lines', [host, 'TE: gzip', 'TE: trailers'], [host, hop, 'TE: trailers']],
  ['with a weight it is another token', [host, 'TE: gzip, trailers;q=0.5'], [host, hop]],
  [
    'what the activator wrote for us is removed',
    [host, 'Knative-Serving-Revision: r', 'Knative-Serving-Namespace: n', 'Knative-Serving-Tag: t'],
    [host, 'Knative-Serving-Tag: t', hop],
  ],
  [
    'the rest of Knative is kept',
    [host, 'K-Proxy-Request: activator', 'K-Network-Hash: h', 'K-Passthrough-Lb: true', 'K-Network-Probe: x'],
    [host, 'K-Proxy-Request: activator', 'K-Network-Hash: h', 'K-Passthrough-Lb: true', 'K-Network-Probe: x', hop],
  ],
  [
    'end-to-end fields are kept',
    [host, 'Expect: 100-continue', 'X-Request-Id: i', 'Accept-Encoding: gzip', 'X-B3-TraceId: b', 'Traceparent: t'],
    [
      host,
      'Expect: 100-continue',
      'X-Request-Id: i',
      'Accept-Encoding: gzip',
      'X-B3-TraceId: b',
      'Traceparent: t',
      hop,
    ],
  ],
  ['no User-Agent is made up', [host], [host, hop]],
  ['X-Forwarded-Host and -Proto are not made up', [host, 'A: 1'], [host, 'A: 1', hop]],
  // X-Forwarded-For
  [
    'the peer is appended to all that came, in one field',
    [host, 'X-Forwarded-For: 1.2.3.4, 5.6.7.8', 'A: 1', 'X-Forwarded-For: 9.9.9.9'],
    [host, 'A: 1', 'X-Forwarded-For: 1.2.3.4, 5.6.7.8, 9.9.9.9, 10.0.0.9', 'Forwarded: for=1.2.3.4, for=5.6.7.8'],
  ],
  ['an empty X-Forwarded-For keeps its place', [host, 'X-Forwarded-For:'], [host, 'X-Forwarded-For: , 10.0.0.9']],
  // Host
  ['Host keeps case and port', ['Host: TEST.Example:8080'], ['Host: TEST.Example:8080', hop]],
  ['Host comes first, wherever it was', ['A: 1', host], [host, 'A: 1', hop]],
  ['no Host becomes our own authority', ['A: 1'], ['Host: 127.0.0.1:8080', 'A: 1', hop]],
  ['so does an empty one', ['Host:'], ['Host: 127.0.0.1:8080', hop]],
  ['K-Original-Host becomes Host and is consumed', [host, 'K-Original-Host: o.example'], ['Host: o.example', hop]],
  [
    'the first of two K-Original-Host counts, both are consumed',
    [host, 'K-Original-Host: a.example', 'k-original-host: b.example'],
    ['Host: a.example', hop],
  ],
  ['an empty K-Original-Host names nobody, and is consumed', [host, 'K-Original-Host:'], [host, hop]],
  [
    'so is what stands behind an empty one, which nobody has looked at',
    [host, 'K-Original-Host:', 'k-original-host: evil.example'],
    [host, hop],
  ],
  ['one that is no host leaves Host empty', [host, 'K-Original-Host: a b/c'], ['Host: ', hop]],
  ['an address as K-Original-Host', [host, 'K-Original-Host: [::1]:80'], ['Host: [::1]:80', hop]],
  ['beyond ASCII is no host', [host, 'K-Original-Host: \u00e9.example'], ['Host: ', hop]],
  // Forwarded
  [
    'a Forwarded of the client stays alone',
    [host, 'Forwarded: for=9.9.9.9', 'X-Forwarded-For: 1.2.3.4'],
    [host, 'Forwarded: for=9.9.9.9', 'X-Forwarded-For: 1.2.3.4, 10.0.0.9'],
  ],
  [
    'an empty one is replaced',
    [host, 'Forwarded:', 'X-Forwarded-Proto: https'],
    [host, 'X-Forwarded-Proto: https', hop, 'Forwarded: proto=https'],
  ],
  [
    'with all that stand behind it',
    [host, 'Forwarded:', 'Forwarded: for=6.6.6.6', 'X-Forwarded-Proto: https'],
    [host, 'X-Forwarded-Proto: https', hop, 'Forwarded: proto=https'],
  ],
  ['an empty one without anything to replace it is kept', [host, 'Forwarded:'], [host, 'Forwarded: ', hop]],
]
for (const [name, received, sent] of requests) {
  t.test(`to the container: ${name}`, async t => {
    t.same(lines(requestFields(raw(...received), rules)), sent)
  })
}

const strips: [name: string, strip: string[], received: string[], sent: string[]][] = [
  ['a field', ['client-cert'], [host, 'Client-Cert: x', 'A: 1'], [host, 'A: 1', hop]],
  ['in all its spellings', ['client-cert'], [host, 'Client_Cert: x', 'CLIENT-cert: y', 'client_cert: z'], [host, hop]],
  [
    'not one that only begins alike',
    ['client-cert'],
    [host, 'Client-Cert-Chain: x'],
    [host, 'Client-Cert-Chain: x', hop],
  ],
  ['an X-Forwarded-For, which then says nothing', ['x-forwarded-for'], [host, 'X-Forwarded-For: 6.6.6.6'], [host, hop]],
  ['nor does it come back as Forwarded', ['x-forwarded-host'], [host, 'X-Forwarded-Host: evil'], [host, hop]],
  ['a Forwarded', ['forwarded'], [host, 'Forwarded: for=6.6.6.6'], [host, hop]],
  ['a K-Original-Host, which is then ignored', ['k-original-host'], [host, 'K-Original-Host: o'], [host, hop]],
]
for (const [name, strip, received, sent] of strips) {
  t.test(`the policy strips ${name}`, async t => {
    t.same(lines(requestFields(raw(...received), { ...rules, strip: new Set(strip) })), sent)
  })
}

t.test('the list that came is not touched', async t => {
  const received = raw(host, 'Connection: a', 'A: 1', 'X-Forwarded-For: 1.1.1.1')
  const before = [...received]
  requestFields(received, { ...rules, strip: new Set(['a']) })
  responseFields(received)
  t.same(received, before)
})

// [name, what came, the value or none]
const shims: [name: string, received: string[], value: string | undefined][] = [
  ['nothing to make it of', [], undefined],
  ['one address', ['X-Forwarded-For: 1.2.3.4'], 'for=1.2.3.4'],
  ['IPv6 is quoted', ['X-Forwarded-For: ::1'], 'for="[::1]"'],
  ['so is whatever has a colon', ['X-Forwarded-For: 1.2.3.4:555'], 'for="[1.2.3.4:555]"'],
  ['host alone', ['X-Forwarded-Host: h.example:8080'], 'host=h.example:8080'],
  ['proto alone', ['X-Forwarded-Proto: https'], 'proto=https'],
  ['host before proto', ['X-Forwarded-Proto: http', 'X-Forwarded-Host: h'], 'host=h;proto=http'],
  [
    'all of them: host and proto go with the first address',
    ['X-Forwarded-For: 1.2.3.4, ::1', 'X-Forwarded-Proto: https', 'X-Forwarded-Host: h'],
    'for=1.2.3.4;host=h;proto=https, for="[::1]"',
  ],
  ['only the first line of each', ['X-Forwarded-Proto: https', 'X-Forwarded-Proto: http'], 'proto=https'],
  [
    'only the first line of addresses',
    ['X-Forwarded-For: 1.1.1.1, 2.2.2.2', 'X-Forwarded-For: 3.3.3.3'],
    'for=1.1.1.1, for=2.2.2.2',
  ],
  ['X-Forwarded-By and -Port say nothing', ['X-Forwarded-By: b', 'X-Forwarded-Port: 443'], undefined],
  ['spaces around addresses are no matter', ['X-Forwarded-For: 1.1.1.1 ,2.2.2.2'], 'for=1.1.1.1, for=2.2.2.2'],
  [
    'an empty address in the middle',
    ['X-Forwarded-For: 1.1.1.1,, 2.2.2.2 ,3.3.3.3'],
    'for=1.1.1.1, for=, for=2.2.2.2, for=3.3.3.3',
  ],
  ['a comma at the end adds nobody', ['X-Forwarded-For: 1.1.1.1,'], 'for=1.1.1.1'],
  [
    'an empty first address has no separator',
    ['X-Forwarded-For: , 2.2.2.2', 'X-Forwarded-Host: h'],
    'for=host=h, for=2.2.2.2',
  ],
  [
    'with host and proto neither',
    ['X-Forwarded-For: , 2.2.2.2', 'X-Forwarded-Host: h', 'X-Forwarded-Proto: p'],
    'for=host=h;proto=p, for=2.2.2.2',
  ],
  ['an empty first address alone', ['X-Forwarded-For: , 2.2.2.2'], 'for=, for=2.2.2.2'],
  ['empty fields say nothing', ['X-Forwarded-For:', 'X-Forwarded-Host:', 'X-Forwarded-Proto:'], undefined],
  ['an empty first line hides the second', ['X-Forwarded-For:', 'X-Forwarded-For: 1.1.1.1'], undefined],
  ['the client has one already', ['Forwarded: by=x', 'X-Forwarded-For: 1.1.1.1'], undefined],
  ['an empty one is none', ['Forwarded:', 'X-Forwarded-For: 1.1.1.1'], 'for=1.1.1.1'],
]
for (const [name, received, value] of shims) {
  t.test(`Forwarded: ${name}`, async t => {
    t.equal(forwardedShim(raw(...received)), value)
  })
}

const responses: [name: string, received: string[], sent: string[]][] = [
  [
    'everything but the fields of the connection',
    ['Server: s', 'Via: v', 'Alt-Svc: a', 'Date: d', 'Set-Cookie: a=1', 'Set-Cookie: b=2'],
    ['Server: s', 'Via: v', 'Alt-Svc: a', 'Date: d', 'Set-Cookie: a=1', 'Set-Cookie: b=2'],
  ],
  [
    'the fixed list',
    [
      'Connection: close',
      'Keep-Alive: a',
      'Proxy-Authenticate: b',
      'Te: c',
      'Trailer: d',
      'Transfer-Encoding: chunked',
      'Upgrade: e',
      'Proxy-Connection: f',
      'Proxy-Authorization: g',
      'A: 1',
    ],
    ['A: 1'],
  ],
  ['what Connection names', ['Connection: X-A', 'x-a: 1', 'X-B: 2'], ['X-B: 2']],
  ['the length, which is framing of both legs', ['Content-Length: 3'], ['Content-Length: 3']],
  ['what requests lose', ['K-Original-Host: h', 'X-Forwarded-For: a'], ['K-Original-Host: h', 'X-Forwarded-For: a']],
]
for (const [name, received, sent] of responses) {
  t.test(`to the client: ${name}`, async t => {
    t.same(lines(responseFields(raw(...received))), sent)
  })
}

t.test('a field is found by any spelling of its name, the first value counts', async t => {
  t.equal(firstValue(raw('A: 1', 'X-b: 2', 'x-B: 3'), 'x-b'), '2')
  t.equal(firstValue(raw('A: x-b'), 'x-b'), undefined)
})

t.test('tokens are those of all lines, trimmed and in lower case', async t => {
  t.same(tokens(raw('Connection: a, B ,,', 'x: y', 'CONNECTION: c'), 'connection'), ['a', 'b', 'c'])
})

t.test('who the client is comes last, where it is known and the policy asks', async t => {
  const from = { address: '192.0.2.7', secure: true, client: { text: 'id="a"', until: 0 } }
  t.same(identityOf('postern-peer', from), ['postern-peer', 'id="a"'])
  t.equal(identityOf(undefined, from), undefined)
  t.equal(identityOf('postern-peer', { address: '192.0.2.7', secure: true }), undefined)
  const strip = new Set(['postern-peer'])
  const received = ['Connection', 'Postern-Peer', 'Postern_Peer', 'me', 'postern-peer', 'me']
  t.same(requestFields(received, { ...rules, strip, identity: ['postern-peer', 'id="a"'] }).slice(-2), [
    'postern-peer',
    'id="a"',
  ])
})
