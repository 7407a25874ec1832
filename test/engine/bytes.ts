import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { makeBytesEngine } from '../../src/engine/bytes.ts'
import type { MakeEngine } from '../../src/engine/engine.ts'
import { get, makeStand, ok } from '../support/engine.ts'
import { engineConformance } from './conformance.ts'

const overStreams: MakeEngine = (gate, options) => makeBytesEngine(gate, options, 'streams')

engineConformance(t, 'bytes', makeBytesEngine, [])
engineConformance(t, 'bytes over streams', overStreams, [])

const many = 1_500

for (const [name, makeEngine] of [
  ['bytes', makeBytesEngine],
  ['bytes over streams', overStreams],
] as const) {
  t.test(`${name}: a container that says much before it answers waits for a client that does not read`, async t => {
    const { converse } = await makeStand(t, { makeEngine, gaps: new Set() })
    const { client, container } = await converse(get())
    await container.head()
    client.socket.pause()
    // More than all systems on the way hold.
    const interim = `HTTP/1.1 103 Early Hints\r\nLink: ${'x'.repeat(32_000)}\r\n\r\n`
    let taken = 0
    const sendNext = (): void => {
      if (taken < many) container.socket.write(interim, () => ++taken && sendNext())
    }
    sendNext()
    for (let before = -1, still = 0; still < 50; before = taken) {
      still = taken === before ? still + 1 : 0
      await delay(4)
    }
    t.ok(taken < many, `${taken} of ${many} have been taken`)
    client.socket.resume()
    t.ok((await client.take(interim.length * many)) === interim.repeat(many), 'and all of it comes in the end')
    container.send(ok('hello'))
    t.equal((await client.message()).body, 'hello')
  })

  t.test(`${name}: a container of HTTP/1.0 keeps its connection where it says so and does not say close`, async t => {
    const { backend, converse } = await makeStand(t, { makeEngine, gaps: new Set() })
    const { client, container } = await converse(get('/1'))
    for (const [options, next] of [
      ['keep-alive', '/2'],
      ['keep-alive, close', '/3'],
    ]) {
      await container.head()
      container.send(`HTTP/1.0 200 OK\r\nConnection: ${options}\r\nContent-Length: 0\r\n\r\n`)
      await client.message()
      client.send(get(next))
    }
    const other = await backend.next()
    t.equal((await other.head()).line, 'GET /3 HTTP/1.1')
    t.equal(backend.wires.length, 2, 'and /2 came on the first')
  })

  t.test(`${name}: a client that waits to be asked for its body is asked after a second of silence`, async t => {
    const { clock, gate, converse } = await makeStand(t, { makeEngine, gaps: new Set() })
    const { client, container } = await converse(
      'POST / HTTP/1.1\r\nHost: app\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
    )
    await container.head()
    clock.advance(999)
    t.equal(client.total, 0)
    clock.advance(1)
    t.equal((await client.head()).line, 'HTTP/1.1 100 Continue')
    client.send('hello')
    t.equal(await container.take(5), 'hello')
    container.send(ok('done'))
    t.equal((await client.message()).body, 'done')
    t.same(await (await gate.next()).over(), ['responded 200', 'finished complete 0'])
    clock.advance(10_000)
    client.send(get())
    await container.head()
    container.send(ok('next'))
    t.equal((await client.message()).body, 'next', 'and it is asked once')
  })

  t.test(
    `${name}: a client that ends behind more than the container takes is heard of when that has been moved`,
    async t => {
      const { gate, converse } = await makeStand(t, { makeEngine, gaps: new Set() })
      const piece = 'x'.repeat(1024 * 1024)
      const all = 24 * piece.length
      const { client, container } = await converse(`POST / HTTP/1.1\r\nHost: app\r\nContent-Length: ${all + 1}\r\n\r\n`)
      await container.head()
      container.socket.pause()
      for (let sent = 0; sent < all; sent += piece.length) client.send(piece)
      client.end()
      const visit = await gate.next()
      for (let before = -1; before !== visit.bytesReceived; await delay(50)) before = visit.bytesReceived
      t.ok(visit.bytesReceived < all, `${visit.bytesReceived} of ${all} bytes have been taken`)
      t.same(visit.story, [])
      container.socket.resume()
      t.same(await visit.over(), ['failed client-body-broken', 'finished malformed 0'])
      t.equal(visit.bytesReceived, all)
      t.equal((await client.head()).line, 'HTTP/1.1 502 Bad Gateway')
      await container.gone()
      t.ok(container.total < all + 200, 'and the container does not take it for whole')
    },
  )
}

t.test('it says what it moves bytes with', async t => {
  for (const [sockets, name] of [
    ['handles', 'bytes over handles'],
    ['streams', 'bytes over streams'],
  ] as const) {
    const { engine } = await makeStand(t, {
      makeEngine: (gate, options) => makeBytesEngine(gate, options, sockets),
      gaps: new Set(),
    })
    t.equal(engine.name, name)
  }
})

for (const [how, request] of [
  ['while it still sends', 'POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 9000000\r\n\r\nabc'],
  ['after it has asked for the end', 'GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n'],
] as const) {
  t.test(`a client that never reads its last answer ${how} does not hold its connection forever`, async t => {
    const { gate, clock, client } = await makeStand(
      t,
      { makeEngine: makeBytesEngine, gaps: new Set() },
      {
        order: () => ({ status: 421, headers: [], body: 'x'.repeat(16_000_000), close: true }),
      },
    )
    const wire = await client()
    wire.socket.pause()
    wire.send(request)
    await gate.next()
    // What the system still takes is progress; then there is none.
    for (let tries = 0; tries < 200 && !wire.socket.destroyed && clock.pending > 0; tries++) {
      clock.advance(10_000)
      await new Promise(resolve => setTimeout(resolve, 2))
    }
    wire.socket.resume()
    await wire.gone()
    t.ok(wire.total < 16_000_000, `${wire.total} bytes were taken`)
  })
}
