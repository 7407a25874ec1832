import t from 'tap'
import { floorClock } from '../../src/base/floor.ts'
import { FakeClock } from '../support/clock.ts'

const day = 86_400_000
const built = Date.UTC(2026, 10, 25)

/** A host whose time of day can be set, while durations go on. */
function host(now: number) {
  const time = new FakeClock(now)
  let shift = 0
  const inner = {
    now: () => time.now() + shift,
    monotonic: () => time.monotonic(),
    after: (ms: number, run: () => void) => time.after(ms, run),
    every: (ms: number, run: () => void) => time.every(ms, run),
  }
  return { inner, advance: (ms: number) => time.advance(ms), shift: (ms: number) => (shift += ms) }
}

t.test('a clock above the floor is believed, whatever it says', async t => {
  const { inner, shift } = host(built + day)
  const clock = floorClock(inner, built)
  t.equal(clock.now(), built + day)
  t.equal(clock.behind(), 0)
  shift(400 * day)
  t.equal(clock.now(), built + 401 * day)
  shift(-400 * day)
  t.equal(clock.now(), built + day, 'and a leap forward leaves nothing behind')
})

t.test('a clock below the floor is not: it is the floor, and time goes on from there', async t => {
  const { inner, advance, shift } = host(built - 300 * day)
  const clock = floorClock(inner, built)
  t.equal(clock.now(), built)
  t.equal(clock.behind(), 300 * day)
  advance(day)
  t.equal(clock.now(), built + day)
  shift(302 * day)
  t.equal(clock.now(), built + 3 * day, 'until the clock is right')
  t.equal(clock.behind(), 0)
})

t.test('what was signed raises the floor, and never lowers it', async t => {
  const { inner, advance, shift } = host(built + 10 * day)
  const clock = floorClock(inner, built)
  clock.raise(built + 5 * day)
  t.equal(clock.now(), built + 10 * day)
  shift(-9 * day)
  t.equal(clock.now(), built + 5 * day)
  clock.raise(built + 2 * day)
  clock.raise(Number.NaN)
  t.equal(clock.now(), built + 5 * day)
  advance(day)
  t.equal(clock.now(), built + 6 * day)
  clock.raise(built + 5.5 * day)
  t.equal(clock.now(), built + 6 * day, 'a date that has passed by then says nothing new')
  clock.raise(built + 30 * day)
  t.equal(clock.now(), built + 30 * day)
})

t.test('durations and timers are those of the clock inside', async t => {
  const { inner, advance } = host(built)
  const clock = floorClock(inner, built + day)
  const fired: string[] = []
  clock.after(10, () => fired.push('once'))
  clock.every(4, () => fired.push('often'))
  const before = clock.monotonic()
  advance(10)
  t.equal(clock.monotonic() - before, 10)
  t.same(fired, ['often', 'often', 'once'])
})
