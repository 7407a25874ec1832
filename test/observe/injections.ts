import t from 'tap'
import { makeInjectionMetrics } from '../../src/observe/injections.ts'

t.test('every outcome is there from the start, and what is told is counted', async t => {
  const metrics = makeInjectionMetrics({ version: '1', platform: 'nri' })
  metrics.reviewed('denied', 0.004)
  metrics.certificate(1_700_000_000_000)
  metrics.certificateFailed()
  const text = await metrics.text()
  for (const line of [
    'postern_inject_reviews_total{outcome="patched"} 0',
    'postern_inject_reviews_total{outcome="denied"} 1',
    'postern_inject_duration_seconds_bucket{le="0.0025"} 0',
    'postern_inject_duration_seconds_bucket{le="0.005"} 1',
    'postern_inject_certificate_not_after_timestamp_seconds 1700000000',
    'postern_inject_certificate_failures_total 1',
    'postern_inject_info{version="1",platform="nri"} 1',
  ]) {
    t.ok(text.split('\n').includes(line), line)
  }
})
