import t from 'tap'
import { Fault } from '../../../src/base/errors.ts'
import { Body, requestFraming, responseFraming } from '../../../src/engine/bytes/framing.ts'
import { bytes, requestHead, responseHead } from '../../support/bytes-heads.ts'

// What frames a message.

const requests: [name: string, lines: string[], want: ReturnType<typeof requestFraming>, line?: string][] = [
  ['nothing', [], { framing: 'none', length: 0 }],
  ['a length', ['Content-Length: 12'], { framing: 'length', length: 12 }],
  ['a length with zeros', ['content-length:  0012 '], { framing: 'length', length: 12 }],
  ['no length at all', ['Content-Length: 0'], { framing: 'none', length: 0 }],
  ['the largest', ['Content-Length: 9007199254740991'], { framing: 'length', length: Number.MAX_SAFE_INTEGER }],
  ['more than that', ['Content-Length: 9007199254740992'], undefined],
  ['17 digits', ['Content-Length: 00000000000000001'], undefined],
  ['an empty length', ['Content-Length:'], undefined],
  ['a sign', ['Content-Length: +1'], undefined],
  ['another sign', ['Content-Length: -1'], undefined],
  ['hexadecimal', ['Content-Length: 0x1'], undefined],
  ['a list', ['Content-Length: 1, 1'], undefined],
  ['two that agree', ['Content-Length: 1', 'Content-Length: 1'], undefined],
  ['a space within', ['Content-Length: 1 1'], undefined],
  ['chunks', ['Transfer-Encoding: chunked'], { framing: 'chunked', length: 0 }],
  ['chunks in any case', ['transfer-encoding:\tChunKED '], { framing: 'chunked', length: 0 }],
  ['chunks, and a length', ['Transfer-Encoding: chunked', 'Content-Length: 1'], undefined],
  ['chunks, and a length of nothing', ['Content-Length: 0', 'Transfer-Encoding: chunked'], undefined],
  ['chunks twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], undefined],
  ['chunks twice in a list', ['Transfer-Encoding: chunked, chunked'], undefined],
  ['another coding', ['Transfer-Encoding: gzip'], undefined],
  ['another coding in chunks', ['Transfer-Encoding: gzip, chunked'], undefined],
  ['chunks with a parameter', ['Transfer-Encoding: chunked;a=b'], undefined],
  ['no coding', ['Transfer-Encoding: identity'], undefined],
  ['an empty coding', ['Transfer-Encoding:'], undefined],
  ['chunks in HTTP/1.0', ['Transfer-Encoding: chunked'], undefined, 'POST / HTTP/1.0'],
  ['a length in HTTP/1.0', ['Content-Length: 1'], { framing: 'length', length: 1 }, 'POST / HTTP/1.0'],
]
for (const [name, lines, want, line] of requests) {
  t.test(`a request is framed by ${name}`, async t => {
    t.same(requestFraming(requestHead(lines, line)), want)
  })
}

const length = ['Content-Length: 5']
const chunks = ['Transfer-Encoding: chunked']
const responses: [name: string, lines: string[], want: string, line?: string, bodyless?: boolean, open?: boolean][] = [
  ['a length', length, 'length 5'],
  ['no length at all', ['Content-Length: 0'], 'none 0'],
  ['chunks', chunks, 'chunked 0'],
  ['nothing', [], 'upstream-unframed'],
  ['nothing, where that is allowed', [], 'until-close 0', 'HTTP/1.1 200 OK', false, true],
  ['nothing in HTTP/1.0, where that is allowed', [], 'until-close 0', 'HTTP/1.0 200 OK', false, true],
  ['nothing, as there is no body in 204', [], 'none 0', 'HTTP/1.1 204 No Content'],
  ['nothing, as there is no body in 204, whatever it says', chunks, 'none 0', 'HTTP/1.1 204 No Content'],
  ['nothing, as there is no body in 304', length, 'none 0', 'HTTP/1.1 304 Not Modified'],
  ['nothing, as an answer to HEAD has no body', length, 'none 0', 'HTTP/1.1 200 OK', true],
  ['nothing, as HEAD was chunked', chunks, 'none 0', 'HTTP/1.1 200 OK', true],
  ['two lengths', [...length, ...length], 'upstream-malformed'],
  ['two lengths, where there is no body', [...length, ...length], 'upstream-malformed', 'HTTP/1.1 304 x'],
  ['no number', ['Content-Length: x'], 'upstream-malformed'],
  ['chunks, and a length', [...chunks, ...length], 'upstream-malformed'],
  ['chunks in HTTP/1.0', chunks, 'upstream-malformed', 'HTTP/1.0 200 OK'],
  ['another coding', ['Transfer-Encoding: gzip, chunked'], 'upstream-malformed'],
  ['chunks twice', [...chunks, ...chunks], 'upstream-malformed'],
]
for (const [name, lines, want, line = 'HTTP/1.1 200 OK', bodyless = false, open = false] of responses) {
  t.test(`a response is framed by ${name}`, async t => {
    const got = responseFraming(responseHead(lines, line), bodyless, open)
    t.equal(got instanceof Fault ? got.code : `${got.framing} ${got.length}`, want)
  })
}

// Where a body ends.

interface Read {
  /** All runs of data, joined. */
  readonly data: string
  /** What stands behind the body; undefined where it breaks the rules or has not ended. */
  readonly rest: string | undefined
  readonly state: 'done' | 'more' | 'broken'
  readonly trailers: string[]
}

/** Reads a body that comes in these pieces. */
function read(body: Body, pieces: readonly string[]): Read {
  let data = ''
  let rest: string | undefined
  for (const piece of pieces) {
    const chunk = bytes(piece)
    let at = 0
    while (at < chunk.length && !body.done) {
      at = body.read(chunk, at, chunk.length)
      if (at < 0) return { data, rest: undefined, state: 'broken', trailers: [] }
      data += chunk.toString('latin1', body.from, body.to)
    }
    if (body.done) rest = (rest ?? '') + chunk.toString('latin1', at)
  }
  return { data, rest, state: body.done ? 'done' : 'more', trailers: body.trailers?.raw() ?? [] }
}

function chunked(...pieces: string[]): Read {
  const body = new Body()
  body.begin('chunked', 0)
  return read(body, pieces)
}

const cutAt = (text: string, at: number): string[] => [text.slice(0, at), text.slice(at)]

const bodies: [name: string, text: string, data: string, trailers?: string[]][] = [
  ['nothing', '0\r\n\r\n', ''],
  ['one chunk', '5\r\nhello\r\n0\r\n\r\n', 'hello'],
  ['several, in any case of digits', 'a\r\n0123456789\r\nA\r\nabcdefghij\r\n00\r\n\r\n', '0123456789abcdefghij'],
  ['leading zeros', '0005\r\nhello\r\n000\r\n\r\n', 'hello'],
  ['data that looks like framing', '9\r\n\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n', '\r\n0\r\n\r\n\r\n'],
  ['extensions', '5;a=b;c="d e"\r\nhello\r\n0;x\r\n\r\n', 'hello'],
  ['quotes in quotes', '5;a="\\"b\\\\";c\r\nhello\r\n0;d=""\r\n\r\n', 'hello'],
  ['white space behind a size', '5 \t;a\r\nhello\r\n0 \r\n\r\n', 'hello'],
  ['trailers', '1\r\nx\r\n0\r\nA: 1\r\nb:2\r\n\r\n', 'x', ['A', '1', 'b', '2']],
]
for (const [name, text, data, trailers = []] of bodies) {
  t.test(`chunks: ${name}`, async t => {
    const want: Read = { data, rest: 'GET /', state: 'done', trailers }
    t.same(chunked(`${text}GET /`), want)
    for (let at = 0; at <= text.length; at++) {
      if (!t.same(chunked(...cutAt(`${text}GET /`, at)), want, `cut at ${at}`)) return
    }
    t.same(chunked(...`${text}GET /`), want, 'byte by byte')
    t.equal(chunked(text.slice(0, -1)).state, 'more', 'and not before its last byte')
  })
}

const broken: [name: string, text: string][] = [
  ['no size', '\r\nhello\r\n'],
  ['no digits', 'x\r\n'],
  ['a sign', '+5\r\nhello\r\n'],
  ['a prefix', '0x5\r\nhello\r\n'],
  ['a space before the size', ' 5\r\nhello\r\n'],
  ['a space within the size', '5 5\r\nhello\r\n'],
  ['only an extension', ';a\r\nhello\r\n'],
  ['a bare line feed behind the size', '5\nhello\r\n0\r\n\r\n'],
  ['a bare carriage return behind the size', '5\rhello\r\n'],
  ['a bare line feed in an extension', '5;a\nhello\r\n'],
  ['a bare carriage return in an extension', '5;a\rb\r\nhello\r\n'],
  ['a control character in an extension', '5;\x01\r\nhello\r\n'],
  ['DEL in an extension', '5;\x7f\r\nhello\r\n'],
  ['a quote that its line does not end', '5;a="b\r\nhello\r\n0\r\n\r\n'],
  ['a quote whose end is quoted', '5;a="b\\"\r\nhello\r\n0\r\n\r\n'],
  ['a line end that is quoted', '5;a="b\\\r\nhello\r\n0\r\n\r\n'],
  ['a control character in quotes', '5;a="\x01"\r\nhello\r\n'],
  ['more data than the size', '5\r\nhello!\r\n0\r\n\r\n'],
  ['less data than the size', '5\r\nhell\r\n0\r\n\r\n'],
  ['a bare line feed behind the data', '5\r\nhello\n0\r\n\r\n'],
  ['a bare carriage return behind the data', '5\r\nhello\r0\r\n\r\n'],
  ['a size beyond what can be counted', `${'f'.repeat(14)}\r\n`],
  ['a size of many digits', `${'f'.repeat(16)}\r\n`],
  ['a size that would overflow', `1${'0'.repeat(16)}\r\n`],
  ['trailers that say where the message ends', '0\r\nContent-Length: 5\r\n\r\n'],
  ['trailers that say how it is framed', '0\r\nX: 1\r\ntransfer-encoding: chunked\r\n\r\n'],
  ['trailers that announce trailers', '0\r\nTrailer: x\r\n\r\n'],
  ['trailers that say where it goes', '0\r\nHost: x\r\n\r\n'],
  ['trailers about the connection', '0\r\nConnection: close\r\n\r\n'],
  ['trailers with white space around a name', '0\r\nX : 1\r\n\r\n'],
  ['folded trailers', '0\r\nX: 1\r\n y\r\n\r\n'],
  ['a bare line feed behind the trailers', '0\r\nX: 1\n\r\n'],
  ['something else behind the last chunk', '0\r\n\rX'],
]
for (const [name, text] of broken) {
  t.test(`chunks refused: ${name}`, async t => {
    t.equal(chunked(text).state, 'broken')
    for (let at = 0; at <= text.length; at++) {
      if (!t.equal(chunked(...cutAt(text, at)).state, 'broken', `cut at ${at}`)) return
    }
    t.equal(chunked(...text).state, 'broken', 'byte by byte')
  })
}

t.test('the largest size that can be counted is read as one', async t => {
  const body = new Body()
  body.begin('chunked', 0)
  t.match(read(body, ['1fffffffffffff\r\nabc']), { data: 'abc', state: 'more' })
  t.equal(body.left, Number.MAX_SAFE_INTEGER - 3)
  t.equal(chunked('20000000000000\r\n').state, 'broken')
})

t.test('a size line has a limit, whatever it is made of', async t => {
  for (const [before, filler] of [
    ['', '0'],
    ['5;', 'x'],
    ['5', ' '],
  ] as const) {
    const line = (length: number): string => `${before}${filler.repeat(length - before.length)}`
    t.equal(chunked(line(4_095)).state, 'more', `${filler}: as many bytes as are allowed`)
    t.equal(chunked(line(4_096)).state, 'broken', 'one more')
  }
})

t.test('trailers have a limit', async t => {
  t.equal(chunked(`0\r\nx: ${'y'.repeat(65_000)}\r\n\r\n`).state, 'done')
  t.equal(chunked(`0\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`).state, 'broken')
  t.equal(chunked('0\r\n', ...Array.from({ length: 70 }, () => `x: ${'y'.repeat(1_000)}\r\n`)).state, 'broken')
})

t.test('a body by length is so many bytes, the rest is somebody else', async t => {
  for (let at = 0; at <= 10; at++) {
    const body = new Body()
    body.begin('length', 5)
    t.same([body.left, body.done], [5, false])
    t.same(read(body, cutAt('helloGET /', at)), { data: 'hello', rest: 'GET /', state: 'done', trailers: [] })
    t.equal(body.left, 0)
  }
})

t.test('no body has ended before it began', async t => {
  for (const [framing, length] of [
    ['none', 0],
    ['length', 0],
  ] as const) {
    const body = new Body()
    body.begin(framing, length)
    t.ok(body.done)
    t.equal(body.read(bytes('GET /'), 2, 5), 2)
    t.equal(body.from, body.to)
  }
})

t.test('the end of the connection ends only what nothing else does', async t => {
  const body = new Body()
  body.begin('until-close', 0)
  t.same(read(body, ['abc', 'def']), { data: 'abcdef', rest: undefined, state: 'more', trailers: [] })
  t.equal(body.left, 0)
  t.ok(body.close())
  t.ok(body.done)
  body.begin('length', 5)
  t.notOk(body.close())
  body.begin('chunked', 0)
  read(body, ['5\r\nhello\r\n0\r\n'])
  t.notOk(body.close())
  body.begin('none', 0)
  t.ok(body.close())
})

t.test('what a body knows of the one before it is forgotten', async t => {
  const body = new Body()
  body.begin('chunked', 0)
  t.same(read(body, ['0\r\na: b\r\n\r\n']).trailers, ['a', 'b'])
  body.begin('chunked', 0)
  t.equal(body.trailers, undefined)
  read(body, ['0\r\na: b\r\n'])
  body.begin('chunked', 0)
  t.same(read(body, ['1\r\nx\r\n0\r\n', '\r\n']), { data: 'x', rest: '', state: 'done', trailers: [] })
  t.equal(body.trailers, undefined, 'nothing stood behind the last chunk')
})
