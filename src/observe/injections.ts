// The injector's series. Its role counts in numbers of its own registry; nothing of a pod becomes a label.

import Counter from 'prom-client/lib/counter.js'
import Gauge from 'prom-client/lib/gauge.js'
import Histogram from 'prom-client/lib/histogram.js'
import Registry from 'prom-client/lib/registry.js'

export const outcomes = ['patched', 'unchanged', 'skipped', 'denied', 'malformed'] as const

export interface InjectionMetrics {
  /** @param seconds from the last byte of the review to the answer */
  readonly reviewed: (outcome: (typeof outcomes)[number], seconds: number) => void
  /** @param notAfterMs milliseconds since the epoch */
  readonly certificate: (notAfterMs: number) => void
  readonly certificateFailed: () => void
  readonly text: () => Promise<string>
}

export const metricsType = 'text/plain; version=0.0.4; charset=utf-8'

export function makeInjectionMetrics(info: Readonly<Record<'version' | 'platform', string>>): InjectionMetrics {
  const registers = [new Registry()]
  const reviews = new Counter({
    name: 'postern_inject_reviews_total',
    help: 'Admission reviews by what came of them',
    labelNames: ['outcome'],
    registers,
  })
  // From zero, so that the first denial is a rise.
  for (const outcome of outcomes) reviews.inc({ outcome }, 0)
  const duration = new Histogram({
    name: 'postern_inject_duration_seconds',
    help: 'Time to answer an admission review',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 1],
    registers,
  })
  const notAfter = new Gauge({
    name: 'postern_inject_certificate_not_after_timestamp_seconds',
    help: 'When the certificate of the webhook ends',
    registers,
  })
  const failures = new Counter({
    name: 'postern_inject_certificate_failures_total',
    help: 'Looks at the mounted certificate that gave none',
    registers,
  })
  new Gauge({ name: 'postern_inject_info', help: 'What runs', labelNames: Object.keys(info), registers }).set(info, 1)
  return {
    reviewed: (outcome, seconds) => {
      reviews.inc({ outcome })
      duration.observe(seconds)
    },
    certificate: notAfterMs => notAfter.set(notAfterMs / 1000),
    certificateFailed: () => failures.inc(),
    text: () => registers[0]?.metrics() ?? Promise.resolve(''),
  }
}
