import t from 'tap'
import { seeded, shuffled } from '../../../bench/stats/random.ts'

t.test('a seed gives the same numbers again, another seed others', async t => {
  const draw = (seed: number): number[] => {
    const random = seeded(seed)
    return Array.from({ length: 5 }, random)
  }
  t.same(draw(1), draw(1))
  t.notSame(draw(1), draw(2))
})

t.test('numbers are even from 0 to 1', async t => {
  const random = seeded(7)
  const tenths = new Array(10).fill(0)
  for (let i = 0; i < 10_000; i++) tenths[Math.floor(random() * 10)]++
  t.ok(
    tenths.every(count => count > 850 && count < 1_150),
    tenths.join(),
  )
})

t.test('a shuffle loses nothing and comes to every order', async t => {
  const random = seeded(3)
  const orders = new Set<string>()
  for (let i = 0; i < 200; i++) {
    const order = shuffled(['a', 'b', 'c'], random)
    t.same([...order].sort(), ['a', 'b', 'c'])
    orders.add(order.join(''))
  }
  t.equal(orders.size, 6)
})
