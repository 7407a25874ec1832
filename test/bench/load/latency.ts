import t from 'tap'
import { percentile, quantiles, Recorder } from '../../../bench/load/latency.ts'

t.test('percentiles of known latencies, to three significant figures', async t => {
  const recorder = new Recorder()
  for (let ms = 1; ms <= 1_000; ms++) recorder.record(ms)
  const latency = recorder.take()
  if (!latency) throw new Error('nothing was recorded')
  t.equal(latency.count, 1_000)
  for (const [quantile, want] of [
    [50, 500],
    [99, 990],
    [99.9, 999],
  ] as const) {
    t.ok(Math.abs(percentile(latency, quantile) / 1_000 / want - 1) < 0.002, `p${quantile}`)
  }
  t.ok(Math.abs(latency.maxUs / 1_000_000 - 1) < 0.002)
  t.equal(latency.percentilesUs.length, quantiles.length)
  t.same(
    latency.percentilesUs,
    latency.percentilesUs.toSorted((a, b) => a - b),
  )
})

t.test('nothing recorded is nothing, and what cannot be is kept within bounds', async t => {
  t.equal(new Recorder().take(), undefined)
  const recorder = new Recorder()
  recorder.record(-1)
  recorder.record(1e12)
  t.match(recorder.take(), { count: 2 })
})

t.test('a percentile that is not kept is an error, not a guess', async t => {
  t.throws(() => percentile({ count: 1, meanUs: 1, maxUs: 1, percentilesUs: [] }, 42), /p42/)
})
