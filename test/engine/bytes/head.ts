import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { Head, type HeadKind } from '../../../src/engine/bytes/head.ts'
import { field } from '../../../src/engine/bytes/names.ts'
import { Out } from '../../../src/engine/bytes/out.ts'
import { bytes, requestHead, responseHead } from '../../support/bytes-heads.ts'

const most = 1 << 16

/** Everything that a head says, or why it says nothing. */
function say(head: Head, length: number): unknown {
  if (length <= 0) return length < 0 ? head.problem : 'more'
  const { major, minor, status, count } = head
  const ids = Array.from({ length: count }, (_, at) => head.id(at))
  const from = head.slice(0, head.methodEnd)
  return { length, major, minor, status, from, to: head.slice(0, head.targetEnd), fields: head.raw(), ids }
}

function whole(kind: HeadKind, text: string): unknown {
  const head = new Head(kind, most)
  return say(head, head.feed(bytes(text), 0, text.length))
}

/** Fed up to each of these places in turn, from the same memory, behind others' bytes. */
function inPieces(kind: HeadKind, text: string, ends: readonly number[]): unknown {
  const head = new Head(kind, most)
  const memory = bytes(`before${text}`)
  for (const end of [...ends, text.length]) {
    const length = head.feed(memory, 6, 6 + end)
    if (length !== 0) return say(head, length)
  }
  return 'more'
}

const end = '\r\n\r\n'

const accepted: [kind: HeadKind, name: string, text: string, said: object][] = [
  ['request', 'no fields', `GET / HTTP/1.1${end}`, { from: 'GET', to: 'GET /', major: 1, minor: 1, fields: [] }],
  ['request', 'HTTP/1.0', `HEAD /x HTTP/1.0${end}`, { from: 'HEAD', minor: 0 }],
  ['request', 'a version to come', `GET / HTTP/2.7${end}`, { major: 2, minor: 7 }],
  ['request', 'any token as a method', `m!#$%&'*+-.^_\`|~9 / HTTP/1.1${end}`, { from: "m!#$%&'*+-.^_`|~9" }],
  ['request', 'any visible target', `GET /\x80\xff"<>{}|\\^\` HTTP/1.1${end}`, { to: 'GET /\x80\xff"<>{}|\\^`' }],
  ['request', 'fields', `GET / HTTP/1.1\r\nHost: a\r\nx-Y:z${end}`, { fields: ['Host', 'a', 'x-Y', 'z'], ids: [1, 0] }],
  ['request', 'white space around a value', `GET / HTTP/1.1\r\na: \t b \t c\t ${end}`, { fields: ['a', 'b \t c'] }],
  ['request', 'empty values', `GET / HTTP/1.1\r\na:\r\nb: \t ${end}`, { fields: ['a', '', 'b', ''] }],
  ['request', 'bytes from 0x80', `GET / HTTP/1.1\r\na: \x80\xff${end}`, { fields: ['a', '\x80\xff'] }],
  ['request', 'colons in a value', `GET / HTTP/1.1\r\na::b:c${end}`, { fields: ['a', ':b:c'] }],
  ['response', 'a reason', `HTTP/1.1 404 Not Found\r\na: b${end}`, { status: 404, fields: ['a', 'b'] }],
  ['response', 'no reason', `HTTP/1.1 200 ${end}`, { status: 200 }],
  ['response', 'not even a space before it', `HTTP/1.0 999${end}`, { status: 999, minor: 0 }],
  ['response', 'any text as a reason', `HTTP/1.1 200 \tO \xffK${end}`, { status: 200 }],
  ['response', 'a status below 100', `HTTP/1.1 000 x${end}`, { status: 0 }],
  ['trailers', 'none', '\r\n', { fields: [] }],
  ['trailers', 'some', `a: b\r\nc: d${end}`, { fields: ['a', 'b', 'c', 'd'] }],
]

for (const [kind, name, text, said] of accepted) {
  t.test(`${kind}: ${name}`, async t => {
    const want = whole(kind, text)
    t.match(want, { ...said, length: text.length })
    t.same(whole(kind, `${text}GET / HTTP/1.1\r\n`), want, 'whatever comes behind it')
    for (let cut = 0; cut < text.length; cut++) {
      if (!t.same(inPieces(kind, text, [cut]), want, `cut at ${cut}`)) return
    }
    t.same(
      inPieces(
        kind,
        text,
        Array.from(text, (_, at) => at),
      ),
      want,
      'byte by byte',
    )
    t.equal(inPieces(kind, text.slice(0, -1), []), 'more', 'and not before its last byte')
  })
}

