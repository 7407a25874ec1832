import { createServer } from 'node:http'
import { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { Fault } from '../../src/base/errors.ts'
import { makeDialer } from '../../src/engine/dial.ts'
import type { Check, ReadinessCheck } from '../../src/health/checks.ts'
import type { Dial } from '../../src/health/reach.ts'
import { makeReadiness } from '../../src/health/readiness.ts'
import { FakeClock } from '../support/clock.ts'
import { settled } from '../support/gate.ts'
import { freePort, listen } from '../support/sockets.ts'

const declared = (check: Check, options: Partial<ReadinessCheck> = {}): ReadinessCheck => ({
  check,
  periodSeconds: 10,
  timeoutSeconds: 1,
  successThreshold: 1,
  ...options,
})

interface Making {
  readonly dial?: (host: string, port: number) => Dial
  readonly verified?: boolean
}

function make(checks: readonly ReadinessCheck[], making: Making = {}) {
  const clock = new FakeClock()
  const failed: string[] = []
  const real = (host: string, port: number): Dial =>
    makeDialer({ host, port, clock, judge: undefined, refused() {} }).dial
  const { dial = real, verified = false } = making
  const ask = makeReadiness({
    checks,
    dial,
    clock,
    verified,
    http2AutoDetection: false,
    aggressiveTryMs: 100,
    failed: text => failed.push(text),
  })
  return { clock, failed, ask }
}

const http = (port: number): Check => ({
  kind: 'http',
  scheme: 'http',
  host: '127.0.0.1',
  port,
  path: 'healthz',
  headers: [],
})

/** A container that answers with `status`, and how often it was asked. */
async function container(t: Test, status = 200) {
  let asked = 0
  const server = createServer((_request, response) => {
    asked++
    response.writeHead(status).end('body')
  })
  return { port: await listen(t, server), asked: () => asked }
}

/** A dialer whose outcomes are written down beforehand: up or down, then the last one for ever. */
function scripted(outcomes: string) {
  let tries = 0
  const dial = (): Dial => done => {
    const up = (outcomes[tries] ?? outcomes.at(-1)) === '+'
    tries++
    queueMicrotask(() => done(up ? { socket: new Socket() } : new Fault('upstream-refused', `down ${tries}`)))
    return () => {}
  }
  return { dial, tries: () => tries }
}

/** Moves the clock until the answer is there; returns it with the time that passed. */
async function within(clock: FakeClock, answer: Promise<boolean>): Promise<[ready: boolean, ms: number]> {
  const from = clock.monotonic()
  let over = false
  void answer.finally(() => {
    over = true
  })
  for (await settled(); !over; await settled()) clock.advance(10)
  return [await answer, clock.monotonic() - from]
}

t.test('nothing declared is always ready', async t => {
  t.equal(await make([]).ask(), true)
})

t.test('a declared time is that of one try', async t => {
  const { clock, ask, failed } = make([declared({ kind: 'tcp', host: 'h', port: 1 }, { timeoutSeconds: 2 })], {
    dial: () => () => () => {},
  })
  t.same(await within(clock, ask()), [false, 2000])
  t.same(failed, ['dial tcp h:1: i/o timeout'])
})

t.test('all declared probes must pass, and each failure is told', async t => {
  const up = await container(t)
  const down = await container(t, 500)
  const port = await freePort()
  const { ask, failed } = make([
    declared(http(up.port)),
    declared(http(down.port)),
    declared({ kind: 'tcp', host: '127.0.0.1', port }),
  ])
  t.equal(await ask(), false)
  t.same(failed, [
    'HTTP probe did not respond Ready, got status code: 500',
    `dial tcp 127.0.0.1:${port}: connect: connection refused`,
  ])
})

t.test('who asks while a round runs shares its answer; the next one asks anew', async t => {
  const { port, asked } = await container(t)
  const { ask } = make([declared(http(port))])
  t.same(await Promise.all([ask(), ask()]), [true, true])
  t.equal(asked(), 1)
  t.equal(await ask(), true)
  t.equal(asked(), 2)
})

const tcp: Check = { kind: 'tcp', host: 'h', port: 1 }

t.test('behind a verified dialer an answer, good or bad, holds for 50 ms', async t => {
  const script = scripted('+-+')
  const { clock, ask } = make([declared(tcp)], { dial: script.dial, verified: true })
  t.equal(await ask(), true)
  clock.advance(49)
  t.equal(await ask(), true)
  t.equal(script.tries(), 1)
  clock.advance(1)
  t.equal(await ask(), false)
  t.equal(await ask(), false)
  t.equal(script.tries(), 2)
  clock.advance(50)
  t.equal(await ask(), true)
  t.equal(script.tries(), 3)
})

t.test('an answer holds from when it was given, however long that took', async t => {
  let open: () => void = () => {}
  const dial = (): Dial => done => {
    open = () => done({ socket: new Socket() })
    return () => {}
  }
  const { clock, ask } = make([declared(tcp)], { dial, verified: true })
  const first = ask()
  clock.advance(500)
  open()
  t.equal(await first, true)
  clock.advance(49)
  t.equal(await ask(), true)
})

t.test('in plaintext every answer is a new one', async t => {
  const script = scripted('+-+')
  const { ask } = make([declared(tcp)], { dial: script.dial })
  t.same([await ask(), await ask(), await ask()], [true, false, true])
})

const aggressive = (successThreshold = 1): ReadinessCheck => declared(tcp, { periodSeconds: 0, successThreshold })

const polls: [name: string, outcomes: string, threshold: number, ready: boolean, ms: number, tries: number][] = [
  ['up at once', '+', 1, true, 0, 1],
  ['up at the third try', '--+', 1, true, 100, 3],
  ['three successes in a row', '+', 3, true, 100, 3],
  ['a failure ends the row', '++-+', 3, true, 250, 6],
  ['never up', '-', 1, false, 10_000, 201],
]
for (const [name, outcomes, threshold, ready, ms, tries] of polls) {
  t.test(`aggressive mode: ${name}`, async t => {
    const script = scripted(outcomes)
    const { clock, ask, failed } = make([aggressive(threshold)], { dial: script.dial })
    t.same(await within(clock, ask()), [ready, ms])
    t.equal(script.tries(), tries)
    t.same(failed, ready ? [] : ['aggressive probe error (failed 201 times): down 201\ncontext deadline exceeded'])
    t.equal(clock.pending, 0)
  })
}

t.test('aggressive mode: successes count across rounds, a failure forgets them', async t => {
  const script = scripted('+++-+')
  const { clock, ask } = make([aggressive(3)], { dial: script.dial })
  t.same(await within(clock, ask()), [true, 100])
  t.same(await within(clock, ask()), [true, 150], 'one failure, three successes')
  t.same(await within(clock, ask()), [true, 0], 'enough already')
  t.equal(script.tries(), 8)
})

t.test('aggressive mode: a try that takes its whole time is followed at once', async t => {
  let tries = 0
  const { clock, ask, failed } = make([aggressive()], {
    dial: () => () => {
      tries++
      return () => {}
    },
  })
  t.same(await within(clock, ask()), [false, 10_000])
  t.equal(tries, 100)
  t.same(failed, ['aggressive probe error (failed 100 times): dial tcp h:1: i/o timeout\ncontext deadline exceeded'])
})

t.test('aggressive mode: steps that were missed are left out', async t => {
  const starts: number[] = []
  let wait = (_ms: number, _run: () => void): void => {}
  const { clock, ask } = make([aggressive()], {
    dial: () => done => {
      starts.push(clock.monotonic())
      const fault = new Fault('upstream-refused', 'no')
      const first = starts.length === 1
      wait(first ? 70 : 10, () => done(starts.length < 4 ? fault : { socket: new Socket() }))
      return () => {}
    },
  })
  wait = (ms, run) => clock.after(ms, run)
  const from = clock.monotonic()
  t.same(await within(clock, ask()), [true, 160])
  t.same(
    starts.map(each => each - from),
    [0, 70, 100, 150],
  )
})

t.test('aggressive mode: failures of the whole round are told, also where the last try was good', async t => {
  const short = make([aggressive(1000)], { dial: scripted('+').dial })
  t.equal((await within(short.clock, short.ask()))[0], false)
  t.same(short.failed, ['context deadline exceeded'])
  const mixed = make([aggressive(1000)], { dial: scripted('--+').dial })
  t.equal((await within(mixed.clock, mixed.ask()))[0], false)
  t.same(mixed.failed, ['aggressive probe error (failed 2 times): down 2\ncontext deadline exceeded'])
})
