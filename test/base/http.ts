import t, { type Test } from 'tap'
import { listen as bind, closed, type SideRoute, sideServer } from '../../src/base/http.ts'
import { exchange, listen } from '../support/sockets.ts'

const hello: SideRoute = {
  path: '/metrics',
  answer: request => ({ status: 200, contentType: 'text/plain', body: `${request.method} of ${request.from}` }),
}

async function ask(t: Test, text: string, route: SideRoute = hello): Promise<string> {
  return exchange(await listen(t, sideServer(route)), text)
}

const last = 'Host: a\r\nConnection: close\r\n\r\n'

const answers: [name: string, request: string, answer: RegExp][] = [
  ['the path is answered', `GET /metrics HTTP/1.1\r\n${last}`, /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nGET of 127\.0\.0\.1$/s],
  ['whatever the query', `GET /metrics?a=/b HTTP/1.1\r\n${last}`, /^HTTP\/1\.1 200 /],
  ['any method', `POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n${last}abc`, /POST of/],
  ['HEAD has the length and no body', `HEAD /metrics HTTP/1.1\r\n${last}`, /Content-Length: 17\r\n.*\r\n\r\n$/s],
  ['a client that closes is told so', `GET /metrics HTTP/1.1\r\n${last}`, /\r\nConnection: close\r\n/],
  ['HTTP/1.0 is closed', 'GET /metrics HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 200 /],
  [
    'another path is 404',
    `GET /metrics/ HTTP/1.1\r\n${last}`,
    /^HTTP\/1\.1 404 .*nosniff.*\r\n\r\n404 page not found\n$/s,
  ],
  ['the root is 404', `GET / HTTP/1.1\r\n${last}`, /^HTTP\/1\.1 404 /],
  ['what is not HTTP is 400', 'hello\r\n\r\n', /^HTTP\/1\.1 400 .*\r\n\r\n400 Bad Request$/s],
  ['an endless head is 400', `GET / HTTP/1.1\r\nA: ${'a'.repeat(70_000)}\r\n\r\n`, /^HTTP\/1\.1 400 /],
]
for (const [name, request, expected] of answers) {
  t.test(name, async t => {
    t.match(await ask(t, request), expected)
  })
}

const broken: [name: string, answer: SideRoute['answer']][] = [
  [
    'throws',
    () => {
      throw new Error('secret')
    },
  ],
  ['rejects', () => Promise.reject(new Error('secret'))],
]
for (const [name, answer] of broken) {
  t.test(`an answer that ${name} is 500 and says nothing more`, async t => {
    const text = await ask(t, `GET /x HTTP/1.1\r\n${last}`, { path: '/x', answer })
    t.match(text, /^HTTP\/1\.1 500 .*\r\n\r\ninternal error\n$/s)
  })
}

t.test('bytes, headers of its own, and no content type where there is none', async t => {
  const text = await ask(t, `GET /x HTTP/1.1\r\n${last}`, {
    path: '/x',
    answer: () => ({ status: 405, headers: { Allow: 'GET' }, body: Uint8Array.of(0xff, 0x00) }),
  })
  t.match(text, /^HTTP\/1\.1 405 .*Allow: GET\r\n.*\r\n\r\n\u00ff\u0000$/s)
  t.notMatch(text, 'Content-Type')
})

t.test('one connection carries many requests, and no Connection field', async t => {
  const get = 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'
  const text = await ask(t, `${get}${get}GET /metrics HTTP/1.1\r\n${last}`)
  t.equal(text.match(/HTTP\/1\.1 200 /g)?.length, 3)
  t.equal(text.match(/Connection/g)?.length, 1, 'the last one closes')
})

t.test('a server listens on the port that it is given, and closes when what it serves has ended', async t => {
  const first = sideServer({ path: '/', answer: () => ({ status: 200, body: 'ok' }) })
  const port = await bind(first, 0)
  t.ok(port > 0)
  const second = sideServer()
  await t.rejects(bind(second, port), { code: 'bind-failed', message: /EADDRINUSE/ })
  await closed(first)
  t.equal(await bind(second, port), port)
  await closed(second)
})
