// Clients that were accepted, on the real port and the real engines: what becomes of HTTP/1.1, HTTP/2 and a tunnel when what
// they were accepted by ends, or is no more.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { createServer } from 'node:net'
import { type TLSSocket, connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import type { ClientIdentity } from '../../src/gate/contract.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { Guests } from '../../src/proxy/guests.ts'
import { type ClientJudge, tlsListener } from '../../src/proxy/listeners.ts'
import { FakeClock as EngineClock } from '../support/clock.ts'
import { get, ok, plainDialer, RecordingGate } from '../support/engine.ts'
import { Backend, Wire } from '../support/engine-wire.ts'
import { ask, both } from '../support/http2.ts'
import { FakeClock, hour, makeCredential, settle, start } from '../support/identity.ts'
import { until } from '../support/process.ts'
import { listen } from '../support/sockets.ts'

const own = await makeCredential()
const client = await makeCredential()
const rules = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: undefined, curves: undefined } as const
const minute = 60_000

interface World {
  generation: number
  /** What a look at it finds now. */
  found: ClientIdentity | 'refused'
  asked: number
}

/** The port with its engines before a container, whose judge finds what the test says. */
async function open(t: Test) {
  const world: World = { generation: 0, found: { text: 'id="a"', until: start + hour }, asked: 0 }
  const clock = new FakeClock()
  const judge: ClientJudge = {
    generation: () => world.generation,
    async again() {
      world.asked++
      return world.found
    },
    async admit() {
      return world.found === 'refused' ? 'refused' : { chain: client.chain, identity: world.found }
    },
  }
  const backend = new Backend()
  const containerPort = await listen(
    t,
    createServer({ allowHalfOpen: true, noDelay: true }, socket => backend.accept(socket)),
  )
  const engineClock = new EngineClock()
  const gate = new RecordingGate()
  const engine = both(gate, {
    dialer: plainDialer(containerPort, engineClock),
    clock: engineClock,
    authority: '127.0.0.1:8080',
    upgrades: token => token === 'websocket',
    strip: [],
    allowUnframed: false,
    maxIdleUpstream: 10,
    idleConnectionMs: 0,
    protocol: 'http/1.1',
  })
  t.teardown(() => engine.destroy())
  const listener = tlsListener(engine, 100, rules, { judge, clock })
  withKeyPem(own, pem => listener.show(pem))
  const port = await listen(t, listener.server)
  const socket = async (): Promise<TLSSocket> => {
    const made = withKeyPem(client, pem => tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...pem }))
    t.teardown(() => made.destroy())
    made.on('error', () => {})
    await once(made, 'secureConnect')
    return made
  }
  const session = (): ClientHttp2Session => {
    const made = withKeyPem(client, pem =>
      connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, ...pem }),
    )
    t.teardown(() => made.destroy())
    made.on('error', () => {})
    return made
  }
  /** A client of HTTP/1.1 whose request is with the container. */
  const converse = async (request: string): Promise<{ client: Wire; container: Wire }> => {
    const wire = new Wire(await socket())
    wire.send(request)
    return { client: wire, container: await backend.next() }
  }
  return { world, clock, gate, backend, engineClock, session, converse, listener }
}

t.test('HTTP/1.1: who waits is closed in time, who is at work with its response', async t => {
  const { clock, converse } = await open(t)
  const busy = await converse(get())
  await busy.container.head()
  const idle = await converse(get())
  await idle.container.head()
  idle.container.send(ok())
  await idle.client.message()
  await clock.advance(hour - 1)
  t.equal(idle.client.socket.readableEnded, false)
  await clock.advance(1)
  t.equal(await idle.client.gone(), 'ended')
  busy.container.send(ok('last'))
  const { field, body } = await busy.client.message()
  t.match([field('connection'), body], ['close', 'last'])
})

