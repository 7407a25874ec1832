// Conformance: what becomes a tunnel and what does not, draining, sweeping, and going down.

import { createHash } from 'node:crypto'
import type { Test } from 'tap'
import { FakeClock } from './clock.ts'
import { get, makeStand, ok, plainDialer, type Stand, type StandOptions, type Subject } from './engine.ts'
import type { Wire } from './engine-wire.ts'

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
const upgrade = (token = 'websocket', more = `Sec-WebSocket-Key: ${key}\r\n`): string =>
  get('/ws', `Connection: Upgrade\r\nUpgrade: ${token}\r\n${more}`)
const switched = (token = 'websocket', more = `Sec-WebSocket-Accept: ${accept}\r\n`): string =>
  `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${token}\r\n${more}\r\n`

async function tunnel(
  t: Test,
  subject: Subject,
  options: StandOptions = {},
): Promise<Stand & { client: Wire; container: Wire }> {
  const stand = await makeStand(t, subject, options)
  const { client, container } = await stand.converse(upgrade())
  await container.head()
  container.send(switched())
  await client.head()
  return { ...stand, client, container } as Stand & { client: Wire; container: Wire }
}

export function tunnels(t: Test, subject: Subject): void {
  t.test('a websocket is a tunnel both ways, and bytes that came early are not lost', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse(`${upgrade()}early`)
    const { line, field } = await container.head()
    t.equal(line, 'GET /ws HTTP/1.1')
    t.match([field('connection'), field('upgrade'), field('sec-websocket-key')], [/^upgrade$/i, 'websocket', key])
    container.send(`${switched('WebSocket')}behind`)
    const answer = await client.head()
    t.equal(answer.line, 'HTTP/1.1 101 Switching Protocols')
    t.same(answer.fields('connection'), ['Upgrade'])
    t.match([answer.field('upgrade'), answer.field('sec-websocket-accept')], ['WebSocket', accept])
    t.equal(await client.take(6), 'behind')
    t.equal(await container.take(5), 'early')
    client.send('\x00ping\xff')
    t.equal(await container.take(6), '\x00ping\xff')
    container.send('pong')
    t.equal(await client.take(4), 'pong')
    client.end()
    await container.gone()
    const visit = await gate.next()
    t.same(await visit.over(), ['responded 101', 'finished complete 0'])
    t.match([visit.head.upgrade, visit.bytesReceived, visit.bytesSent], [true, 11, 10])
  })

  t.test('bytes that come while the container decides are kept for it, up to a bound', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse(upgrade())
    await container.head()
    const visit = await gate.next()
    client.send('x'.repeat(1_000_000))
    for (let turn = 0; turn < 200 && client.socket.writableLength > 0; turn++) {
      await new Promise(resolve => setImmediate(resolve))
    }
    t.equal(visit.bytesReceived, 0)
    container.send(switched())
    await client.head()
    await container.take(1_000_000)
    t.equal(visit.bytesReceived, 1_000_000)
  })

  t.test('a container that cannot do the handshake of websockets is let through where that is wanted', async t => {
    const { converse } = await makeStand(t, subject, { lenientWebSocket: true })
    const { client, container } = await converse(upgrade())
    await container.head()
    container.send(switched('websocket', ''))
    t.equal((await client.head()).line, 'HTTP/1.1 101 Switching Protocols')
  })

  t.test('a tunnel ends a minute after its verdict, both ways', async t => {
    let good = true
    const { clock, gate, client, container } = await tunnel(t, subject, {
      makeDialer: port => ({ ...plainDialer(port, new FakeClock()), verified: true, valid: () => good }),
    })
    clock.advance(3_600_000)
    client.send('ping')
    t.equal(await container.take(4), 'ping')
    good = false
    clock.advance(60_000)
    container.send('pong')
    t.equal(await client.take(4), 'pong')
    clock.advance(10_000)
    await Promise.all([client.gone(), container.gone()])
    t.same(await (await gate.next()).over(), ['responded 101', 'finished cut 0'])
  })

  const closers: [who: 'client' | 'container', how: string, act: (wire: Wire) => void][] = [
    ['client', 'a FIN', wire => wire.end()],
    ['client', 'a reset', wire => wire.reset()],
    ['container', 'a FIN', wire => wire.end()],
    ['container', 'a reset', wire => wire.reset()],
  ]
  for (const [who, how, act] of closers) {
    t.test(`${how} of the ${who} ends the tunnel on the other side`, async t => {
      const both = await tunnel(t, subject)
      act(both[who])
      await both[who === 'client' ? 'container' : 'client'].gone()
      t.match(await (await both.gate.next()).over(), [
        'responded 101',
        /^finished (?:complete|client-left|upstream-failed) 0$/,
      ])
    })
  }

  t.test('a cut ends a tunnel on both sides', async t => {
    const { gate, client, container } = await tunnel(t, subject)
    const visit = await gate.next()
    visit.driver.cut()
    await client.gone()
    await container.gone()
    t.same(await visit.over(), ['responded 101', 'finished cut 0'])
  })

  const refused: [name: string, answer: string][] = [
    ['another protocol than asked for', switched('other')],
    ['no protocol', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n'],
    ['a wrong key', switched('websocket', 'Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n')],
    ['no key', switched('websocket', '')],
  ]
  for (const [name, answer] of refused) {
    t.test(`a 101 with ${name} is refused`, async t => {
      const { gate, converse } = await makeStand(t, subject)
      const { client, container } = await converse(upgrade())
      await container.head()
      container.send(`${answer}behind`)
      const { line, body } = await client.message()
      t.match([line, body], ['HTTP/1.1 502 Bad Gateway', /^upstream-/])
      await container.gone()
      t.match(await (await gate.next()).over(), [/^failed upstream-/, 'finished upstream-failed 0'])
    })
  }

  t.test('any other answer to an upgrade is relayed', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse(upgrade())
    await container.head()
    container.send(ok('no websockets here').replace('200 OK', '426 Upgrade Required'))
    t.match(await client.message(), { line: 'HTTP/1.1 426 Upgrade Required', body: 'no websockets here' })
    t.same(await (await gate.next()).over(), ['responded 426', 'finished complete 0'])
  })

  const stripped: [name: string, request: string, options?: StandOptions][] = [
    [
      'h2c',
      upgrade('h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__\r\n').replace('Upgrade\r\n', 'Upgrade, HTTP2-Settings\r\n'),
    ],
    ['h2c where anything is allowed', upgrade('h2c', ''), { upgrades: () => true }],
    ['a protocol that is not allowed', upgrade('irc', '')],
    ['two protocols at once', upgrade('websocket, h2c')],
    ['an Upgrade that Connection does not name', upgrade().replace('Connection: Upgrade\r\n', '')],
    ['an Upgrade without a protocol', get('/ws', 'Connection: Upgrade\r\n')],
    ['an Upgrade with a body', upgrade('websocket', `Sec-WebSocket-Key: ${key}\r\nContent-Length: 0\r\n`)],
  ]
  for (const [name, request, options] of stripped) {
    t.test(
      `${name} is an ordinary request, without Upgrade, behind which another may come or the connection ends`,
      async t => {
        const { gate, converse } = await makeStand(t, subject, options)
        const { client, container } = await converse(request + get('/next'))
        const { field } = await container.head()
        t.match([field('upgrade'), field('http2-settings'), field('connection')], [undefined, undefined, undefined])
        t.equal((await gate.next()).head.upgrade, false)
        container.send(ok('plain'))
        const answer = await client.message()
        t.equal(answer.body, 'plain')
        if (subject.gaps.has('pipelining-behind-upgrade') && answer.field('connection') === 'close') {
          t.equal(await client.rest(), '')
          t.equal(gate.visits.length, 1)
        } else t.equal((await container.head()).line, 'GET /next HTTP/1.1')
      },
    )
  }

  for (const [how, leave] of [
    ['with a reset', (client: Wire) => client.reset()],
    ['with a FIN', (client: Wire) => client.end()],
  ] as const) {
    t.test(`a client that leaves ${how} while its upgrade waits is told as such`, async t => {
      const { gate, client } = await makeStand(t, subject, { order: () => 'wait' })
      const wire = (await client()).send(upgrade())
      const visit = await gate.next()
      leave(wire)
      t.same(await visit.over(), ['finished client-left 0'])
    })

    t.test(`a client that leaves ${how} before the 101 takes the side of the container along`, async t => {
      const { gate, converse } = await makeStand(t, subject)
      const { client, container } = await converse(upgrade())
      await container.head()
      leave(client)
      t.same(await (await gate.next()).over(), ['finished client-left 0'])
      await container.gone()
    })
  }

  t.test('CONNECT is refused, and nobody is called', async t => {
    const { gate, backend, client } = await makeStand(t, subject)
    const wire = (await client()).send('CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n')
    t.match(await wire.message(), { line: 'HTTP/1.1 502 Bad Gateway', body: 'connect-unsupported\n' })
    await wire.gone()
    t.same(await (await gate.next()).over(), ['failed connect-unsupported', 'finished malformed 0'])
    t.equal(backend.wires.length, 0)
  })
}