const line = 'GET / HTTP/1.1\r\n'
const refused: [kind: HeadKind, name: string, text: string, problem?: string][] = [
  ['request', 'nothing but a line end', `\r\n${line}`],
  ['request', 'no method', ` / HTTP/1.1${end}`],
  ['request', 'no token as a method', `G@T / HTTP/1.1${end}`],
  ['request', 'no target', `GET  HTTP/1.1${end}`],
  ['request', 'no version', `GET /${end}`],
  ['request', 'two spaces', `GET  / HTTP/1.1${end}`],
  ['request', 'a tab for a space', `GET\t/ HTTP/1.1${end}`],
  ['request', 'a space in the target', `GET /a b HTTP/1.1${end}`],
  ['request', 'a control character in the target', `GET /\x01 HTTP/1.1${end}`],
  ['request', 'DEL in the target', `GET /\x7f HTTP/1.1${end}`],
  ['request', 'NUL in the target', `GET /\0 HTTP/1.1${end}`],
  ['request', 'another protocol', `GET / HTTQ/1.1${end}`],
  ['request', 'a protocol in lower case', `GET / http/1.1${end}`],
  ['request', 'a version without a dot', `GET / HTTP/11.${end}`],
  ['request', 'letters for a version', `GET / HTTP/1.x${end}`],
  ['request', 'a long version', `GET / HTTP/1.10${end}`],
  ['request', 'a space behind the version', `GET / HTTP/1.1 ${end}`],
  ['request', 'a bare line feed behind the first line', 'GET / HTTP/1.1\nHost: a\r\n\r\n'],
  ['request', 'a bare carriage return behind the first line', 'GET / HTTP/1.1\rHost: a\r\n\r\n'],
  ['request', 'a bare line feed behind a field', `${line}a: b\nc: d${end}`],
  ['request', 'a bare carriage return in a value', `${line}a: b\rc: d${end}`],
  ['request', 'a bare line feed at the end', `${line}a: b\r\n\nc`],
  ['request', 'a carriage return and something else at the end', `${line}a: b\r\n\rc`],
  ['request', 'a folded line', `${line}a: b\r\n c: d${end}`],
  ['request', 'a line folded by a tab', `${line}a: b\r\n\tc${end}`],
  ['request', 'white space before the first field', `${line} a: b${end}`],
  ['request', 'a space before the colon', `${line}a : b${end}`, 'field-name'],
  ['request', 'a tab before the colon', `${line}a\t: b${end}`, 'field-name'],
  ['request', 'a name without a colon', `${line}abc${end}`],
  ['request', 'an empty name', `${line}: b${end}`],
  ['request', 'no token as a name', `${line}a(b: c${end}`],
  ['request', 'a name with bytes from 0x80', `${line}\xe9: c${end}`],
  ['request', 'NUL in a value', `${line}a: \0${end}`],
  ['request', 'a control character in a value', `${line}a: b\x1bc${end}`],
  ['request', 'DEL in a value', `${line}a: \x7f${end}`],
  ['response', 'something before the version', ` HTTP/1.1 200 OK${end}`],
  ['response', 'another protocol', `ICY 200 OK${end}`],
  ['response', 'no status', `HTTP/1.1${end}`],
  ['response', 'two digits', `HTTP/1.1 20 OK${end}`],
  ['response', 'four digits', `HTTP/1.1 2000 OK${end}`],
  ['response', 'letters in a status', `HTTP/1.1 2x0 OK${end}`],
  ['response', 'two spaces before the status', `HTTP/1.1  200 OK${end}`],
  ['response', 'a control character in the reason', `HTTP/1.1 200 O\0K${end}`],
  ['response', 'a bare line feed behind the reason', 'HTTP/1.1 200 OK\na: b\r\n\r\n'],
  ['trailers', 'white space before a colon', `a : b${end}`, 'field-name'],
  ['trailers', 'a first line', `GET / HTTP/1.1${end}`, 'field-name'],
]

for (const [kind, name, text, problem = 'malformed'] of refused) {
  t.test(`${kind} refused: ${name}`, async t => {
    t.equal(whole(kind, text), problem)
    for (let cut = 0; cut < text.length; cut++) {
      if (!t.equal(inPieces(kind, text, [cut]), problem, `cut at ${cut}`)) return
    }
  })
}

t.test('however any bytes are cut, they are read in the same way', async () => {
  const piece = fc.constantFrom(
    'GET ',
    '/',
    ' HTTP/1.1',
    '\r\n',
    '\r',
    '\n',
    'a',
    ':',
    ' ',
    '\t',
    'Host: b',
    '\0',
    '\xff',
    '1',
  )
  const heads = fc.array(piece, { maxLength: 20 }).map(pieces => pieces.join(''))
  const spoilt = fc.oneof(
    heads,
    heads.map(text => `${line}${text}`),
  )
  fc.assert(
    fc.property(spoilt, fc.array(fc.nat(80), { maxLength: 6 }), (text, places) => {
      const ends = places.filter(each => each <= text.length).sort((a, b) => a - b)
      return isDeepStrictEqual(inPieces('request', text, ends), whole('request', text))
    }),
    { numRuns: 2_000 },
  )
})

