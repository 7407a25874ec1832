import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { makeBytesEngine } from '../../src/engine/bytes.ts'
import type { MakeEngine } from '../../src/engine/engine.ts'
import { asksForHttp2, firstStream, matchPreface, preface, prefaceEnd } from '../../src/engine/preface.ts'
import { bothVersions } from '../../src/engine/versions.ts'
import { Framed, flag, frame, type, u32 } from '../support/frames.ts'
import { makeStreamStand, type StreamStandOptions } from '../support/http2.ts'
import { until } from '../support/process.ts'

const overStreams: MakeEngine = bothVersions((gate, options) => makeBytesEngine(gate, options, 'streams'))
const settings = frame(type.settings, 0, 0, Buffer.concat([Buffer.of(0, 4), u32(65_535)]))
const hello = Buffer.concat([preface, settings])

t.test('the preface is known by its first bytes, as far as they go', async t => {
  const match = (text: string): string => matchPreface(Buffer.from(text, 'latin1'), 0, text.length)
  const whole = preface.toString('latin1')
  for (let i = 1; i < whole.length; i++) t.equal(match(whole.slice(0, i)), 'more')
  t.equal(match(whole), 'yes')
  t.equal(match(`${whole}more`), 'yes')
  t.equal(match('POST / HTTP/1.1\r\n'), 'no')
  t.equal(match('PRI * HTTP/1.1\r\n\r\n'), 'no')
  t.equal(match('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'), 'broken')
  t.equal(matchPreface(Buffer.from(`x${whole}x`), 1, 25), 'yes')
})

t.test('the end of a preface is behind its SETTINGS', async t => {
  const end = (bytes: Buffer): number => prefaceEnd(bytes, 0, bytes.length)
  for (let i = 1; i < hello.length; i++) t.equal(end(hello.subarray(0, i)), 0)
  t.equal(end(hello), hello.length)
  t.equal(end(Buffer.concat([hello, Buffer.from('more')])), hello.length)
  t.equal(end(Buffer.from('GET / HTTP/1.1')), -1)
  t.equal(end(Buffer.concat([preface, frame(type.ping, 0, 0, Buffer.alloc(8))])), -1, 'something else comes first')
  t.equal(end(Buffer.concat([preface, frame(type.settings, 0, 0, Buffer.alloc(1_026))])), -1, 'nobody has so many')
})

t.test('an Upgrade to h2c is one only in the form of RFC 7540', async t => {
  const fields = (connection: string, upgrade: string, ...values: string[]): string[] => [
    ...['Connection', connection, 'Upgrade', upgrade],
    ...values.flatMap(value => ['HTTP2-Settings', value]),
  ]
  t.equal(asksForHttp2(fields('Upgrade, HTTP2-Settings', 'h2c', 'AAMAAABkAAQAAP__')), true)
  t.equal(asksForHttp2(fields('upgrade,http2-settings', 'websocket, h2c', '')), true)
  for (const [name, unfit] of [
    ['Connection does not name the settings', fields('Upgrade', 'h2c', 'AAMAAABk')],
    ['Connection does not name the Upgrade', fields('HTTP2-Settings', 'h2c', 'AAMAAABk')],
    ['another protocol', fields('Upgrade, HTTP2-Settings', 'websocket', 'AAMAAABk')],
    ['no settings', fields('Upgrade, HTTP2-Settings', 'h2c')],
    ['settings twice', fields('Upgrade, HTTP2-Settings', 'h2c', 'AAMAAABk', 'AAMAAABk')],
    ['no base64url', fields('Upgrade, HTTP2-Settings', 'h2c', 'AAMA+ABk')],
    ['half a setting', fields('Upgrade, HTTP2-Settings', 'h2c', 'AAMAAA')],
  ] as const) {
    t.equal(asksForHttp2(unfit), false, name)
  }
})

t.test('a request becomes the first frames of a stream, however long its fields are', async t => {
  const long = 'x'.repeat(40_000)
  const bytes = firstStream({
    method: 'GET',
    path: '/a',
    authority: undefined,
    fields: [
      'Host',
      'app',
      'Connection',
      'close, X-Gone',
      'X-Gone',
      '1',
      'TE',
      'trailers',
      'X-Long',
      long,
      'X-Mid',
      'y'.repeat(200),
    ],
  })
  const kinds: number[] = []
  const flags: number[] = []
  let block = Buffer.alloc(0)
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUIntBE(at, 3)
    t.ok(length <= 16_384)
    kinds.push(bytes[at + 3] ?? -1)
    flags.push(bytes[at + 4] ?? -1)
    t.equal(bytes.readUInt32BE(at + 5), 1)
    block = Buffer.concat([block, bytes.subarray(at + 9, at + 9 + length)])
    at += 9 + length
  }
  t.same(kinds, [type.headers, type.continuation, type.continuation])
  t.same(flags, [flag.endStream, 0, flag.endHeaders])
  const text = block.toString('latin1')
  t.match(text, /:method\x03GET.*:path\x02\/a.*:authority\x03app.*x-long.*x-mid.*te\x08trailers/s)
  t.notMatch(text, /gone|close/i)
})

