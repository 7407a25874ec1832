import t from 'tap'
import { Body, responseFraming } from '../../../src/engine/bytes/framing.ts'
import { Out } from '../../../src/engine/bytes/out.ts'
import { Relay } from '../../../src/engine/bytes/relay.ts'
import type { Upstream } from '../../../src/engine/bytes/upstream.ts'
import type { Wire } from '../../../src/engine/bytes/wire.ts'
import { bytes, responseHead } from '../../support/bytes-heads.ts'
import { FakeClock } from '../../support/clock.ts'
import { settled } from '../../support/gate.ts'

/** A relay between a client that takes what it is sent, or is full, and a container of which every order is noted. */
function stand(lines: string[], old = false) {
  const head = responseHead(lines)
  const body = new Body()
  const framing = responseFraming(head, false, true)
  if ('code' in framing) throw framing
  body.begin(framing.framing, framing.length)
  const client = { full: false, sent: '', corked: 0, keptFrom: 0 }
  const orders: string[] = []
  const clientWire = {
    get full() {
      return client.full
    },
    send(out: Out) {
      client.sent += out.take().toString('latin1')
      return !client.full
    },
    give(piece: Buffer) {
      client.sent += piece.toString('latin1')
      return !client.full
    },
    cork: () => client.corked++,
    uncork: () => client.corked--,
    keepFrom: () => client.keptFrom++,
  }
  const upstream = {
    stable: true,
    wire: { pause: () => orders.push('pause'), resume: () => orders.push('resume'), gather: () => {} },
  }
  const down = new Out()
  const relay = new Relay(
    { down, options: { clock: new FakeClock() } },
    clientWire as unknown as Wire,
    upstream as unknown as Upstream,
    old,
    body,
  )
  /** One read of the container's, as its connection tells it. */
  function read(text: string): void {
    const chunk = bytes(text)
    for (let at = 0; at < chunk.length; ) {
      at = body.read(chunk, at, chunk.length)
      if (body.from < body.to) relay.data(chunk, body.from, body.to)
    }
    if (body.done) relay.end()
    else relay.flush()
  }
  return { relay, head, body, client, orders, down, read }
}

const head = (...lines: string[]): string =>
  ['HTTP/1.1 200 OK', ...lines, 'Date: Thu, 01 Jan 2026 00:00:00 GMT', '', ''].join('\r\n')
const typed = 'Content-Type: a'
const length = (bytes: number): string => `Content-Length: ${bytes}`

t.test('head and first bytes leave together', async t => {
  const { relay, head: received, client, read } = stand([typed, length(5)])
  t.equal(relay.begin(received, false), false)
  t.equal(client.sent, '')
  read('hello')
  t.equal(client.sent, `${head(typed, length(5))}hello`)
})

t.test('where silence comes between, the head goes alone', async t => {
  const { relay, head: received, client, read } = stand([typed, length(5)])
  relay.begin(received, false)
  relay.flush()
  relay.flush()
  t.equal(client.sent, '')
  await settled()
  t.equal(client.sent, head(typed, length(5)))
  read('hello')
  t.equal(client.sent, `${head(typed, length(5))}hello`)
})

t.test('first bytes that say what the type is, and are sure to come, are waited for', async t => {
  const { relay, head: received, client, read } = stand([length(5)])
  relay.begin(received, false)
  relay.flush()
  await settled()
  await settled()
  t.equal(client.sent, '')
  read('<html')
  t.match(client.sent, /\r\nContent-Type: text\/plain; charset=utf-8\r\n\r\n<html$/)
})

t.test('those that may never come are not', async t => {
  const { relay, head: received, client, read } = stand(['Transfer-Encoding: chunked'])
  relay.begin(received, false)
  relay.flush()
  await settled()
  t.match(client.sent, /\r\n\r\n$/)
  t.notMatch(client.sent, /Content-Type/)
  read('1\r\nx\r\n0\r\n\r\n')
  t.match(client.sent, /\r\n\r\n1\r\nx\r\n0\r\n\r\n$/)
})

t.test('nothing is sent of a head that waited when all was stopped', async t => {
  const { relay, head: received, client, down } = stand([typed, length(5)])
  relay.begin(received, false)
  relay.flush()
  relay.stop()
  await settled()
  t.same([client.sent, down.length], ['', 0])
})

t.test('a large piece goes out where it lies, and its memory is kept for as long', async t => {
  const { relay, head: received, client, read } = stand([typed, length(20_000)])
  relay.begin(received, false)
  read('x'.repeat(10_000))
  t.match(client, { corked: 0, keptFrom: 1 })
  read('y'.repeat(10_000))
  t.equal(client.sent, head(typed, length(20_000)) + 'x'.repeat(10_000) + 'y'.repeat(10_000))
})

t.test('the container is not read while the client takes no more', async t => {
  const { relay, head: received, client, orders, read } = stand([typed, length(10)])
  relay.begin(received, false)
  client.full = true
  read('hel')
  t.same(orders, ['pause'])
  client.full = false
  relay.drained()
  relay.drained()
  t.same(orders, ['pause', 'resume'])
  read('lo world'.slice(0, 7))
  t.same(orders, ['pause', 'resume'])
})

t.test('a container that is to be asked again is read again, though its last bytes came while it was not', async t => {
  const { relay, head: received, client, orders, read } = stand([typed, length(10)])
  relay.begin(received, false)
  client.full = true
  read('hello')
  // TLS hands out what it has decrypted already.
  read('world')
  t.same(orders, ['pause', 'resume'])
})

t.test(
  'a client of HTTP/1.0 gets no chunks, and the end of the connection where nothing else ends the body',
  async t => {
    const { relay, head: received, client, read } = stand([typed, 'Transfer-Encoding: chunked'], true)
    t.equal(relay.begin(received, false), true)
    read('5\r\nhello\r\n0\r\n\r\n')
    t.match(client.sent, /^HTTP\/1\.0 200 OK\r\n/)
    t.notMatch(client.sent, /Transfer-Encoding|Connection/)
    t.match(client.sent, /\r\n\r\nhello$/)
  },
)
