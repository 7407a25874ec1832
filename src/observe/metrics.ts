// Every series on one page, in a registry of our own. Names of the first two are those of the Go queue-proxy; ours carry
// the prefix `postern_`. No label takes a value from a client. The one door to prom-client, by its parts: its index pulls
// in `cluster`, and its default metrics call what an enclave does not have.

import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { FaultCode } from '../base/errors.ts'
import type { Recorder, Summary } from '../gate/contract.ts'

export interface Metrics {
  readonly recorder: Recorder
  /** A peer was refused; counted once for each rule that it broke. */
  readonly peerRefused: (rules: readonly string[]) => void
  readonly plaintextRefused: () => void
  readonly misusedHook: () => void
  readonly certificate: (notAfterMs: number) => void
  readonly certificateFailed: () => void
  readonly contentType: string
  readonly text: () => Promise<string>
}

export interface MetricsOptions {
  /** Requests that work or wait now. */
  readonly inFlight: () => number
  /** True where a limit is set: only then does a queue exist. */
  readonly limited: boolean
  readonly connections: () => number
  /** Of what stands behind the name of `postern_info`. */
  readonly info: Readonly<Record<'version' | 'policy' | 'policy_digest' | 'upstream' | 'tee', string>>
}

const seconds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

export function makeMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry()
  const registers = [registry]

  const duration = new Histogram({
    name: 'kn_serving_invocation_duration_seconds',
    help: 'The duration of task execution',
    labelNames: ['http_response_status_code'],
    buckets: seconds,
    registers,
  })
  if (options.limited) {
    new Gauge({
      name: 'kn_serving_queue_depth',
      help: 'Number of current requests in the queue',
      registers,
      collect() {
        this.set(options.inFlight())
      },
    })
  }
  const ended = new Counter({
    name: 'postern_requests_total',
    help: 'Requests by how they ended',
    labelNames: ['end'],
    registers,
  })
  const faults = new Counter({
    name: 'postern_faults_total',
    help: 'Requests that something broke, by its stable code',
    labelNames: ['code'],
    registers,
  })
  const retries = new Counter({
    name: 'postern_upstream_retries_total',
    help: 'Requests sent again on a fresh connection because a kept one had gone stale',
    registers,
  })
  const refused = new Counter({
    name: 'postern_upstream_refused_total',
    help: 'Connections to the container that were given up because of who answered, by broken rule',
    labelNames: ['rule'],
    registers,
  })
  const plaintext = new Counter({
    name: 'postern_plaintext_refused_total',
    help: 'Requests on a plaintext port that the policy does not let serve',
    registers,
  })
  const hooks = new Counter({
    name: 'postern_drain_hooks_refused_total',
    help: 'Calls of /wait-for-drain beyond the number that may wait at once',
    registers,
  })
  const notAfter = new Gauge({
    name: 'postern_certificate_not_after_timestamp_seconds',
    help: 'End of our own certificate',
    registers,
  })
  const renewals = new Counter({
    name: 'postern_certificate_failures_total',
    help: 'Attempts to get a certificate that failed',
    registers,
  })
  new Gauge({
    name: 'postern_connections',
    help: 'Open client connections',
    registers,
    collect() {
      this.set(options.connections())
    },
  })
  new Gauge({
    name: 'postern_info',
    help: 'What runs, under which policy',
    labelNames: Object.keys(options.info),
    registers,
  }).set(options.info, 1)

  // Label children are resolved once: a lookup by label object on every request would cost more than the counting.
  const observers = new Map<number, { observe(value: number): void }>()
  function observe(status: number, value: number): void {
    let child = observers.get(status)
    if (!child) {
      child = duration.labels(String(status))
      observers.set(status, child)
    }
    child.observe(value)
  }

  const recorder: Recorder = {
    finished(summary: Summary) {
      ended.inc({ end: summary.end })
      if (summary.retries > 0) retries.inc(summary.retries)
      if (summary.fault) faults.inc({ code: summary.fault.code satisfies FaultCode })
      if (summary.admitted) observe(summary.status, summary.durationMs / 1000)
    },
  }

  return {
    recorder,
    peerRefused: rules => {
      for (const rule of new Set(rules)) refused.inc({ rule })
    },
    plaintextRefused: () => plaintext.inc(),
    misusedHook: () => hooks.inc(),
    certificate: ms => notAfter.set(ms / 1000),
    certificateFailed: () => renewals.inc(),
    contentType: registry.contentType,
    text: () => registry.metrics(),
  }
}
