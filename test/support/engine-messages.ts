// Conformance: what passes through. Framing, targets, fields, interim answers.

import type { Test } from 'tap'
import { get, makeStand, ok, post, type Subject } from './engine.ts'
import type { Message } from './engine-wire.ts'

const chunked = 'Transfer-Encoding: chunked\r\n'

/** One request and its answer through a fresh engine: what the container saw, and what the client got. */
async function relay(
  t: Test,
  subject: Subject,
  request: string,
  response: string,
  options: { bodyless?: boolean; last?: boolean; allowUnframed?: boolean } = {},
): Promise<{ seen: Message; got: Message; story: string[]; sent: number; received: number }> {
  const { gate, converse } = await makeStand(t, subject, { allowUnframed: options.allowUnframed === true })
  const { client, container } = await converse(request)
  const seen = await container.message()
  container.send(response)
  if (options.last) container.end()
  let got = await client.message(options.bodyless)
  while (/^HTTP\/1\.1 1\d\d/.test(got.line)) got = await client.message(options.bodyless)
  const visit = await gate.next()
  const story = await visit.over()
  t.equal(visit.finishes, 1)
  t.match(visit.reports.at(-1), /^finished/)
  return { seen, got, story, sent: visit.bytesSent, received: visit.bytesReceived }
}