t.test('a head of as many bytes as are allowed is read, one more is not', async t => {
  for (const [kind, first] of [
    ['request', line],
    ['response', 'HTTP/1.1 200 OK\r\n'],
    ['trailers', ''],
  ] as const) {
    const text = `${first}a: ${'x'.repeat(200)}${end}`
    const feed = (max: number, upTo = text.length): [number, string] => {
      const head = new Head(kind, max)
      return [head.feed(bytes(text), 0, upTo), head.problem]
    }
    t.equal(feed(text.length)[0], text.length)
    t.same(feed(text.length - 1), [-1, 'too-large'])
    t.same(feed(50), [-1, 'too-large'], 'in the middle of a value')
    t.equal(feed(50, 49)[0], 0, 'and not before the limit is reached')
    t.same(feed(50, 50), [-1, 'too-large'], 'at the limit no byte more could end it')
  }
})

t.test('a head that is malformed before it is too large is malformed', async t => {
  const head = new Head('request', 20)
  t.equal(head.feed(bytes(`${line}\x00${'x'.repeat(100)}`), 0, 100), -1)
  t.equal(head.problem, 'malformed')
})

t.test('thirty thousand fields are kept, each in its place', async t => {
  const lines = Array.from({ length: 30_000 }, (_, at) => `n${at}: ${at * 7}`)
  const head = requestHead(lines)
  t.equal(head.count, 30_000)
  for (const at of [0, 15, 16, 17, 4_095, 29_999]) {
    t.same([head.name(at), head.value(at), head.id(at)], [`n${at}`, `${at * 7}`, field.other])
  }
  t.equal(head.header('n29999'), '209993')
})

t.test('a reset head reads the next one, and keeps nothing of the last', async t => {
  const head = new Head('request', most)
  const first = `POST /first HTTP/1.0\r\nHost: a\r\nx: 1\r\ny : 2`
  t.notOk(head.begun)
  t.equal(head.feed(bytes(first), 0, first.length), -1)
  t.match([head.begun, head.problem], [false, 'field-name'])
  head.reset()
  const cut = `POST /first HTTP/1.0\r\nHost: a\r\nx: 1`
  t.equal(head.feed(bytes(cut), 0, cut.length), 0)
  t.ok(head.begun)
  head.reset()
  t.match([head.begun, head.count, head.problem], [false, 0, 'malformed'])
  const next = `GET / HTTP/1.1\r\nHost: b${end}`
  t.equal(head.feed(bytes(next), 0, next.length), next.length)
  t.same(head.raw(), ['Host', 'b'])
  t.equal(head.value(0), 'b', 'values asked for before are not remembered')
})

t.test('values that were asked for are those of the head that was read last', async t => {
  const head = new Head('request', most)
  for (const host of ['one', 'two']) {
    const text = `GET / HTTP/1.1\r\nHost: ${host}${end}`
    head.reset()
    head.feed(bytes(text), 0, text.length)
    t.equal(head.first(field.host), host)
    t.equal(head.value(0), host)
  }
})

t.test('a head that is owned outlives the memory that it was read from', async t => {
  const text = `GET /path HTTP/1.1\r\nHost: a\r\nx: y${end}`
  const memory = bytes(`zz${text}zz`)
  const head = new Head('request', most)
  const length = head.feed(memory, 2, memory.length)
  head.own(length)
  memory.fill('#')
  t.same([head.slice(0, head.methodEnd), head.slice(head.methodEnd + 1, head.targetEnd)], ['GET', '/path'])
  t.same(head.raw(), ['Host', 'a', 'x', 'y'])
  t.equal(head.bytes.toString('latin1', head.base, head.base + length), text)
})

t.test('fields are found by name, known or not, in any case; the first value counts', async t => {
  const head = requestHead(['hOST: a', 'X-Other: 1', 'x-oTHER: 2', 'X-Othe: 3', 'Host: b', 'Expect:'])
  t.equal(head.header('host'), 'a')
  t.equal(head.header('x-other'), '1')
  t.equal(head.header('x-othe'), '3')
  t.equal(head.header('expect'), '')
  t.equal(head.header('x-none1'), undefined)
  t.equal(head.header('upgrade'), undefined)
  t.same([head.find(field.host), head.find(field.host, 1), head.find(field.host, 5)], [0, 4, -1])
  t.same([head.first(field.host), head.first(field.te)], ['a', undefined])
  t.same([head.isEmpty(5), head.isEmpty(0), head.nameLength(1)], [true, false, 7])
})

t.test('tokens are those of all lines, trimmed and in lower case', async t => {
  const head = requestHead(['Connection: a, B ,,', 'x: y', 'CONNECTION:\tc , Close'])
  t.same(head.tokens(field.connection), ['a', 'b', 'c', 'close'])
  t.same(head.tokens(field.te), [])
  t.ok(head.hasOption('close'))
  t.notOk(head.hasOption('keep-alive'))
  t.notOk(requestHead([]).hasOption('close'))
})

t.test('lines and values are written as they stand', async t => {
  const head = responseHead(['A:  b ', 'C:d'])
  const out = new Out()
  head.writeLines(out)
  t.equal(out.take().toString('latin1'), 'A:  b \r\nC:d\r\n')
  head.writeValue(out, 0)
  t.equal(out.take().toString('latin1'), 'b')
  t.same([head.lineFrom(0), head.lineFrom(1), head.linesEnd], [17, 25, 30])
  responseHead([]).writeLines(out)
  t.equal(out.length, 0)
})
