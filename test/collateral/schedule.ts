import t from 'tap'
import { afterFailure, isTimeAgain } from '../../src/collateral/schedule.ts'

const day = 86_400_000

t.test('after an answer: when a third of what was left has passed, or a little sooner', async t => {
  const rows: [passed: number, left: number, random: number, again: boolean][] = [
    [10 * day, 20 * day, 0, true],
    [10 * day - 1, 20 * day + 1, 0, false],
    [8 * day + 1_000, 22 * day - 1_000, 0.999999, true],
    [8 * day - 1_000, 22 * day + 1_000, 0.999999, false],
    [10 * day, 0, 0, true],
    [59_999, 0, 0, false],
    [60_000, 0, 0, true],
  ]
  for (const [passed, left, random, again] of rows) t.equal(isTimeAgain(passed, left, random), again, `${passed}`)
})

t.test('after a failure: sooner at first, an hour at most, and soon where the end is near or past', async t => {
  t.equal(afterFailure(1, 30 * day, 0), 1_000)
  t.equal(afterFailure(9, 30 * day, 0), 256_000)
  t.equal(afterFailure(50, 30 * day, 0), 3_600_000)
  t.equal(afterFailure(50, 30 * day, 0.999999), 1_800_002)
  t.equal(afterFailure(50, 4 * 3_600_000, 0), 1_800_000)
  t.equal(afterFailure(50, 0, 0), 10_000)
  t.equal(afterFailure(50, -5, 0), 10_000)
})