export function framing(t: Test, subject: Subject): void {
  const big = 'x'.repeat(300_000)
  const rows: [name: string, request: string, response: string, want: object, options?: object][] = [
    ['a body by length comes by length', get(), ok('hello'), { body: 'hello', length: '5', sent: 5 }],
    ['an empty body has length 0', get(), ok(), { body: '', length: '0', sent: 0 }],
    [
      'a chunked body comes chunked',
      get(),
      `HTTP/1.1 200 OK\r\n${chunked}\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n`,
      { body: 'abcde', coding: 'chunked', sent: 5 },
    ],
    ['a large body comes whole', get(), ok(big), { body: big, length: '300000', sent: 300_000 }],
    ['204 has no body', get(), 'HTTP/1.1 204 No Content\r\n\r\n', { line: 'HTTP/1.1 204 No Content', sent: 0 }],
    [
      '304 keeps its length and has no body',
      get(),
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n',
      { line: 'HTTP/1.1 304 Not Modified', length: '9', sent: 0 },
    ],
    [
      'an answer to HEAD keeps its length and has no body',
      get().replace('GET', 'HEAD'),
      'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n',
      { length: '9', body: '', sent: 0 },
      { bodyless: true },
    ],
    [
      'a reason phrase is replaced by the usual one',
      get(),
      'HTTP/1.1 404 Gone Fishing\r\nContent-Length: 0\r\n\r\n',
      { line: 'HTTP/1.1 404 Not Found' },
    ],
    [
      'an unknown status passes',
      get(),
      'HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n',
      { line: 'HTTP/1.1 299 status code 299' },
    ],
    ['a response of HTTP/1.0 by length passes', get(), ok('old').replace('1.1', '1.0'), { body: 'old', length: '3' }],
    [
      'a response delimited by close is chunked for the client where that is allowed',
      get(),
      'HTTP/1.1 200 OK\r\n\r\nuntil the end',
      { body: 'until the end', coding: 'chunked', sent: 13 },
      { last: true, allowUnframed: true },
    ],
    [
      'trailers of a response reach the client, announced or not',
      get(),
      `HTTP/1.1 200 OK\r\n${chunked}Trailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\nX-More: 8\r\n\r\n`,
      { body: 'a', trailers: 'X-Sum: 7\r\nX-More: 8\r\n', announced: 'X-Sum' },
    ],
    [
      'a missing type is sniffed from the first bytes',
      get(),
      'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>',
      { type: 'text/html; charset=utf-8' },
    ],
  ]
  for (const [name, request, response, want, options] of rows) {
    t.test(name, async t => {
      const { got, story, sent } = await relay(t, subject, request, response, options)
      const status = got.line.split(' ')[1]
      t.same(story, [`responded ${status}`, 'finished complete 0'])
      const { line, body, trailers, field } = got
      const found = { line, body, trailers, sent, length: field('content-length'), coding: field('transfer-encoding') }
      t.match({ ...found, type: field('content-type'), announced: field('trailer') }, want)
    })
  }

  const uploads: [name: string, request: string, body: string, framing: object][] = [
    ['a request body by length', post('hello'), 'hello', { length: '5', coding: undefined }],
    [
      'a chunked request body',
      `POST / HTTP/1.1\r\nHost: app\r\n${chunked}\r\n3;ext\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`,
      'abcde',
      { length: undefined, coding: 'chunked' },
    ],
    ['a large request body', post(big), big, { length: '300000', coding: undefined }],
    ['a POST without a body says so', post(''), '', { length: '0', coding: undefined }],
    ['a GET with a body keeps it', post('odd').replace('POST', 'GET'), 'odd', { length: '3' }],
  ]
  for (const [name, request, body, want] of uploads) {
    t.test(`${name} reaches the container`, async t => {
      const { seen, received } = await relay(t, subject, request, ok())
      t.equal(seen.body, body)
      t.equal(received, body.length)
      t.match({ length: seen.field('content-length'), coding: seen.field('transfer-encoding') }, want)
    })
  }

  t.test('a client of HTTP/1.0 gets an answer that ends with the connection, and the container HTTP/1.1', async t => {
    const { converse } = await makeStand(t, subject)
    const { client, container } = await converse('GET /old HTTP/1.0\r\n\r\n')
    const { line, field } = await container.head()
    t.equal(line, 'GET /old HTTP/1.1')
    t.equal(field('host'), '127.0.0.1:8080')
    container.send(`HTTP/1.1 200 OK\r\n${chunked}\r\n3\r\nabc\r\n0\r\n\r\n`)
    const text = await client.rest()
    const version = subject.gaps.has('status-line-1.0') ? '1.1' : '1.0'
    t.match(text, new RegExp(`^HTTP/${version.replace('.', '\\.')} 200 OK\r\n`))
    t.notMatch(text, /transfer-encoding/i)
    t.match(text, /\r\n\r\nabc$/)
    t.equal(client.fate, 'ended')
  })

  t.test('a client of HTTP/1.0 that asks for it keeps its connection, where the length is known', async t => {
    const { converse } = await makeStand(t, subject)
    const { client, container } = await converse('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    await container.head()
    container.send(ok('a'))
    const { field, body } = await client.message()
    t.match([field('connection'), body], ['keep-alive', 'a'])
    client.send('GET /2 HTTP/1.0\r\n\r\n')
    t.equal((await container.head()).line, 'GET /2 HTTP/1.1')
    container.send(ok('b'))
    t.match(await client.rest(), /\r\n\r\nb$/)
  })

  t.test('interim answers are relayed with their fields, and the true final status follows', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse(get())
    await container.head()
    container.send('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\n\r\n')
    t.equal((await client.head()).head, 'HTTP/1.1 103 Early Hints\r\nLink: </a>')
    container.send(`HTTP/1.1 102 Processing\r\n\r\n${ok('no').replace('200 OK', '404 Not Found')}`)
    t.equal((await client.head()).head, 'HTTP/1.1 102 Processing')
    t.match(await client.message(), { line: 'HTTP/1.1 404 Not Found', body: 'no' })
    const visit = await gate.next()
    t.same(await visit.over(), ['interim 103', 'interim 102', 'responded 404', 'finished complete 0'])
  })

  t.test('request trailers', async t => {
    const request = `POST / HTTP/1.1\r\nHost: app\r\n${chunked}Trailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n`
    const { seen } = await relay(t, subject, request, ok())
    t.equal(seen.body, 'a')
    t.equal(seen.trailers, subject.gaps.has('request-trailers') ? '' : 'X-Sum: 7\r\n')
  })

  t.test('request trailers that would mean something in a head, or are stripped, do not pass', async t => {
    const { converse } = await makeStand(t, subject, { strip: ['x-peer'] })
    const trailers = 'X-Sum: 7\r\nX-Forwarded-For: 6.6.6.6\r\nx_peer: 1\r\nAuthorization: b\r\n'
    const { client, container } = await converse(
      `POST / HTTP/1.1\r\nHost: app\r\n${chunked}\r\n1\r\na\r\n0\r\n${trailers}\r\n`,
    )
    const seen = await container.message()
    t.equal(seen.trailers, subject.gaps.has('request-trailers') ? '' : 'X-Sum: 7\r\nAuthorization: b\r\n')
    container.send(ok())
    await client.message()
  })

  t.test('a body that was announced with Expect is invited, and reaches the container', async t => {
    const { converse } = await makeStand(t, subject)
    const request = 'POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n'
    const { client, container } = await converse(request)
    const relayed = !subject.gaps.has('expect-relayed')
    const head = container.head()
    if (relayed) {
      await head
      container.send('HTTP/1.1 100 Continue\r\n\r\n')
    }
    t.equal((await client.head()).line, 'HTTP/1.1 100 Continue')
    client.send('hi')
    t.equal((await head).field('expect'), relayed ? '100-continue' : undefined)
    t.equal(await container.take(2), 'hi')
    container.send(ok())
    t.equal((await client.message()).line, 'HTTP/1.1 200 OK')
  })

  t.test('a head goes ahead of its body', async t => {
    const { backend, client } = await makeStand(t, subject)
    const wire = (await client()).send('POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 1\r\n\r\n')
    const container = await backend.next()
    if (subject.gaps.has('head-before-body')) wire.send('a')
    t.equal((await container.head()).line, 'POST / HTTP/1.1')
    wire.send('a')
  })

  t.test('100 Continue of the container, unasked', async t => {
    const { converse } = await makeStand(t, subject)
    const { client, container } = await converse(get())
    await container.head()
    container.send(`HTTP/1.1 100 Continue\r\n\r\n${ok()}`)
    const gap = subject.gaps.has('continue-relayed')
    t.equal((await client.head()).line, gap ? 'HTTP/1.1 502 Bad Gateway' : 'HTTP/1.1 100 Continue')
  })

  t.test('any other expectation is answered with 417, and the container hears nothing', async t => {
    const { backend, gate, client } = await makeStand(t, subject)
    const wire = (await client()).send(get('/', 'Expect: x\r\n'))
    const { line, field } = await wire.message()
    t.match([line, field('connection')], ['HTTP/1.1 417 Expectation Failed', 'close'])
    t.same(await (await gate.next()).over(), ['finished answered 0'])
    t.equal(backend.wires.length, 0)
  })
}