t.test('HTTP/2: GOAWAY, and what is on its way is served', async t => {
  const { clock, session, backend, engineClock } = await open(t)
  const made = session()
  const goodbye = once(made, 'goaway')
  const asked = ask(made)
  const container = await backend.next()
  await container.head()
  await clock.advance(hour)
  t.equal((await goodbye)[0], 0)
  container.send(ok('last'))
  t.match(await asked, { status: 200, body: 'last' })
  engineClock.advance(1_000)
  await until('it is closed', () => made.destroyed)
})

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'

t.test('a tunnel has a minute', async t => {
  const { clock, converse } = await open(t)
  const fields = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${key}\r\n`
  const { client, container } = await converse(get('/ws', fields))
  await container.head()
  container.send(`${switching}Sec-WebSocket-Accept: ${accept}\r\n\r\n`)
  await client.head()
  await clock.advance(hour + minute - 1)
  client.send('still here')
  t.equal(await container.take(10), 'still here')
  await clock.advance(1)
  await client.gone()
  await container.gone()
  t.pass('both ends of it')
})

t.test('other collateral: who is accepted by it stays, by what holds now', async t => {
  const { world, clock, converse, gate } = await open(t)
  const { client, container } = await converse(get('/1'))
  await container.head()
  container.send(ok())
  await client.message()
  world.found = { text: 'id="b"', until: start + 3 * hour }
  await clock.advance(10_000)
  t.equal(world.asked, 0, 'the same collateral is the same verdict')
  world.generation++
  await clock.advance(5_000)
  t.equal(world.asked, 1)
  await clock.advance(2 * hour)
  client.send(get('/2'))
  t.match(await container.head(), { line: 'GET /2 HTTP/1.1' })
  t.match(gate.visits.at(-1)?.head.from.client, { text: 'id="b"', until: start + 3 * hour })
  container.send(ok())
  await client.message()
  await clock.advance(hour)
  t.equal(await client.gone(), 'ended')
})

t.test('who is accepted no more leaves at once, whatever is under way', async t => {
  const { world, clock, converse, session, backend } = await open(t)
  const { client, container } = await converse(get())
  await container.head()
  const made = session()
  const asked = ask(made)
  await (await backend.next()).head()
  world.found = 'refused'
  world.generation++
  await clock.advance(5_000)
  await client.gone()
  t.match(await asked, { status: 0 })
  await until('it is closed', () => made.destroyed)
})

t.test('a clock that is put right has passed what no timer has seen', async t => {
  const { clock, converse } = await open(t)
  const { client, container } = await converse(get())
  await container.head()
  container.send(ok())
  await client.message()
  clock.jump(hour)
  await clock.advance(5_000)
  t.equal(await client.gone(), 'ended')
})

t.test('one look at a time, however long it takes; who left meanwhile is not asked about', async t => {
  const clock = new FakeClock()
  const waiting: (() => void)[] = []
  let generation = 0
  const guests = new Guests(
    {
      generation: () => generation,
      again: () => new Promise(resolve => waiting.push(() => resolve('refused'))),
    },
    clock,
  )
  const makeSocket = () => {
    const closers: (() => void)[] = []
    const socket = { destroyed: false, on: (_: string, run: () => void) => closers.push(run), destroy: () => {} }
    const destroy = (): void => {
      if (socket.destroyed) return
      socket.destroyed = true
      for (const close of closers) close()
    }
    return Object.assign(socket, { destroy })
  }
  const sockets = [makeSocket(), makeSocket()]
  const identity = { text: '', until: start + hour }
  for (const socket of sockets) {
    guests.add(socket as unknown as TLSSocket, { chain: client.chain, identity }, 0, () => () => {})
  }
  generation++
  await clock.advance(20_000)
  t.equal(waiting.length, 1)
  sockets[1]?.destroy()
  waiting[0]?.()
  await settle()
  t.equal(sockets[0]?.destroyed, true)
  await clock.advance(5_000)
  t.equal(waiting.length, 1)
  guests.close()
  t.equal(clock.pending, 0)
})
