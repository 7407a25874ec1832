import t from 'tap'
import { Asked } from '../../../src/engine/bytes/asked.ts'
import { bytes } from '../../support/bytes-heads.ts'

const peer = { address: '192.0.2.7', secure: true }
const websocket = (token: string): boolean => token === 'websocket'

function take(
  line: string,
  lines: readonly string[] = ['Host: app'],
  upgrades = websocket,
): [Asked, string | undefined] {
  const asked = new Asked(peer)
  const text = [line, ...lines, '', ''].join('\r\n')
  if (asked.fields.feed(bytes(text), 0, text.length) !== text.length) throw new Error(`unreadable: ${text}`)
  return [asked, asked.take(upgrades)]
}
const asked = (...args: Parameters<typeof take>): Asked => take(...args)[0]
const host = 'Host: app'

t.test('a request is what its first line says', async t => {
  const [get, problem] = take('GET /a?b HTTP/1.1', [host, 'X-A: 1'])
  t.equal(problem, undefined)
  t.match(get, { method: 'GET', target: '/a?b', version: '1.1', path: undefined, authority: undefined, from: peer })
  t.match(get, { hasBody: false, closes: false, expects: 'nothing', upgrade: false, token: undefined })
  t.equal(get.header('x-a'), '1')
  const absolute = asked('GET http://other:80/c HTTP/1.1')
  t.match(absolute, { target: 'http://other:80/c', path: '/c', authority: 'other:80' })
})

t.test('methods are what they are, usual or not', async t => {
  for (const method of [
    'GET',
    'POST',
    'PUT',
    'HEAD',
    'PATCH',
    'DELETE',
    'OPTIONS',
    'get',
    'GEX',
    'POSTS',
    'G',
    'HEAR',
    'M-SEARCH',
  ]) {
    t.equal(asked(`${method} / HTTP/1.1`).method, method)
  }
})

const refused: [name: string, line: string, lines: string[], problem: RegExp][] = [
  ['another version', 'GET / HTTP/2.0', [host], /^505 /],
  ['an older one', 'GET / HTTP/0.9', [host], /^505 /],
  ['no Host', 'GET / HTTP/1.1', [], /^400 .*missing required Host/],
  ['two Hosts', 'GET / HTTP/1.1', [host, 'host: b'], /^400 /],
  ['a Host that is none', 'GET / HTTP/1.1', ['Host: a/b'], /^400 .*malformed Host/],
  ['a target in two readings', 'GET /#a HTTP/1.1', [host], /^400 /],
  ['a broken escape', 'GET /%zz HTTP/1.1', [host], /^400 /],
  ['the preface of HTTP/2, whatever its version', 'PRI * HTTP/1.1', [host], /^400 /],
  ['two framings', 'POST / HTTP/1.1', [host, 'Content-Length: 1', 'Transfer-Encoding: chunked'], /^400 /],
  ['an unknown coding', 'POST / HTTP/1.1', [host, 'Transfer-Encoding: gzip'], /^400 /],
  [
    'trailers that would frame',
    'POST / HTTP/1.1',
    [host, 'Transfer-Encoding: chunked', 'Trailer: a, Content-Length'],
    /^400 /,
  ],
  ['trailers that would chunk', 'POST / HTTP/1.1', [host, 'Trailer: transfer-encoding'], /^400 /],
  ['trailers that announce trailers', 'POST / HTTP/1.1', [host, 'Trailer: Trailer'], /^400 /],
]
for (const [name, line, lines, problem] of refused) {
  t.test(`nobody decides about ${name}`, async t => {
    t.match(take(line, lines)[1], problem)
  })
}

t.test('HTTP/1.0 needs no Host, and closes unless it says otherwise', async t => {
  const [old, problem] = take('GET / HTTP/1.0', [])
  t.equal(problem, undefined)
  t.match(old, { version: '1.0', closes: true })
  t.equal(asked('GET / HTTP/1.0', ['Connection: Keep-Alive']).closes, false)
  t.equal(asked('GET / HTTP/1.0', ['Connection: keep-alive, close']).closes, true)
  t.equal(asked('GET / HTTP/1.1', [host, 'Connection: x, CLOSE']).closes, true)
  t.match(asked('GET / HTTP/1.7'), { version: '1.1', closes: false })
})

