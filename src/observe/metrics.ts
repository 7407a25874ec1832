// Every series on one page: those of the Go queue-proxy, in the dialect that the controller speaks, and ours with the
// prefix `postern_` in a registry of our own. The one door to prom-client, by its parts: its index pulls in `cluster`,
// and its default metrics call what an enclave does not have.

import Counter from 'prom-client/lib/counter.js'
import Gauge from 'prom-client/lib/gauge.js'
import Registry from 'prom-client/lib/registry.js'
import type { FaultCode } from '../base/errors.ts'
import type { End, Recorder, Summary } from '../gate/contract.ts'
import type { DialectOptions } from './dialect.ts'
import { openCensus } from './opencensus.ts'
import { openTelemetry } from './opentelemetry.ts'

export interface Metrics {
  /** One, or none where nobody will ask. */
  readonly recorders: readonly Recorder[]
  /** A peer was refused; counted once for each rule that it broke. */
  readonly peerRefused: (rules: readonly string[]) => void
  /** A client's certificate was refused; counted once for each rule that it broke. */
  readonly clientRefused: (rules: readonly string[]) => void
  readonly plaintextRefused: () => void
  readonly misusedHook: () => void
  /** A client's connection or stream was broken off because of what the client did. */
  readonly misbehaved: (what: string) => void
  readonly certificate: (notAfterMs: number) => void
  readonly certificateFailed: () => void
  /** A source of collateral was asked. */
  readonly collateralAsked: (source: string, outcome: 'newer' | 'same' | 'failed') => void
  readonly contentType: string
  readonly text: () => Promise<string>
}

export interface MetricsOptions extends Omit<DialectOptions, 'may' | 'inFlight' | 'version'> {
  readonly observability: {
    readonly requestMetrics: 'none' | 'prometheus'
    readonly dialect: 'opentelemetry' | 'opencensus'
    /** What the policy lets be remembered of a request. */
    readonly fields: readonly string[]
  }
  /** Requests that work or wait now. */
  readonly inFlight: () => number
  /** True where a limit is set: only then does a queue exist. */
  readonly limited: boolean
  readonly connections: () => number
  /** When the evidence that we show was made, in milliseconds since the epoch; undefined while there is none. */
  readonly evidenceMadeAt?: () => number | undefined
  /** When the first part of the collateral in force ends, and how many parts could not be renewed; absent where none is kept. */
  readonly collateral?: () => { readonly endsAt: number | undefined; readonly failing: number }
  /** How far the host's clock lies below what it can be, in milliseconds. */
  readonly clockBehind?: () => number
  /** Of what stands behind the name of `postern_info`. */
  readonly info: Readonly<Record<'version' | 'policy' | 'policy_digest' | 'upstream' | 'tee', string>>
}

/** As Go's promhttp says it; the escaping is that of names, of which we need none. */
const contentType = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores'

export function makeMetrics(options: MetricsOptions): Metrics {
  const { info } = options
  const { requestMetrics, fields } = options.observability
  const registry = new Registry()
  const registers = [registry]
  const make = options.observability.dialect === 'opencensus' ? openCensus : openTelemetry
  const dialect = make({
    serving: options.serving,
    version: info.version,
    upstream: options.upstream,
    hosts: options.hosts,
    may: field => fields.includes('*') || fields.includes(field),
    inFlight: options.limited ? options.inFlight : undefined,
  })

  // Counted in plain numbers and told when asked: prom-client's own counting would cost more than the rest.
  const ends: Record<End, number> = {
    complete: 0,
    'client-left': 0,
    'upstream-failed': 0,
    malformed: 0,
    answered: 0,
    cut: 0,
  }
  let repeated = 0
  new Counter({
    name: 'postern_requests_total',
    help: 'Requests by how they ended',
    labelNames: ['end'],
    registers,
    collect() {
      this.reset()
      for (const [end, count] of Object.entries(ends)) if (count > 0) this.inc({ end }, count)
    },
  })
  new Counter({
    name: 'postern_upstream_retries_total',
    help: 'Requests sent again on a fresh connection because a kept one had gone stale',
    registers,
    collect() {
      this.reset()
      this.inc(repeated)
    },
  })
  const faults = new Counter({
    name: 'postern_faults_total',
    help: 'Requests that something broke, by its stable code',
    labelNames: ['code'],
    registers,
  })
  const refused = new Counter({
    name: 'postern_upstream_refused_total',
    help: 'Connections to the container that were given up because of who answered, by broken rule',
    labelNames: ['rule'],
    registers,
  })
  const clients = new Counter({
    name: 'postern_clients_refused_total',
    help: 'Client certificates refused, by the rule that was broken',
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
  const misbehaviour = new Counter({
    name: 'postern_http2_abuse_total',
    help: 'Connections and streams of HTTP/2 that were broken off because of what their client did',
    labelNames: ['kind'],
    registers,
  })
  const { evidenceMadeAt } = options
  if (evidenceMadeAt) {
    new Gauge({
      name: 'postern_evidence_created_timestamp_seconds',
      help: 'When the evidence in our own certificate was made',
      registers,
      collect() {
        const at = evidenceMadeAt()
        if (at !== undefined) this.set(at / 1000)
      },
    })
  }
  const { collateral, clockBehind = () => 0 } = options
  if (collateral) {
    new Gauge({
      name: 'postern_collateral_next_update_timestamp_seconds',
      help: 'When the first part of the collateral in force ends; 0: nothing is in force',
      registers,
      collect() {
        this.set((collateral().endsAt ?? 0) / 1000)
      },
    })
    new Gauge({
      name: 'postern_collateral_failing',
      help: 'Parts of the collateral that could not be renewed or had, the last time they were asked for',
      registers,
      collect() {
        this.set(collateral().failing)
      },
    })
  }
  const asked = new Counter({
    name: 'postern_collateral_requests_total',
    help: 'Questions to sources of collateral, by kind of source and how they ended',
    labelNames: ['source', 'outcome'],
    registers,
  })
  new Gauge({
    name: 'postern_clock_behind_seconds',
    help: 'How far the clock of the host lies below what it can be',
    registers,
    collect() {
      this.set(clockBehind() / 1000)
    },
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
    labelNames: Object.keys(info),
    registers,
  }).set(info, 1)

  const recorder: Recorder = {
    finished(summary: Summary) {
      ends[summary.end]++
      repeated += summary.retries
      if (summary.fault) faults.inc({ code: summary.fault.code satisfies FaultCode })
      dialect.finished(summary)
    },
  }

  async function text(): Promise<string> {
    const ours = registry.getMetricsAsArray().map(async ({ name }): Promise<[string, string]> => {
      return [name, `${await registry.getSingleMetricAsString(name)}\n`]
    })
    const theirs = dialect.pages.map((page): [string, string] => [page.name, page.text()])
    const pages = [...theirs, ...(await Promise.all(ours))].sort(([a], [b]) => (a < b ? -1 : 1))
    return pages.map(([, page]) => page).join('')
  }

  return {
    recorders: requestMetrics === 'prometheus' ? [recorder] : [],
    peerRefused: rules => {
      for (const rule of new Set(rules)) refused.inc({ rule })
    },
    clientRefused: rules => {
      for (const rule of new Set(rules)) clients.inc({ rule })
    },
    plaintextRefused: () => plaintext.inc(),
    misusedHook: () => hooks.inc(),
    misbehaved: kind => misbehaviour.inc({ kind }),
    certificate: ms => notAfter.set(ms / 1000),
    certificateFailed: () => renewals.inc(),
    collateralAsked: (source, outcome) => asked.inc({ source, outcome }),
    contentType,
    text,
  }
}
