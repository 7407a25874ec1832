import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { Head } from '../../../src/engine/bytes/head.ts'
import { Out } from '../../../src/engine/bytes/out.ts'
import {
  dateField,
  wantsType,
  writeResponseFields,
  writeStatusLine,
  writeTrailerField,
} from '../../../src/engine/bytes/response-head.ts'
import { responseFields } from '../../../src/engine/rewrite.ts'
import { readHead, responseHead } from '../../support/bytes-heads.ts'

function written(write: (out: Out) => void): string {
  const out = new Out()
  write(out)
  return out.take().toString('latin1')
}
const fields = (head: Head, minor = 1): string => written(out => writeResponseFields(out, minor, head))

t.test('what passes is copied in order, every line ended', async t => {
  const lines = [
    'Server: a',
    'Keep-Alive: x',
    'set-cookie:b',
    'Set-Cookie:  c',
    'Connection: x-gone',
    'X-Gone: 1',
    'Via: d',
  ]
  t.equal(fields(responseHead(lines)), 'HTTP/1.1 200 OK\r\nServer: a\r\nset-cookie:b\r\nSet-Cookie:  c\r\nVia: d\r\n')
  t.equal(fields(responseHead([])), 'HTTP/1.1 200 OK\r\n')
})

t.test('the phrase is the usual one for the code, the version that of the client', async t => {
  t.equal(fields(responseHead([], 'HTTP/1.1 404 Nobody here')), 'HTTP/1.1 404 Not Found\r\n')
  t.equal(fields(responseHead([], 'HTTP/1.0 200 Fine'), 0), 'HTTP/1.0 200 OK\r\n')
  t.equal(
    written(out => writeStatusLine(out, 0, 503)),
    'HTTP/1.0 503 Service Unavailable\r\n',
  )
  t.equal(
    written(out => writeStatusLine(out, 1, 799)),
    'HTTP/1.1 799 status code 799\r\n',
  )
})

t.test('announced trailers are announced again, a type is wanted where nothing says one', async t => {
  const head = responseHead(['Trailer: a', 'x: y', 'trailer: b, c'])
  t.equal(
    written(out => writeTrailerField(out, head)),
    'Trailer: a\r\nTrailer: b, c\r\n',
  )
  t.ok(wantsType(head))
  t.notOk(wantsType(responseHead(['Content-Type: a'])))
  t.notOk(wantsType(responseHead(['content-encoding: gzip'])))
})

t.test('the date is that of the second', async t => {
  const at = Date.UTC(2026, 0, 2, 3, 4, 5)
  t.equal(dateField(at), 'Date: Fri, 02 Jan 2026 03:04:05 GMT\r\n')
  t.equal(dateField(at + 999), dateField(at))
  t.equal(dateField(at + 1_000), 'Date: Fri, 02 Jan 2026 03:04:06 GMT\r\n')
})

const name = fc.constantFrom(
  ...['Connection', 'connection', 'close', 'Close', 'Keep-Alive', 'Proxy-Connection', 'Proxy-Authenticate', 'TE', 'te'],
  ...[
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'Proxy-Authorization',
    'Content-Length',
    'Date',
    'Server',
    'X-A',
    'x-a',
  ],
  ...['Set-Cookie', 'K-Original-Host', 'X-Forwarded-For', 'Host', 'x_a'],
)
const value = fc.constantFrom(
  '',
  'a',
  'close',
  'keep-alive',
  'X-A, close',
  'Set-Cookie',
  'date,,server ',
  'upgrade',
  '\xff',
)
const lines = fc.array(fc.tuple(name, fc.constantFrom('', ' ', '\t'), value), { maxLength: 12 })

t.test('the fields are those of the rules over field lists, whatever came, in the same order', async () => {
  fc.assert(
    fc.property(lines, received => {
      const head = responseHead(received.map(([each, space, text]) => `${each}:${space}${text}`))
      const raw = received.flatMap(([each, , text]) => [each, text.trim()])
      return isDeepStrictEqual(readHead('response', `${fields(head)}\r\n`).raw(), responseFields(raw))
    }),
    { numRuns: 10_000 },
  )
})
