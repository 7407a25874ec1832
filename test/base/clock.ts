import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'

const timers = (): number => process.getActiveResourcesInfo().filter(each => each === 'Timeout').length

t.test('now is the time of day, monotonic never goes back', async t => {
  const before = Date.now()
  const now = systemClock.now()
  t.ok(before <= now && now <= Date.now())
  const first = systemClock.monotonic()
  t.ok(first > 0)
  t.ok(systemClock.monotonic() >= first)
})

t.test('after() calls back once', async t => {
  const held = setInterval(() => {}, 1000)
  let calls = 0
  await new Promise<void>(resolve => {
    systemClock.after(1, () => {
      calls++
      resolve()
    })
  })
  clearInterval(held)
  t.equal(calls, 1)
})

t.test('every() calls back until it is stopped', async t => {
  const held = setInterval(() => {}, 1000)
  let calls = 0
  await new Promise<void>(resolve => {
    const stop = systemClock.every(1, () => {
      calls++
      if (calls < 3) return
      stop()
      resolve()
    })
  })
  clearInterval(held)
  t.equal(calls, 3)
})

t.test('after() can be taken back', async t => {
  let called = false
  const stop = systemClock.after(1, () => {
    called = true
  })
  stop()
  stop()
  await new Promise(resolve => setTimeout(resolve, 5))
  t.equal(called, false)
})

t.test('neither keeps the process alive', async t => {
  const before = timers()
  const stops = [systemClock.after(60_000, () => {}), systemClock.every(60_000, () => {})]
  t.equal(timers(), before)
  for (const stop of stops) stop()
})
