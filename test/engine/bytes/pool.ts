import type { Socket } from 'node:net'
import t from 'tap'
import { Fault } from '../../../src/base/errors.ts'
import { Pool } from '../../../src/engine/bytes/pool.ts'
import type { Upstream } from '../../../src/engine/bytes/upstream.ts'
import type { Ear, Wire } from '../../../src/engine/bytes/wire.ts'
import type { Dialer, Link } from '../../../src/engine/dial.ts'
import { limits } from '../../../src/engine/engine.ts'
import type { Verdict } from '../../../src/gate/contract.ts'
import { FakeClock } from '../../support/clock.ts'

const verdict: Verdict = { leafSha256: '', policyDigest: '', collateralGeneration: 0, until: 0 }

interface Far {
  readonly ear: Ear
  writable: boolean
  destroyed: boolean
}

/** A pool whose connections are made of nothing; `far` has their other ends. */
function stand(maxIdle = 10) {
  const clock = new FakeClock()
  const far: Far[] = []
  const judged = new Map<Verdict, boolean>()
  let outcome: 'link' | 'speaks' | Fault = 'link'
  const dialer: Dialer = {
    verified: true,
    dial(done, { intake } = {}) {
      const link: Link = { socket: undefined as unknown as Socket, verdict: { ...verdict }, intake }
      if (outcome === 'speaks') intake?.callback(1, new Uint8Array(1))
      done(outcome instanceof Fault ? outcome : link)
      return () => {}
    },
    valid: each => judged.get(each) ?? true,
  }
  const pool = new Pool(dialer, clock, maxIdle, (_socket, ear) => {
    const end: Far = { ear, writable: true, destroyed: false }
    far.push(end)
    const wire = {
      get writable() {
        return end.writable
      },
      destroy() {
        end.destroyed = true
        ear.closed(undefined)
      },
    }
    return wire as unknown as Wire
  })
  const dial = (): Upstream | Fault => {
    let got: Upstream | Fault | undefined
    pool.dial(each => {
      got = each
    })
    return got as Upstream | Fault
  }
  /** Opens one and lets it wait. */
  const wait = (): Upstream => {
    const upstream = dial() as Upstream
    pool.give(upstream)
    return upstream
  }
  const dialled = (next: typeof outcome): Upstream | Fault => {
    outcome = next
    return dial()
  }
  return { pool, clock, far, judged, wait, dialled }
}

t.test('the connection used last is the next to be used', async t => {
  const { pool, wait } = stand()
  const [first, second] = [wait(), wait()]
  t.equal(pool.take(), second)
  t.equal(pool.take(), first)
  t.equal(pool.take(), undefined)
})

t.test('one whose verdict holds no longer is closed instead', async t => {
  const { pool, far, judged, wait } = stand()
  const first = wait()
  judged.set(wait().verdict, false)
  t.equal(pool.take(), first)
  t.same(
    far.map(each => each.destroyed),
    [false, true],
  )
})

t.test('one that has broken and has not been told of yet is closed instead', async t => {
  const { pool, far, wait } = stand()
  const first = wait()
  wait()
  const last = far[1] as Far
  last.writable = false
  t.equal(pool.take(), first)
  t.ok(last.destroyed)
})

t.test('one that says anything, or ends, while it waits is not used again', async t => {
  const { pool, far, wait } = stand()
  wait()
  wait()
  far[0]?.ear.bytes(Buffer.from('HTTP/1.1 200 OK'))
  far[1]?.ear.ended()
  t.same(
    far.map(each => each.destroyed),
    [true, true],
  )
  t.equal(pool.take(), undefined)
})

t.test('only so many wait', async t => {
  const { pool, far, wait } = stand(2)
  const kept = [wait(), wait()]
  wait()
  t.same(
    far.map(each => each.destroyed),
    [false, false, true],
  )
  t.same([pool.take(), pool.take()], kept.reverse())
})

t.test('who waits for too long is closed, the others stay', async t => {
  const { pool, clock, far, wait } = stand()
  wait()
  clock.advance(limits.upstreamIdleMs)
  const later = wait()
  pool.sweep()
  t.notOk(far[0]?.destroyed)
  clock.advance(1)
  pool.sweep()
  t.same(
    far.map(each => each.destroyed),
    [true, false],
  )
  t.equal(pool.take(), later)
})

t.test('a connection that cannot be had is a fault, and so is one on which somebody speaks unasked', async t => {
  const { far, dialled } = stand()
  t.match(dialled(new Fault('upstream-refused', 'nobody there')), { code: 'upstream-refused' })
  t.match(dialled('speaks'), { code: 'upstream-malformed', message: 'the container spoke before it was asked' })
  t.same(
    far.map(each => each.destroyed),
    [true],
  )
})

t.test('a pool that is gone takes everything with it, and nothing in any more', async t => {
  const { pool, far, wait, dialled } = stand()
  wait()
  const busy = dialled('link') as Upstream
  pool.destroy()
  t.same(
    far.map(each => each.destroyed),
    [true, true],
  )
  t.type(dialled('link'), Fault)
  pool.give(busy)
  t.equal(pool.take(), undefined)
})
