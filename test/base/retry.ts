import t from 'tap'
import { chance, retryAfter } from '../../src/base/retry.ts'

t.test('the back-off ends at five minutes, and jitter takes up to half', async t => {
  t.equal(retryAfter(1, 0), 1000)
  t.equal(retryAfter(9, 0), 256_000)
  t.equal(retryAfter(10, 0), 300_000)
  t.equal(retryAfter(5000, 0), 300_000)
  t.equal(retryAfter(1, 0.999), 501)
})

t.test('the longest wait may be another', async t => {
  t.equal(retryAfter(5000, 0, 10_000), 10_000)
  t.equal(retryAfter(1, 0, 500), 500)
})

t.test('chances lie in [0, 1) and differ', async t => {
  const all = Array.from({ length: 100 }, chance)
  t.ok(all.every(each => each >= 0 && each < 1))
  t.ok(new Set(all).size > 90)
})
