import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { endWithVerdict, joinTunnel } from '../../src/engine/tunnel.ts'
import { FakeClock } from '../support/clock.ts'
import { readAll, socketPair } from '../support/sockets.ts'

/** A tunnel between two real connections; `client` and `container` are the far ends. */
async function tunnel(t: Test) {
  const [here, client] = await socketPair(t)
  const [there, container] = await socketPair(t)
  const counted = { received: 0, sent: 0 }
  const ends: boolean[] = []
  let over: () => void = () => {}
  const closed = new Promise<void>(resolve => {
    over = resolve
  })
  const breakOff = joinTunnel(here, there, {
    received: bytes => {
      counted.received += bytes
    },
    sent: bytes => {
      counted.sent += bytes
    },
    closed: left => {
      ends.push(left)
      over()
    },
  })
  return { here, there, client, container, counted, ends, closed, breakOff }
}

async function read(socket: Socket): Promise<string> {
  const [chunk] = await once(socket, 'data')
  return String(chunk)
}

t.test('bytes go both ways and are counted', async t => {
  const { client, container, counted } = await tunnel(t)
  client.write('ping')
  t.equal(await read(container), 'ping')
  container.write('pong!')
  t.equal(await read(client), 'pong!')
  t.same(counted, { received: 4, sent: 5 })
})

const ends: [name: string, end: (each: { client: Socket; container: Socket }) => void, left: boolean][] = [
  ['the client ends', ({ client }) => client.end(), true],
  ['the client resets', ({ client }) => client.resetAndDestroy(), true],
  ['the container ends', ({ container }) => container.end(), false],
  ['the container resets', ({ container }) => container.resetAndDestroy(), false],
]
for (const [name, end, left] of ends) {
  t.test(`${name}: both are closed, and that is told once`, async t => {
    const { client, container, closed, here, there, ends } = await tunnel(t)
    const others = [readAll(client), readAll(container)]
    end({ client, container })
    await closed
    t.ok(here.destroyed && there.destroyed)
    t.same(ends, [left])
    client.end()
    container.end()
    await Promise.all(others)
    t.same(ends, [left])
  })
}

t.test('what one side wrote before it ended still arrives', async t => {
  const { client, container, closed } = await tunnel(t)
  const bytes = Buffer.alloc(1 << 20, 'x')
  client.resume()
  const arrived = readAll(container.on('end', () => container.end()))
  client.end(bytes)
  t.equal((await arrived).length, bytes.length)
  await closed
})

t.test('a side that does not read holds the other one back', async t => {
  const { here, there, client, container } = await tunnel(t)
  const bytes = 32 << 20
  client.write(Buffer.alloc(bytes))
  while (!here.isPaused()) await new Promise(resolve => setImmediate(resolve))
  t.ok(there.writableLength < 1 << 20, `${there.writableLength} bytes are kept`)
  let arrived = 0
  await new Promise<void>(resolve => {
    container.on('data', (chunk: Buffer) => {
      arrived += chunk.length
      if (arrived === bytes) resolve()
    })
  })
  t.equal(arrived, bytes)
  t.equal(here.isPaused(), false)
})

t.test('a tunnel that is broken off closes both, and the client did not leave', async t => {
  const { client, container, breakOff, closed, ends } = await tunnel(t)
  const others = [readAll(client), readAll(container)]
  breakOff()
  breakOff()
  await closed
  client.end()
  container.end()
  await Promise.all(others)
  t.same(ends, [false])
})

const gone: [name: string, side: 'here' | 'there', left: boolean][] = [
  ['a client that is gone already', 'here', true],
  ['a container that is gone already', 'there', false],
]
for (const [name, side, left] of gone) {
  t.test(`${name} ends the tunnel`, async t => {
    const [here, client] = await socketPair(t)
    const [there, container] = await socketPair(t)
    client.resume().on('end', () => client.end())
    container.resume().on('end', () => container.end())
    const dead = side === 'here' ? here : there
    dead.destroy()
    await once(dead, 'close')
    const ended = await new Promise<boolean>(resolve => {
      joinTunnel(here, there, { received() {}, sent() {}, closed: resolve })
    })
    t.equal(ended, left)
    t.ok(here.destroyed && there.destroyed)
  })
}

t.test('a tunnel lives a minute longer than its verdict, and is not asked about after its end', async t => {
  const clock = new FakeClock()
  let [looks, ends, good] = [0, 0, true]
  const valid = () => {
    looks++
    return good
  }
  const options = { clock, dialer: { valid, verified: true, dial: () => () => {} } }
  const verdict = { leafSha256: '', policyDigest: '', collateralGeneration: 1, until: 0 }
  const forget = endWithVerdict(options, verdict, () => ends++)
  clock.advance(600_000)
  t.same([looks, ends], [120, 0])
  good = false
  clock.advance(5_000)
  clock.advance(59_999)
  t.same([looks, ends], [121, 0])
  clock.advance(1)
  t.equal(ends, 1)
  forget()

  good = true
  const another = endWithVerdict(options, verdict, () => ends++)
  good = false
  clock.advance(5_000)
  another()
  clock.advance(120_000)
  t.same([looks, ends], [122, 1], 'one that has closed meanwhile')

  endWithVerdict(options, undefined, () => ends++)
  clock.advance(5_000)
  clock.advance(60_000)
  t.same([looks, ends], [122, 2], 'none at all')
})