export function heads(t: Test, subject: Subject): void {
  const targets: [target: string, want?: string][] = [
    ['/a%2Fb%2fc'],
    ['//a//b'],
    ['/a/../b/./c/%2e%2e'],
    ['/?'],
    ['/?a=b&c=%zz;d'],
    ['/??a?b'],
    ['/a;p=1/{x}|y^`"<>\\'],
    ['/http://other/'],
    ['http://app/x%2Fy?z', '/x%2Fy?z'],
    ['http://app', '/'],
    ['http://app?q', '/?q'],
  ]
  for (const [target, want = target] of targets) {
    t.test(`target ${JSON.stringify(target)} is passed on byte for byte`, async t => {
      const { seen } = await relay(t, subject, get(target), ok())
      t.equal(seen.line, `GET ${want} HTTP/1.1`)
    })
  }

  t.test("an absolute target's authority is the host that counts", async t => {
    const { seen } = await relay(t, subject, get('http://user@real:81/x').replace('app', 'lie'), ok())
    t.same(seen.fields('host'), ['real:81'])
  })

  for (const target of ['/\xc3\xa9', '/?\xff\x80']) {
    t.test(`target ${JSON.stringify(target)}, with bytes that are no ASCII`, async t => {
      if (!subject.gaps.has('raw-utf8-targets')) {
        t.equal((await relay(t, subject, get(target), ok())).seen.line, `GET ${target} HTTP/1.1`)
        return
      }
      const { gate, client, backend } = await makeStand(t, subject)
      t.match(await (await client()).send(get(target)).rest(), /^HTTP\/1\.1 400 Bad Request\r\n/)
      t.match([gate.visits.length, backend.total], [0, 0])
    })
  }

  t.test('target *', async t => {
    const { gate, client, backend } = await makeStand(t, subject)
    const wire = (await client()).send(get('*'))
    if (!subject.gaps.has('target-asterisk')) {
      t.equal((await (await backend.next()).head()).line, 'GET * HTTP/1.1')
      return
    }
    const { line, body, field } = await wire.message()
    t.match([line, body, field('connection')], ['HTTP/1.1 502 Bad Gateway', 'request-unsupported\n', 'close'])
    t.same(await (await gate.next()).over(), ['failed request-unsupported', 'finished malformed 0'])
    t.equal(backend.total, 0)
  })

  for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'PROPFIND', 'QUERY', 'M-SEARCH']) {
    t.test(`method ${method} passes`, async t => {
      const { seen } = await relay(t, subject, get('/m').replace('GET', method), ok())
      t.equal(seen.line, `${method} /m HTTP/1.1`)
    })
  }

  t.test('a method that nobody knows', async t => {
    const request = get().replace('GET', 'frobnicate')
    if (!subject.gaps.has('unknown-methods')) {
      t.equal((await relay(t, subject, request, ok())).seen.line, 'frobnicate / HTTP/1.1')
      return
    }
    const { gate, client, backend } = await makeStand(t, subject)
    t.match(await (await client()).send(request).rest(), /^HTTP\/1\.1 400 Bad Request\r\n/)
    t.match([gate.visits.length, backend.total], [0, 0])
  })

  t.test('fields of one connection only are taken off, all others keep name, value and order', async t => {
    const lines = [
      'x-lower: 1',
      'X-Twice: a',
      'Connection: keep-alive, X-Hop',
      'X-Hop: gone',
      'Keep-Alive: 5',
      'Proxy-Connection: keep-alive',
      'Proxy-Authorization: secret',
      'TE: trailers, gzip',
      'Upgrade: h2c',
      'Knative-Serving-Revision: r',
      'X-Forwarded-For: 1.1.1.1',
      'X-Twice: b',
      'X-Empty:',
      'X-High: \xe9\xff',
    ]
    const { seen } = await relay(t, subject, get('/', `${lines.join('\r\n')}\r\n`), ok())
    // White space around a value is no part of it, so an empty one may stand with or without.
    const head = seen.head.replace('\nhost:', '\nHost:').replace(/:(?=\r\n)/g, ': ')
    t.same(head.split('\r\n').slice(1), [
      'Host: app',
      'x-lower: 1',
      'X-Twice: a',
      'X-Twice: b',
      'X-Empty: ',
      'X-High: \xe9\xff',
      'X-Forwarded-For: 1.1.1.1, 192.0.2.7',
      'Forwarded: for=1.1.1.1',
      'TE: trailers',
    ])
  })

  t.test(
    "fields of the container's answer: hop-by-hop ones go, the others stay, none is invented but Date",
    async t => {
      const response =
        'HTTP/1.1 200 OK\r\nServer: s\r\nSet-Cookie: a\r\nset-cookie: b\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n' +
        'Keep-Alive: 5\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\nContent-Type: a/b\r\nX-High: \xe9\r\n' +
        'Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n'
      const { got } = await relay(t, subject, get(), response)
      t.same(got.head.split('\r\n').slice(1), [
        'Server: s',
        'Set-Cookie: a',
        'set-cookie: b',
        'Content-Type: a/b',
        'X-High: \xe9',
        'Date: Thu, 01 Jan 1970 00:00:00 GMT',
        'Content-Length: 0',
      ])
    },
  )

  t.test('the first K-Original-Host may choose the Host, and none reaches the container', async t => {
    const { converse } = await makeStand(t, subject)
    for (const [values, host] of [
      [['a.example', 'b.example'], 'a.example'],
      [['', 'b.example'], 'app'],
    ] as const) {
      const fields = values.map(value => `K-Original-Host: ${value}\r\n`).join('')
      const { container } = await converse(get('/', fields))
      const { head, field } = await container.head()
      t.equal(field('host'), host)
      t.notMatch(head, /original/i)
    }
  })

  t.test('stripped fields are stripped in every spelling', async t => {
    const { converse } = await makeStand(t, subject, { strip: ['x-peer'] })
    const { container } = await converse(get('/', 'X-Peer: 1\r\nx_peer: 2\r\nX-Peers: 3\r\n'))
    t.same((await container.head()).head.match(/^x.peers?: .*$/gim), ['X-Peers: 3'])
  })
}
