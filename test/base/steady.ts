import t from 'tap'
import type { Clock } from '../../src/base/clock.ts'
import { steadyClock } from '../../src/base/steady.ts'
import { Deadlines } from '../../src/gate/deadlines.ts'

const hour = 3_600_000

interface Timer {
  at: number
  readonly every: number | undefined
  readonly run: () => void
}

/** A host with one clock for everything, as Gramine shows it: what leaps makes every timer fall due at once. */
function host() {
  let now = 1_000_000
  let timers: Timer[] = []
  const add = (timer: Timer) => {
    timers.push(timer)
    return () => {
      timers = timers.filter(each => each !== timer)
    }
  }
  const inner: Clock = {
    now: () => now,
    monotonic: () => now,
    after: (ms, run) => add({ at: now + ms, every: undefined, run }),
    every: (ms, run) => add({ at: now + ms, every: ms, run }),
  }
  /** One turn of an event loop at this time: what is due runs, once each. */
  function turn(at: number): void {
    now = at
    for (const timer of timers.filter(each => each.at <= at).sort((a, b) => a.at - b.at)) {
      if (!timers.includes(timer)) continue
      if (timer.every === undefined) timers = timers.filter(each => each !== timer)
      else timer.at = at + timer.every
      timer.run()
    }
  }
  return {
    inner,
    leap: (ms: number) => turn(now + ms),
    /** Time as it passes: in small steps. */
    pass(ms: number) {
      for (const until = now + ms; now < until; ) turn(Math.min(until, now + 50))
    },
  }
}

t.test('durations pass as they do', async t => {
  const { inner, pass } = host()
  const clock = steadyClock(inner)
  const before = clock.monotonic()
  pass(hour)
  t.equal(clock.monotonic() - before, hour)
  t.equal(clock.now(), inner.now())
})

t.test('a leap forward is a pause: what was due in ten seconds is due in nine', async t => {
  const { inner, pass, leap } = host()
  const clock = steadyClock(inner)
  let fired = 0
  clock.after(10_000, () => fired++)
  pass(500)
  leap(24 * hour)
  t.equal(fired, 0)
  pass(8_950)
  t.equal(fired, 0)
  pass(100)
  t.equal(fired, 1)
  t.equal(clock.now(), inner.now(), 'the time of day is left as it is')
})

t.test('leap after leap, one second each is all that passes', async t => {
  const { inner, leap } = host()
  const clock = steadyClock(inner)
  let fired = 0
  clock.after(60_000, () => fired++)
  const before = clock.monotonic()
  for (let i = 0; i < 59; i++) leap(hour)
  t.equal(clock.monotonic() - before, 59_000)
  t.equal(fired, 0)
  leap(hour)
  t.equal(fired, 1)
})

t.test('deadlines of requests survive it', async t => {
  const { inner, pass, leap } = host()
  const deadlines = new Deadlines({ requestMs: 300_000, responseStartMs: 60_000, idleMs: 60_000 }, steadyClock(inner))
  const expired: string[] = []
  deadlines.arm({ expired: which => expired.push(which) })
  pass(1000)
  leap(24 * hour)
  pass(50_000)
  t.same(expired, [])
  pass(10_000)
  t.same(expired, ['response-start', 'idle'])
})

t.test('a timer that is early by a fraction counts, one that was taken back does not', async t => {
  let wake = (): void => {}
  let now = 0
  const inner: Clock = {
    now: () => now,
    monotonic: () => now,
    after: (_ms, run) => {
      wake = run
      return () => {
        if (wake === run) wake = () => {}
      }
    },
    every: () => () => {},
  }
  const clock = steadyClock(inner)
  let fired = 0
  const cancel = clock.after(10, () => fired++)
  now = 9.4
  wake()
  t.equal(fired, 1)
  clock.after(10, () => fired++)
  now = 12
  wake()
  cancel()
  t.equal(fired, 1, 'too early: asked again for the rest')
  now = 19.4
  wake()
  t.equal(fired, 2)
  clock.after(10, () => fired++)()
  now = 40
  wake()
  t.equal(fired, 2)
})
