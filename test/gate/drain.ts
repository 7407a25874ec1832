import t from 'tap'
import { Drain, drainDefaults, type HookOutcome } from '../../src/gate/drain.ts'
import { newLife } from '../../src/gate/life.ts'
import { FakeClock } from '../support/clock.ts'
import { settled } from '../support/gate.ts'

function make(phase: 'starting' | 'serving' = 'serving') {
  const clock = new FakeClock()
  const life = newLife()
  if (phase === 'serving') life.to('serving')
  const drain = new Drain(life, clock)
  const told: string[] = []
  return {
    clock,
    life,
    drain,
    told,
    term: () => void drain.term().then(() => told.push('quiet')),
    hook: (name = 'hook') => void drain.hook().then(outcome => told.push(`${name} ${outcome}`)),
    async advance(ms: number) {
      clock.advance(ms)
      await settled()
    },
  }
}

t.test('TERM drains until no request has come for 30 s', async t => {
  const { life, told, term, advance } = make()
  term()
  t.equal(life.state, 'draining')
  await advance(29_900)
  t.same(told, [])
  await advance(100)
  t.same(told, ['quiet'])
  t.equal(life.state, 'draining', 'closing is for whoever closes')
})

t.test('each request starts the quiet period again', async t => {
  const { drain, told, term, advance } = make()
  term()
  await advance(29_000)
  drain.touch()
  await advance(29_900)
  t.same(told, [])
  await advance(200)
  t.same(told, ['quiet'])
})

t.test('a request before TERM postpones nothing', async t => {
  const { drain, told, term, advance } = make()
  drain.touch()
  await advance(10_000)
  term()
  await advance(30_000)
  t.same(told, ['quiet'])
})

t.test('TERM before service drains as well', async t => {
  const { life, told, term, advance } = make('starting')
  term()
  t.equal(life.state, 'draining')
  await advance(30_000)
  t.same(told, ['quiet'])
})

t.test('a second TERM waits for the same quiet', async t => {
  const { told, term, advance } = make()
  term()
  term()
  await advance(30_000)
  t.same(told, ['quiet', 'quiet'])
})

t.test('without TERM, the hook interrupts service for a second', async t => {
  const { life, told, hook, advance } = make()
  hook()
  t.equal(life.state, 'draining')
  await advance(999)
  t.same(told, [])
  t.equal(life.state, 'draining')
  await advance(1)
  t.same(told, ['hook resumed'])
  t.equal(life.state, 'serving')
})

t.test('a second hook joins the first', async t => {
  const { clock, told, hook, advance } = make()
  hook('a')
  await advance(600)
  hook('b')
  t.equal(clock.pending, 1)
  await advance(400)
  t.same(told, ['a resumed', 'b resumed'])
})

t.test('TERM within the second turns the hook into a wait for the drain', async t => {
  const { life, told, hook, term, advance } = make()
  hook()
  await advance(900)
  term()
  await advance(1000)
  t.same(told, [])
  t.equal(life.state, 'draining')
  await advance(29_000)
  t.same(told, ['hook drained', 'quiet'])
})

t.test('a hook during the drain waits for its end, a later one not at all', async t => {
  const { clock, told, hook, term, advance } = make()
  term()
  await advance(10_000)
  hook('a')
  await advance(20_000)
  t.same(told, ['a drained', 'quiet'])
  hook('b')
  await settled()
  t.same(told, ['a drained', 'quiet', 'b drained'])
  t.equal(clock.pending, 0, 'nothing ticks any more')
})

t.test('a hook within 5 s after a resumed service does not interrupt it', async t => {
  const { life, told, hook, advance } = make()
  hook('a')
  await advance(1000)
  await advance(4999)
  hook('b')
  t.equal(life.state, 'serving')
  await advance(1000)
  t.same(told, ['a resumed', 'b resumed'])
  hook('c')
  t.equal(life.state, 'draining', 'calm counts from the interruption, not from the hook that made none')
})

t.test('TERM ends the calm', async t => {
  const { life, told, hook, term, advance } = make()
  hook('a')
  await advance(1000)
  hook('b')
  await advance(500)
  term()
  t.equal(life.state, 'draining')
  await advance(30_000)
  t.same(told, ['a resumed', 'b drained', 'quiet'])
})

t.test('a hook before service changes nothing', async t => {
  const { life, told, hook, advance } = make('starting')
  hook()
  t.equal(life.state, 'starting')
  await advance(1000)
  t.same(told, ['hook resumed'])
  t.equal(life.state, 'starting')
})

t.test('at most 16 hooks wait', async t => {
  const { drain, clock } = make()
  const outcomes: Promise<HookOutcome>[] = []
  for (let i = 0; i < drainDefaults.maxWaiters; i++) outcomes.push(drain.hook())
  t.equal(drain.waiters, 16)
  t.equal(await drain.hook(), 'too-many')
  clock.advance(1000)
  t.same(new Set(await Promise.all(outcomes)), new Set(['resumed']))
  t.equal(drain.waiters, 0)
})

t.test('too many hooks do not keep a drained process from saying so', async t => {
  const { drain, term, advance } = make()
  term()
  for (let i = 0; i < 16; i++) void drain.hook()
  await advance(30_000)
  t.equal(await drain.hook(), 'drained')
})
