import { spawnSync } from 'node:child_process'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { Fault } from '../../src/base/errors.ts'
import type { Credential } from '../../src/identity/credential.ts'
import { asFault, at, dueAt, rotate, sleepUntil } from '../../src/identity/rotate.ts'
import { eventually, FakeClock, hour, makeCredential, start } from '../support/identity.ts'

interface Run {
  readonly clock: FakeClock
  readonly stop: AbortController
  readonly got: Credential[]
  readonly times: number[]
  readonly faults: [string, number][]
  readonly done: Promise<void>
}

/** Follows a rotation, noting when each credential came. */
function follow(issue: (signal: AbortSignal) => Promise<Credential>, random = 0, clock = new FakeClock()): Run {
  const run = { clock, stop: new AbortController(), got: [] as Credential[], times: [] as number[] }
  const faults: [string, number][] = []
  const consume = async (): Promise<void> => {
    const { signal } = run.stop
    const failed = (fault: Fault, retryInMs: number) => faults.push([fault.message, retryInMs])
    for await (const credential of rotate({ issue, clock, signal, failed, random: () => random })) {
      run.got.push(credential)
      run.times.push(clock.now())
    }
  }
  return { ...run, faults, done: consume() }
}

const life = 9 * hour
const fresh = (clock: FakeClock, ms = life) => makeCredential({ notBefore: clock.now(), notAfter: clock.now() + ms })

t.test('one now, and one at two thirds of each life', async t => {
  const clock = new FakeClock()
  const run = follow(() => fresh(clock), 0, clock)
  await eventually(() => run.got.length === 1)
  await clock.advance(6 * hour - 1)
  t.equal(run.got.length, 1)
  await clock.advance(1)
  await eventually(() => run.got.length === 2)
  await clock.advance(6 * hour)
  await eventually(() => run.got.length === 3)
  t.strictSame(run.times, [start, start + 6 * hour, start + 12 * hour])
  t.equal(clock.pending, 1)
  run.stop.abort()
  await run.done
  t.equal(clock.pending, 0, 'no timer is left')
  t.strictSame(run.faults, [])
})

t.test('jitter brings the renewal forward by up to a tenth of the life', async t => {
  const dates = { notBefore: start, notAfter: start + 30 * hour }
  t.equal(dueAt(dates, 0), start + 20 * hour)
  t.equal(dueAt(dates, 1), start + 17 * hour)
})

t.test('failures are reported and tried again, slower each time, until one succeeds', async t => {
  const clock = new FakeClock()
  let attempts = 0
  const run = follow(
    async () => {
      attempts += 1
      if (attempts < 4) throw attempts === 2 ? new TypeError('secret') : new Fault('tee-unavailable', `no ${attempts}`)
      return fresh(clock)
    },
    0,
    clock,
  )
  await clock.advance(0)
  t.equal(attempts, 1)
  await clock.advance(999)
  t.equal(attempts, 1)
  await clock.advance(1)
  t.equal(attempts, 2)
  await clock.advance(2000)
  t.equal(attempts, 3)
  await clock.advance(4000)
  await eventually(() => run.got.length === 1)
  t.strictSame(run.faults, [
    ['no 1', 1000],
    ['no credential was issued: TypeError', 2000],
    ['no 3', 4000],
  ])
  run.stop.abort()
  await run.done
})

t.test('a credential that cannot be shown is a failure', async t => {
  const clock = new FakeClock()
  const run = follow(() => makeCredential({ notAfter: start - 1000 }), 0, clock)
  await eventually(() => run.faults.length === 1)
  t.match(run.faults[0]?.[0], /expired/)
  t.equal(run.got.length, 0)
  run.stop.abort()
  await run.done
})

t.test('credentials that arrive with most of their life over are used, but not asked for in a storm', async t => {
  const clock = new FakeClock()
  const run = follow(() => makeCredential({ notBefore: start - 9 * hour, notAfter: start + hour }), 0, clock)
  await eventually(() => run.got.length === 1)
  await clock.advance(1000)
  await eventually(() => run.got.length === 2)
  await clock.advance(1999)
  t.equal(run.got.length, 2)
  await clock.advance(1)
  await eventually(() => run.got.length === 3)
  run.stop.abort()
  await run.done
})

t.test('an issuer that hangs does not hold up the end, and what it says later is not heard', async t => {
  let reject = (_: Error): void => {}
  const run = follow(() => new Promise((_, no) => (reject = no)))
  await run.clock.advance(0)
  run.stop.abort()
  await run.done
  reject(new Error('late'))
  await run.clock.advance(0)
  t.strictSame(run.faults, [])
})

t.test('an abort during the failure of an issuer is the end, not a failure', async t => {
  const stop = new AbortController()
  const issue = async (): Promise<Credential> => {
    stop.abort()
    throw new Error('aborted')
  }
  const failed = () => t.fail('reported')
  for await (const _ of rotate({ issue, clock: systemClock, signal: stop.signal, failed })) t.fail('yielded')
  const before = AbortSignal.abort()
  for await (const _ of rotate({ issue, clock: systemClock, signal: before, failed })) t.fail('yielded')
})

t.test('at() reaches far times by steps, and notices a clock that was moved', async t => {
  const clock = new FakeClock()
  const fired: number[] = []
  at(clock, start + 60 * 24 * hour, () => fired.push(clock.now()))
  await clock.advance(24 * hour)
  t.strictSame(fired, [])
  clock.jump(59 * 24 * hour)
  await clock.advance(hour)
  t.equal(fired.length, 1, 'at the next step after the jump')
  const cancel = at(clock, clock.now() + 5 * hour, () => fired.push(0))
  await clock.advance(2 * hour)
  cancel()
  await clock.advance(9 * hour)
  t.equal(fired.length, 1)
  t.equal(clock.pending, 0)
})

t.test('sleepUntil() ends at once where the signal has aborted', async t => {
  const clock = new FakeClock()
  await sleepUntil(clock, start + hour, AbortSignal.abort())
  t.equal(clock.pending, 0)
})

t.test('asFault() keeps a fault and tells only the class of anything else', async t => {
  const fault = new Fault('tee-unavailable', 'x')
  t.equal(asFault(fault), fault)
  t.match(asFault(new RangeError('secret')), { code: 'credential-invalid', message: /: RangeError$/ })
})

t.test('a process with nothing else to do can exit while a rotation sleeps', async t => {
  const program = `
    import { systemClock } from '${new URL('../../src/base/clock.ts', import.meta.url).href}'
    import { rotate } from '${new URL('../../src/identity/rotate.ts', import.meta.url).href}'
    const issue = async () => { throw new Error('no') }
    const failed = () => console.log('failed')
    const signal = new AbortController().signal
    for await (const _ of rotate({ issue, clock: systemClock, signal, failed })) {}`
  const from = Date.now()
  const run = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  t.equal(run.stdout, 'failed\n', run.stderr)
  t.equal(run.signal, null)
  t.ok(Date.now() - from < 20_000)
})

t.test('a short life is asked for again soon, however often it failed', async t => {
  const clock = new FakeClock()
  let broken = false
  const issue = () => (broken ? Promise.reject(new Fault('tee-unavailable', 'none')) : fresh(clock, 60_000))
  const run = follow(issue, 0, clock)
  await eventually(() => run.got.length === 1)
  broken = true
  await clock.advance(60_000)
  t.same(
    run.faults.map(([, retryInMs]) => retryInMs),
    [1000, 2000, 3000, 3000, 3000, 3000, 3000, 3000],
    'never later than a twentieth of the life that the last one had',
  )
  run.stop.abort()
  await run.done
})