export function life(t: Test, subject: Subject): void {
  t.test('draining closes idle connections at once, and busy ones with their answer', async t => {
    const { engine, gate, converse, client } = await makeStand(t, subject)
    const idle = await client()
    const kept = await converse(get())
    await kept.container.head()
    kept.container.send(ok())
    await kept.client.message()
    await (await gate.next()).over()
    const busy = (await client()).send(get())
    await kept.container.head()
    engine.drain()
    t.match([await idle.gone(), await kept.client.gone()], ['ended', 'ended'])
    let drained = false
    const waiting = engine.drained().then(() => {
      drained = true
    })
    t.equal(drained, false)
    kept.container.send(ok('last'))
    const { field, body } = await busy.message()
    t.match([field('connection'), body], ['close', 'last'])
    await waiting
    for (const wire of [idle, kept.client, busy]) wire.end()
    await engine.closed()
    await kept.container.gone()
  })

  t.test('what is pipelined behind the last answer of a drain is not served', async t => {
    const { engine, gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse(get('/1') + get('/2'))
    await container.head()
    engine.drain()
    container.send(ok('last'))
    t.match(await client.rest(), /\r\n\r\nlast$/)
    await engine.drained()
    t.equal(gate.visits.length, 1)
  })

  t.test('one connection is let go as by a drain, and no other', async t => {
    const { retires, gate, converse } = await makeStand(t, subject)
    const busy = await converse(get())
    await busy.container.head()
    const [idle, other] = [await converse(get()), await converse(get())]
    for (const { client, container } of [idle, other]) {
      await container.head()
      container.send(ok())
      await client.message()
    }
    for (const retire of retires.slice(0, 2)) retire()
    t.equal(await idle.client.gone(), 'ended')
    busy.container.send(ok('last'))
    const { field, body } = await busy.client.message()
    t.match([field('connection'), body], ['close', 'last'])
    other.client.send(get('/again'))
    const visits = [await gate.next(), await gate.next(), await gate.next(), await gate.next()]
    t.equal(visits[3]?.head.target, '/again')
  })

  t.test('a connection that is let go behind the head of a response ends with it, and loses nothing', async t => {
    const { retires, converse } = await makeStand(t, subject)
    const alone = await converse(get())
    const followed = await converse(get('/1') + get('/2'))
    for (const { client, container } of [alone, followed]) {
      await container.head()
      container.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nla')
      t.match(await client.head(), { line: 'HTTP/1.1 200 OK' })
    }
    for (const retire of retires) retire()
    for (const { client, container } of [alone, followed]) {
      container.send('st')
      t.equal(await client.take(4), 'last')
    }
    t.equal(await alone.client.gone(), 'ended')
    t.match(await followed.container.head(), { line: 'GET /2 HTTP/1.1' })
    followed.container.send(ok())
    t.equal((await followed.client.message()).field('connection'), 'close')
  })

  t.test('tunnels do not hold up the drain of requests, but the end of connections', async t => {
    const { engine, gate, client, container } = await tunnel(t, subject)
    const visit = await gate.next()
    engine.drain()
    await engine.drained()
    let reported: readonly string[] | undefined
    const waiting = engine.closed().then(() => {
      reported = [...visit.story]
    })
    client.send('still here')
    t.equal(await container.take(10), 'still here')
    t.equal(reported, undefined)
    client.end()
    await waiting
    t.same(reported, ['responded 101', 'finished complete 0'], 'behind the last word on it')
  })

  t.test('the end of the last connection is told without a drain too', async t => {
    const { engine, converse } = await makeStand(t, subject)
    const { client, container } = await converse(get())
    await container.head()
    const closed = engine.closed()
    container.send(ok())
    await client.message()
    client.end()
    await closed
    t.equal(await client.gone(), 'ended')
  })

  t.test(
    'connections that never send a head, or never finish one, are swept away in time; busy ones are not',
    async t => {
      const { clock, client, converse } = await makeStand(t, subject)
      const silent = await client()
      const slow = (await client()).send('GET / HTTP/1.1\r\n')
      const kept = await converse(get())
      await kept.container.head()
      clock.advance(59_000)
      t.match([silent.fate, slow.fate], ['open', 'open'])
      clock.advance(3_000)
      await silent.gone()
      await slow.gone()
      kept.container.send(ok('in its time'))
      t.equal((await kept.client.message()).body, 'in its time')
      clock.advance(3_600_000)
      t.equal(kept.client.fate, 'open')
    },
  )

  t.test('idle connections are swept away where the operator wants it', async t => {
    const { gate, clock, converse } = await makeStand(t, subject, { idleConnectionMs: 5_000 })
    const { client, container } = await converse(get())
    await container.head()
    container.send(ok())
    await client.message()
    await (await gate.next()).over()
    clock.advance(4_000)
    client.send(get())
    await container.head()
    container.send(ok())
    await client.message()
    await (await gate.next()).over()
    clock.advance(7_000)
    await client.gone()
  })

  t.test('a head that begins on a kept connection has to end in time', async t => {
    const { gate, clock, converse } = await makeStand(t, subject)
    const { client, container } = await converse(get())
    await container.head()
    container.send(ok())
    await client.message()
    await (await gate.next()).over()
    client.send('GET / HT')
    for (let tries = 0; client.fate === 'open' && tries < 500; tries++) {
      clock.advance(1_000)
      await new Promise(resolve => setTimeout(resolve, 2))
    }
    t.not(client.fate, 'open')
  })

  t.test('going down leaves nothing', async t => {
    const { engine, gate, clock, client, converse } = await makeStand(t, subject)
    const idle = await client()
    const { client: busy, container } = await converse(get())
    await container.head()
    const open = await converse(upgrade())
    await open.container.head()
    open.container.send(switched())
    await open.client.head()
    engine.destroy()
    for (const wire of [idle, busy, container, open.client, open.container]) await wire.gone()
    t.match(
      [await (await gate.next()).over(), await (await gate.next()).over()],
      [['finished cut 0'], ['responded 101', 'finished cut 0']],
    )
    t.equal(clock.pending, 0)
    await engine.closed()
  })
}