for (const [name, makeEngine] of [
  ['handles', bothVersions(makeBytesEngine)],
  ['streams', overStreams],
] as const) {
  const stand = (t: Parameters<typeof makeStreamStand>[0], options: StreamStandOptions = {}) =>
    makeStreamStand(t, undefined, { makeEngine, ...options })

  t.test(`over ${name}: HTTP/2 is found whatever pieces its first bytes come in`, async t => {
    const { port, gate } = await stand(t)
    const get = firstStream({ method: 'GET', path: '/pieces', authority: 'app', fields: [] })
    const bytes = Buffer.concat([hello, get])
    for (const size of [1, 5, 24, 25, bytes.length]) {
      const socket = connect(port, '127.0.0.1')
      const wire = new Framed(socket)
      for (let at = 0; at < bytes.length; at += size) {
        socket.write(bytes.subarray(at, at + size))
        await delay(1)
      }
      await until(
        'an answer',
        () =>
          wire.of(type.data).some(each => each.flags & flag.endStream) ||
          wire.of(type.headers).some(each => each.flags & flag.endStream),
      )
      t.equal((await gate.next()).head.target, '/pieces')
      socket.destroy()
    }
  })

  t.test(`over ${name}: what only looks like it is HTTP/1.1, or nothing`, async t => {
    const { port, gate } = await stand(t, { order: () => ({ status: 503, headers: [], body: '' }) })
    const tell = async (text: string): Promise<string> => {
      const socket = connect(port, '127.0.0.1')
      let answer = ''
      socket.setEncoding('latin1').on('data', (chunk: string) => {
        answer += chunk
      })
      for (const part of text.split('|')) {
        socket.write(part)
        await delay(10)
      }
      if (!socket.readableEnded) await once(socket, 'end')
      return answer
    }
    t.match(await tell('PRI * HTTP/2.0\r\nHost: a\r\n\r\nSM\r\n\r\n'), /^HTTP\/1.1 505 /)
    t.equal(await tell('PRI * HTTP/2.0\r\n|\r\nXX\r\n\r\n'), '')
    t.match(await tell('P|R|I| /\r\n\r\n'), /^HTTP\/1.1 400 /)
    t.equal(gate.visits.length, 0)
    const late = tell('GET / HTTP/1.1\r\nHost: a\r\n\r\n|PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    t.match(await late, /HTTP\/1.1 503 .*HTTP\/1.1 505 /s, 'only the first bytes of a connection can be')
  })

  t.test(`over ${name}: a request that asks for HTTP/2 is answered as its first stream`, async t => {
    const { port, gate } = await stand(t)
    const ask = `GET /up?x HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nX-A: 1\r\n\r\n`
    for (const early of [true, false]) {
      const socket = connect(port, '127.0.0.1')
      const answer: Buffer[] = []
      const switched = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'
      const wire = new Framed(socket, switched.length)
      socket.once('data', chunk => answer.push(chunk))
      socket.write(early ? Buffer.concat([Buffer.from(ask), hello.subarray(0, 30)]) : ask)
      await delay(30)
      t.equal(answer[0]?.toString('latin1').slice(0, switched.length), switched)
      socket.write(early ? hello.subarray(30) : hello)
      await until('an answer', () => wire.of(type.headers).length > 0)
      t.equal(wire.of(type.headers)[0]?.stream, 1)
      const { head } = await gate.next()
      t.match([head.version, head.target, head.header('host'), head.header('x-a')], ['2', '/up?x', 'app.example', '1'])
      t.equal(head.header('http2-settings'), undefined)
      // And it is an ordinary connection from here on.
      wire.send(frame(type.ping, 0, 0, Buffer.from('12345678')))
      await until('a pong', () => wire.of(type.ping).length > 0)
      socket.destroy()
    }
    const broken = connect(port, '127.0.0.1')
    broken.write(`${ask}NOT HTTP/2`)
    broken.resume()
    await once(broken, 'close')
    t.equal(gate.visits.length, 2, 'who does not go on with it has asked for nothing')
  })

  t.test(`over ${name}: who asks for HTTP/2 and says no more is not waited for`, async t => {
    const { port, clock } = await stand(t)
    const socket = connect(port, '127.0.0.1')
    socket.resume()
    socket.write(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n',
    )
    await delay(30)
    clock.advance(62_000)
    await once(socket, 'close')
    t.pass('closed')
  })

  t.test(
    `over ${name}: an Upgrade with a body, on TLS, or where only probes are served goes on as HTTP/1.1`,
    async t => {
      const fields = 'Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n'
      for (const [options, text] of [
        [{}, `POST / HTTP/1.1\r\n${fields}Content-Length: 1\r\n\r\nx`],
        [{ secure: true }, `GET / HTTP/1.1\r\n${fields}\r\n`],
        [{ plaintext: 'probes-only' }, `GET / HTTP/1.1\r\n${fields}\r\n`],
      ] as const) {
        const { port, gate } = await stand(t, options)
        const socket = connect(port, '127.0.0.1')
        socket.resume()
        socket.write(text)
        const { head } = await gate.next()
        t.match([head.version, head.header('upgrade'), head.upgrade], ['1.1', 'h2c', false])
        socket.destroy()
      }
    },
  )
}