const post = 'POST / HTTP/1.1'
const length = 'Content-Length: 5'

t.test('only 100-continue is expected, of a body, by a client that can be told', async t => {
  const expects = (lines: string[], line = post): string => asked(line, [host, ...lines]).expects
  t.equal(expects(['Expect: 100-Continue', length]), 'continue')
  t.equal(expects(['Expect: 100-continue']), 'nothing', 'no body')
  t.equal(expects(['Expect: 100-continue', length], 'POST / HTTP/1.0'), 'nothing')
  t.equal(expects(['Expect: 200-ok', length]), 'other')
  t.equal(expects(['Expect:', length]), 'nothing')
  t.equal(expects([length]), 'nothing')
})

t.test('a switch is one token that is allowed, named by Connection, on a request without a body', async t => {
  const token = (lines: string[]): string | undefined => asked('GET / HTTP/1.1', [host, ...lines]).token
  t.equal(token(['Connection: Upgrade', 'Upgrade: WebSocket']), 'WebSocket')
  t.equal(asked('GET / HTTP/1.1', [host, 'Connection: upgrade', 'Upgrade: websocket']).upgrade, true)
  t.equal(token(['Upgrade: websocket']), undefined, 'Connection does not name it')
  t.equal(token(['Connection: Upgrade']), undefined)
  t.equal(token(['Connection: Upgrade', 'Upgrade: other']), undefined)
  t.equal(token(['Connection: Upgrade', 'Upgrade: websocket, other']), undefined)
  t.equal(token(['Connection: Upgrade', 'Upgrade: websocket', 'Upgrade: websocket']), undefined)
  t.equal(token(['Connection: Upgrade', 'Upgrade: websocket', 'Content-Length: 0']), undefined)
  t.equal(token(['Connection: Upgrade', 'Upgrade: websocket', 'Transfer-Encoding: chunked']), undefined)
})

t.test('what has no body and may be repeated may be sent again', async t => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE']) t.ok(asked(`${method} / HTTP/1.1`).repeatable, method)
  t.notOk(asked(post).repeatable)
  t.notOk(asked('DELETE / HTTP/1.1').repeatable)
  t.notOk(asked('GET / HTTP/1.1', [host, length]).repeatable)
  t.ok(asked(post, [host, 'Idempotency-Key: 1']).repeatable)
  t.ok(asked(post, [host, 'x-idempotency-key:']).repeatable)
  t.notOk(asked(post, [host, 'Idempotency-Key: 1', length]).repeatable)
})

t.test('a rest of the body that would be dear to read is large', async t => {
  const large = (...lines: string[]): boolean => asked(post, [host, ...lines]).unreadIsLarge
  t.notOk(large())
  t.notOk(large(`Content-Length: ${256 * 1024}`))
  t.ok(large(`Content-Length: ${256 * 1024 + 1}`))
  t.ok(large('Transfer-Encoding: chunked'), 'nobody knows how long it is')
  const read = asked(post, [host, 'Transfer-Encoding: chunked'])
  read.body.read(bytes('0\r\n\r\n'), 0, 5)
  t.notOk(read.unreadIsLarge)
})

t.test('one connection asks many times, and nothing of one request is in the next', async t => {
  const one = new Asked(peer)
  for (const [text, want] of [
    [
      'POST http://a/b HTTP/1.0\r\nExpect: x\r\nContent-Length: 3\r\n\r\n',
      { method: 'POST', path: '/b', hasBody: true, closes: true },
    ],
    [
      'GET / HTTP/1.1\r\nHost: c\r\n\r\n',
      {
        method: 'GET',
        path: undefined,
        authority: undefined,
        hasBody: false,
        closes: false,
        expects: 'nothing',
        version: '1.1',
      },
    ],
  ] as const) {
    one.fields.reset()
    one.fields.feed(bytes(text), 0, text.length)
    t.equal(one.take(websocket), undefined)
    t.match(one, want)
  }
})
