import t from 'tap'
import { afterAnswer, afterFailure } from '../../src/collateral/schedule.ts'

const day = 86_400_000

t.test('after an answer: when a third of what is left has passed, or a little sooner', async t => {
  t.equal(afterAnswer(30 * day, 0), 10 * day)
  t.equal(afterAnswer(30 * day, 0.999999), Math.floor(10 * day * (1 - 0.999999 / 5)))
  t.ok(afterAnswer(30 * day, 0.999999) >= 8 * day)
  t.equal(afterAnswer(0, 0.5), 60_000, 'never a storm')
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
