import t from 'tap'
import { Limits } from '../../src/provision/limits.ts'
import { FakeClock } from '../support/clock.ts'

const each = { burst: 2, perSecond: 1 }
const all = { burst: 3, perSecond: 10 }

t.test('an address has a burst and a rate of its own', async t => {
  const clock = new FakeClock()
  const limits = new Limits({ clock, each, all })
  t.same(
    [1, 2, 3].map(() => limits.take('a')),
    [0, 0, 1000],
  )
  t.equal(limits.take('b'), 0, 'others are not held up')
  clock.advance(1_000)
  t.same(
    [1, 2].map(() => limits.take('a')),
    [0, 1000],
  )
})

t.test('many together get no more than there is', async t => {
  const limits = new Limits({ clock: new FakeClock(), each, all })
  t.same(
    ['a', 'b', 'c', 'd'].map(address => limits.take(address)),
    [0, 0, 0, 100],
  )
})

t.test('as many addresses are remembered as it says', async t => {
  const limits = new Limits({
    clock: new FakeClock(),
    each: { burst: 1, perSecond: 0.5 },
    all: { burst: 99, perSecond: 1 },
    most: 2,
  })
  t.same(
    ['a', 'a', 'b', 'c', 'c', 'a'].map(address => limits.take(address)),
    [0, 2000, 0, 0, 2000, 0],
  )
})
