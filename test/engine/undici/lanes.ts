import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { Fault } from '../../../src/base/errors.ts'
import type { Dialer } from '../../../src/engine/dial.ts'
import { type Handler, type Lane, Lanes } from '../../../src/engine/undici/lanes.ts'
import { FakeClock } from '../../support/clock.ts'
import { plainDialer } from '../../support/engine.ts'
import { Backend } from '../../support/engine-wire.ts'
import { listen } from '../../support/sockets.ts'

interface Pool {
  readonly lanes: Lanes
  readonly backend: Backend
}

async function makePool(t: Test, change: Partial<Dialer> = {}, maxIdle = 2): Promise<Pool> {
  const backend = new Backend()
  const port = await listen(
    t,
    createServer((socket: Socket) => backend.accept(socket)),
  )
  const lanes = new Lanes({ ...plainDialer(port, new FakeClock()), ...change }, maxIdle)
  t.teardown(() => lanes.destroy())
  return { lanes, backend }
}

/** Sends a GET; resolves to the status, or rejects with the error. */
function send(lane: Lane, headers: string[] = ['Host', 'app']): Promise<number> {
  return new Promise((resolve, reject) => {
    let status = 0
    const handler: Handler = {
      onRequestStart() {},
      onResponseStart(_controller, got) {
        status = got
      },
      onResponseData() {},
      onResponseEnd: () => resolve(status),
      onResponseError: (_controller, error) => reject(error),
    }
    lane.dispatch({ method: 'GET', path: '/', headers, body: null, upgrade: null }, handler)
  })
}

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'

/** One exchange on a lane, which goes back to the pool. */
async function served({ lanes, backend }: Pool): Promise<Lane> {
  const lane = lanes.take(false)
  const before = backend.wires.length
  const status = send(lane)
  const wire = backend.wires.length > before || lane.verdict === undefined ? await backend.next() : backend.wires.at(-1)
  await wire?.head()
  wire?.send(ok)
  t.equal(await status, 200)
  lanes.give(lane)
  return lane
}

t.test('the connection used last comes first, and a fresh one where asked', async t => {
  const pool = await makePool(t)
  const lane = await served(pool)
  t.not(pool.lanes.take(true), lane)
  t.equal(pool.lanes.take(false), lane)
  t.not(pool.lanes.take(false), lane, 'not to two at once')
})

t.test('a verdict that no longer holds retires its connection', async t => {
  let good = true
  const pool = await makePool(t, { valid: () => good })

  t.test('a verdict that no longer holds ends who waits at once, and who is at work after ten minutes', async t => {
    let good = true
    const pool = await makePool(t, { verified: true, valid: () => good })
    await served(pool)
    const lane = pool.lanes.take(true)
    const status = send(lane)
    const atWork = await pool.backend.next()
    await atWork.head()
    good = false
    pool.lanes.sweep(0)
    t.ok(await pool.backend.wires[0]?.gone())
    pool.lanes.sweep(599_999)
    t.equal(atWork.fate, 'open')
    pool.lanes.sweep(600_000)
    await t.rejects(status, { code: 'upstream-untrusted' })
    t.ok(await atWork.gone())
  })

  const lane = await served(pool)
  good = false
  t.not(pool.lanes.take(false), lane)
  t.ok(await pool.backend.wires[0]?.gone())
})

t.test('no more idle connections are kept than allowed', async t => {
  const pool = await makePool(t, {}, 0)
  const lane = await served(pool)
  t.not(pool.lanes.take(false), lane)
  t.ok(await pool.backend.wires[0]?.gone())
})

t.test('a connection that the container closes leaves the pool', async t => {
  const pool = await makePool(t)
  const lane = await served(pool)
  const [wire] = pool.backend.wires
  wire?.end()
  await wire?.gone()
  await new Promise(resolve => setImmediate(resolve))
  t.not(pool.lanes.take(false), lane)
})

t.test('only a connection that served before and said nothing since has gone stale', async t => {
  const pool = await makePool(t)
  const first = pool.lanes.take(false)
  const failing = send(first)
  const wire = await pool.backend.next()
  await wire.head()
  wire.end()
  await t.rejects(failing)
  t.equal(first.stale, false, 'the first request of a connection')

  const second = await served(pool)
  const silent = send(second)
  const [, again] = pool.backend.wires
  await again?.head()
  again?.end()
  await t.rejects(silent)
  t.equal(second.stale, true, 'a later one, without a byte of answer')

  const third = await served(pool)
  const begun = send(third)
  const last = pool.backend.wires.at(-1)
  await last?.head()
  last?.end('HTTP/1.1 2')
  await t.rejects(begun)
  t.equal(third.stale, false, 'a later one, after a byte')
})

t.test('a connection that ended with a reset is broken, one that ended is not', async t => {
  for (const [how, broken] of [
    ['end', false],
    ['reset', true],
  ] as const) {
    const pool = await makePool(t)
    const lane = pool.lanes.take(false)
    const failing = send(lane)
    const wire = await pool.backend.next()
    await wire.head()
    wire[how]()
    await t.rejects(failing)
    t.equal(lane.broken, broken)
  }
})

t.test('nobody to talk to is told to whoever asked', async t => {
  const pool = await makePool(t, {
    dial(done) {
      queueMicrotask(() => done(new Fault('upstream-untrusted', 'mrenclave')))
      return () => {}
    },
  })
  await t.rejects(send(pool.lanes.take(false)), { code: 'upstream-untrusted' })
  t.equal(pool.backend.wires.length, 0)
})

t.test('a head says nothing about the connection, and what looks like it in a field stays', async t => {
  const pool = await makePool(t)
  const status = send(pool.lanes.take(false), ['Host', 'app', 'X-Note', 'connection: keep-alive'])
  const wire = await pool.backend.next()
  const { head } = await wire.head()
  t.notMatch(head, /^connection:/im)
  t.match(head, 'X-Note: connection: keep-alive')
  wire.send(ok)
  await status
})

t.test('going down closes what is idle and what is not', async t => {
  const pool = await makePool(t)
  await served(pool)
  const busy = pool.lanes.take(true)
  const failing = send(busy)
  const wire = await pool.backend.next()
  await wire.head()
  pool.lanes.destroy()
  await t.rejects(failing)
  for (const each of pool.backend.wires) t.ok(await each.gone())
  pool.lanes.give(busy)
  t.not(pool.lanes.take(false), busy, 'and takes nothing back')
})
