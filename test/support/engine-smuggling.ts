// Conformance: what must not pass. Whatever two readers could read in two ways is refused, in its turn.

import type { Test } from 'tap'
import { get, makeStand, type Subject } from './engine.ts'

const chunked = 'Transfer-Encoding: chunked\r\n'

export function smuggling(t: Test, subject: Subject): void {
  const body = '0\r\n\r\n'
  const rows: [name: string, fields: string][] = [
    ['a length beside chunks', `Content-Length: 5\r\n${chunked}`],
    ['chunks beside a length', `${chunked}Content-Length: 5\r\n`],
    ['two different lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n'],
    ['a list of lengths', 'Content-Length: 5, 5\r\n'],
    ['a signed length', 'Content-Length: +5\r\n'],
    ['a hexadecimal length', 'Content-Length: 0x5\r\n'],
    ['an empty length', 'Content-Length:\r\n'],
    ['a length beyond all bounds', 'Content-Length: 99999999999999999999\r\n'],
    ['chunked twice', `${chunked}${chunked}`],
    ['chunked twice in one line', 'Transfer-Encoding: chunked, chunked\r\n'],
    ['chunked that is not last', 'Transfer-Encoding: chunked, gzip\r\n'],
    ['a coding that nobody knows', 'Transfer-Encoding: xchunked\r\n'],
    ['identity', 'Transfer-Encoding: identity\r\n'],
    ['a coding under chunked', 'Transfer-Encoding: gzip, chunked\r\n'],
    ['a folded coding', 'Transfer-Encoding:\r\n chunked\r\n'],
    ['a folded field', 'X-A: b\r\n c\r\n'],
    ['a bare CR in a value', 'X-A: b\rContent-Length: 5\r\n'],
    ['a bare CR as a line end', 'X-A: b\rX-C: d\r\n'],
    ['a NUL in a value', 'X-A: b\0c\r\n'],
    ['a space before the colon', 'Content-Length : 5\r\n'],
    ['a tab before the colon', 'Transfer-Encoding\t: chunked\r\n'],
    ['a field without a colon', 'X-A\r\n'],
    ['a field without a name', ': a\r\n'],
  ]
  for (const [name, fields] of rows) {
    t.test(`${name} is refused with 400 before the gate, and nothing reaches the container`, async t => {
      const { gate, backend, client } = await makeStand(t, subject)
      const wire = (await client()).send(`POST / HTTP/1.1\r\nHost: app\r\n${fields}\r\n${body}`)
      t.match(
        await wire.rest(),
        /^HTTP\/1\.1 400 Bad Request(?:: [a-z ]+)?\r\n(?:.*\r\n)*Connection: close\r\n(?:.*\r\n)*\r\n/i,
      )
      t.match([gate.visits.length, backend.total], [0, 0])
    })
  }

  const lines: [name: string, head: string, status: number][] = [
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['two hosts', get('/', 'Host: b\r\n'), 400],
    ['a version of the future', 'GET / HTTP/3.0\r\nHost: app\r\n\r\n', 505],
    ['garbage', '\x16\x03\x01\x02\x00\x01\x00\r\n\r\n', 400],
    ['a space in the target', get('/a b'), 400],
    ['a head beyond all bounds', get('/', `X: ${'x'.repeat(1 << 20)}\r\n`), 431],
  ]
  for (const [name, head, status] of lines) {
    t.test(`${name} is refused with ${status} before the gate`, async t => {
      const { gate, backend, client } = await makeStand(t, subject)
      t.match(await (await client()).send(head).rest(), new RegExp(`^HTTP/1\\.1 ${status} `))
      t.match([gate.visits.length, backend.total], [0, 0])
    })
  }

  t.test('what is malformed behind a good request is refused after its answer, never inside it', async t => {
    const { gate, client, backend } = await makeStand(t, subject)
    const wire = (await client()).send(`${get()}BAD\x01\r\n\r\n`)
    const container = await backend.next()
    await container.head()
    container.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab')
    const visit = await gate.next()
    await visit.reported('responded 200')
    container.send('cd')
    t.match(await visit.over(), ['responded 200', 'finished complete 0'])
    t.match(await wire.rest(), /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nabcd(?:HTTP\/1\.1 400 Bad Request\r\n[\s\S]*)?$/)
    t.equal(gate.visits.length, 1)
  })

  t.test('a chunk that is malformed ends the request as the fault of the client', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse(`POST / HTTP/1.1\r\nHost: app\r\n${chunked}\r\n3\r\nabc\r\nzz\r\n`)
    t.notMatch(await container.rest(), /0\r\n\r\n$/)
    t.match(await client.rest(), /^HTTP\/1\.1 (?:400|502) [\s\S]*\r\nConnection: close\r\n/i)
    t.match(await (await gate.next()).over(), ['failed client-body-broken', 'finished malformed 0'])
  })
}
