import t from 'tap'
import { estimate, median, quantile } from '../../../bench/stats/estimate.ts'
import { seeded } from '../../../bench/stats/random.ts'

t.test('medians of odd, even and single lists, whatever their order', async t => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 3, 2]), 2.5)
  t.equal(median([7]), 7)
  t.throws(() => median([]), RangeError)
})

t.test('quantiles lie between their neighbours', async t => {
  t.equal(quantile([0, 10], 0.25), 2.5)
  t.equal(quantile([0, 10, 20], 1), 20)
})

t.test('an estimate of nothing is undefined, of one value that value', async t => {
  t.equal(estimate([]), undefined)
  t.match(estimate([5]), { median: 5, low: 5, high: 5, count: 1 })
})

t.test('the same samples give the same interval', async t => {
  const samples = [10, 11, 12, 13, 30]
  t.same(estimate(samples), estimate([...samples]))
})

t.test('an interval holds the truth about as often as it says, and shrinks with more samples', async t => {
  const random = seeded(11)
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const trial = (count: number): { inside: number; width: number } => {
    let inside = 0
    let width = 0
    for (let i = 0; i < 200; i++) {
      const found = estimate(Array.from({ length: count }, () => 100 + 5 * normal()))
      if (!found) continue
      if (found.low <= 100 && found.high >= 100) inside++
      width += found.high - found.low
    }
    return { inside: inside / 200, width: width / 200 }
  }
  const [few, many] = [trial(5), trial(21)]
  t.ok(few.inside > 0.85, `5 samples: ${few.inside}`)
  t.ok(many.inside > 0.9, `21 samples: ${many.inside}`)
  t.ok(many.width < few.width * 0.7)
})

t.test('one disturbed sample moves a median little', async t => {
  t.ok(Math.abs((estimate([10, 10.1, 9.9, 10, 50])?.median ?? 0) - 10) < 0.2)
})
