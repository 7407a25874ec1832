import t from 'tap'
import { Deadlines } from '../../src/gate/deadlines.ts'
import { FakeClock } from '../support/clock.ts'

function make(options: { requestMs?: number; responseStartMs?: number; idleMs?: number }) {
  const clock = new FakeClock()
  const deadlines = new Deadlines({ requestMs: 60_000, responseStartMs: 0, idleMs: 0, ...options }, clock)
  const fired: string[] = []
  const arm = (name = 'a') => deadlines.arm({ expired: deadline => fired.push(`${name} ${deadline}`) })
  return { clock, deadlines, fired, arm }
}

const single: [name: string, options: Parameters<typeof make>[0], advances: number[], fired: string[]][] = [
  ['the request deadline does not fire early', { requestMs: 1000 }, [950], []],
  ['the request deadline fires in its tick', { requestMs: 1000 }, [1050], ['a request']],
  ['every kind fires once', { requestMs: 1000, idleMs: 100 }, [500, 5000], ['a idle', 'a request']],
  ['a request timeout of 0 expires at the first tick', { requestMs: 0 }, [50], ['a request']],
  ['0 turns the response start and the idle deadline off', {}, [59_000], []],
  ['response start counts from arrival', { responseStartMs: 200 }, [200], ['a response-start']],
  ['idle counts from arrival where nothing ever moves', { idleMs: 200 }, [200], ['a idle']],
]
for (const [name, options, advances, expected] of single) {
  t.test(name, async t => {
    const { clock, fired, arm } = make(options)
    arm()
    for (const ms of advances) clock.advance(ms)
    t.same(fired, expected)
  })
}

t.test('a response that has begun is no longer waited for', async t => {
  const { clock, deadlines, fired, arm } = make({ responseStartMs: 200 })
  deadlines.begun(arm())
  clock.advance(1000)
  t.same(fired, [])
})

t.test('bytes start the idle deadline anew, and nobody else is affected', async t => {
  const { clock, deadlines, fired, arm } = make({ idleMs: 200 })
  const a = arm('a')
  arm('b')
  clock.advance(150)
  deadlines.moved(a)
  clock.advance(100)
  t.same(fired, ['b idle'])
  clock.advance(100)
  t.same(fired, ['b idle', 'a idle'])
  deadlines.moved(a)
  clock.advance(1000)
  t.equal(fired.length, 2, 'a deadline that fired is not re-armed')
})

t.test('without an idle deadline, moving is nothing', async t => {
  const { clock, deadlines, fired, arm } = make({})
  deadlines.moved(arm())
  clock.advance(1000)
  t.same(fired, [])
})

t.test('disarmed is silent, twice as well', async t => {
  const { clock, deadlines, fired, arm } = make({ requestMs: 100, responseStartMs: 50, idleMs: 50 })
  const a = arm()
  deadlines.disarm(a)
  deadlines.disarm(a)
  clock.advance(1000)
  t.same(fired, [])
})

t.test('requests expire in the order in which they came', async t => {
  const { clock, fired, arm } = make({ requestMs: 100 })
  arm('a')
  clock.advance(10)
  arm('b')
  clock.advance(10)
  arm('c')
  clock.advance(500)
  t.same(fired, ['a request', 'b request', 'c request'])
})

t.test('one ticker serves all, and none runs where nothing is armed', async t => {
  const { clock, deadlines, arm } = make({})
  t.equal(clock.pending, 0)
  const all = [arm(), arm(), arm()]
  t.equal(clock.pending, 1)
  for (const each of all) deadlines.disarm(each)
  clock.advance(50)
  t.equal(clock.pending, 0)
  arm()
  t.equal(clock.pending, 1, 'it starts again')
})

t.test('an expiry that disarms others and arms new ones is no problem', async t => {
  const clock = new FakeClock()
  const deadlines = new Deadlines({ requestMs: 100, responseStartMs: 0, idleMs: 0 }, clock)
  const fired: string[] = []
  deadlines.arm({
    expired() {
      fired.push('a')
      deadlines.disarm(b)
      deadlines.arm({ expired: () => fired.push('c') })
    },
  })
  const b = deadlines.arm({ expired: () => fired.push('b') })
  clock.advance(100)
  t.same(fired, ['a'])
  clock.advance(100)
  t.same(fired, ['a', 'c'])
})
