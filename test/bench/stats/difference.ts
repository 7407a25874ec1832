import t from 'tap'
import { compareSeries, control, differenceOf, differenceOfPairs } from '../../../bench/stats/difference.ts'
import { figures } from '../../../bench/stats/figures.ts'
import { seeded } from '../../../bench/stats/random.ts'
import { makeSeries } from '../../support/bench.ts'

const trials = 200

/** How often a true ratio is told as more, and as less, over many runs of so many rounds. */
function tell(ratio: number, rounds: number): { more: number; less: number } {
  const random = seeded(42)
  let [more, less] = [0, 0]
  for (let i = 0; i < trials; i++) {
    const slow = makeSeries(random, { contender: 'a', us: 50 * ratio, rounds })
    const fast = makeSeries(random, { contender: 'b', us: 50, rounds })
    const verdict = compareSeries(slow, fast, figures.cpu, 0)?.verdict
    if (verdict === 'more') more++
    if (verdict === 'less') less++
  }
  return { more: more / trials, less: less / trials }
}

t.test('a planted slowdown of 10 % is found', async t => {
  const { more, less } = tell(1.1, 9)
  t.ok(more > 0.93, `found in ${more} of the runs`)
  t.equal(less, 0)
})

t.test('a planted slowdown of 1 % is not claimed', async t => {
  const { more, less } = tell(1.01, 9)
  t.ok(more <= 0.02, `claimed in ${more} of the runs`)
  t.ok(less <= 0.01, `the opposite in ${less}`)
})

t.test('nothing is claimed of two that are the same, with as few rounds as are allowed', async t => {
  const { more, less } = tell(1, 5)
  t.ok(more + less <= 0.02, `claimed in ${more + less} of the runs`)
})

t.test('a speed-up is told as one', async t => {
  t.ok(tell(1 / 1.25, 9).less > 0.98)
})

t.test('fewer than five rounds claim nothing, however clear it looks', async t => {
  t.equal(differenceOfPairs([2, 2, 2, 2], 0).verdict, 'too few rounds')
  t.equal(differenceOfPairs([2, 2, 2, 2, 2], 0).verdict, 'more')
})

t.test('rounds are compared with themselves, so what disturbs both does not count', async t => {
  const random = seeded(1)
  const a = makeSeries(random, { contender: 'a', us: 50 })
  const busy = a.samples.map((sample, i) => ({ ...sample, cpuUs: (sample.cpuUs ?? 0) * (1 + (i % 3)) }))
  const slower = busy.map(sample => ({ ...sample, cpuUs: sample.cpuUs * 1.1 }))
  const found = compareSeries({ ...a, samples: slower }, { ...a, samples: busy }, figures.cpu, 0)
  t.equal(found?.paired, true)
  t.equal(found?.verdict, 'more')
  t.ok(Math.abs((found?.median ?? 0) - 1.1) < 0.001)
})

t.test('samples of different runs are not paired', async t => {
  const random = seeded(1)
  const [a, b] = [makeSeries(random, { contender: 'a', us: 70 }), makeSeries(random, { contender: 'a', us: 50 })]
  const found = compareSeries(a, b, figures.cpu, 0, false)
  t.equal(found?.paired, false)
  t.equal(found?.verdict, 'more')
})

t.test('a difference within the floor is not claimed', async t => {
  const ratios = [1.1, 1.1, 1.1, 1.1, 1.1, 1.1]
  t.equal(differenceOfPairs(ratios, 0.05).verdict, 'more')
  t.equal(differenceOfPairs(ratios, 0.12).verdict, 'no difference')
  t.equal(
    differenceOfPairs(
      ratios.map(ratio => 1 / ratio),
      0.12,
    ).verdict,
    'no difference',
  )
})

t.test('where there are no samples there is no difference', async t => {
  t.equal(differenceOf([], [1], 0), undefined)
  const random = seeded(1)
  const without = makeSeries(random, { contender: 'direct', us: 1 })
  const samples = without.samples.map(sample => ({ ...sample, cpuUs: null }))
  t.equal(compareSeries({ ...without, samples }, without, figures.cpu, 0), undefined)
})

t.test('the control is the copy against its original, and what they differ by is the floor', async t => {
  const random = seeded(1)
  const original = makeSeries(random, { contender: 'a', us: 50 })
  const other = makeSeries(random, { contender: 'b', us: 90 })
  const samples = original.samples.map(sample => ({ ...sample, cpuUs: (sample.cpuUs ?? 0) * 1.07 }))
  const copy = { ...original, contender: 'a (control)', controlOf: 'a', samples }
  const found = control([original, other, copy], figures.cpu)
  t.equal(found.copies.length, 1)
  t.ok(Math.abs(found.floor - 0.07) < 0.001, `${found.floor}`)
  t.equal(control([original, other], figures.cpu).floor, 0.02, 'without one, the least that is worth a claim')
})
