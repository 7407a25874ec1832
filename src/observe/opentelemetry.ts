// The series of the Go queue-proxy since OpenTelemetry (Knative 1.19): names, help, buckets and labels of knative/serving
// pkg/queue and of otelhttp, so that dashboards go on working. Different on purpose: server_address is one of our own
// names, error_type a stable code of ours, a response that broke off is counted with one, a client that left is a 499, a
// tunnel a 101, and the queue's depth is read when asked.

import type { Summary } from '../gate/contract.ts'
import type { Dialect, DialectOptions } from './dialect.ts'
import { brokeOff, hostNames, isProbe, maxWords, methodOf, methods, routeTags, type Serving } from './labels.ts'
import { type Facts, far, queueScope, type Row, rowMaker } from './opentelemetry-rows.ts'
import { gauge, type Label, Rows } from './series.ts'

const tagNames = { disabled: 'kn:disabled', byDefault: 'kn:default', undefined: 'kn:undefined' }

/** More names than there are codes of faults. */
const maxErrors = 64

export function openTelemetry(options: DialectOptions): Dialect {
  const { may, serving, inFlight } = options
  const tags = may('route') || may('*') ? routeTags(tagNames, may('*')) : undefined
  const hosts = hostNames(serving, options.hosts)
  const errors = ['']
  const errorIndex = new Map([['', 0]])
  const maker = rowMaker(options, hosts, tags, errors)
  const rows = new Rows<Facts, Row>(maker.row, maker.full)
  const probeRows = new Rows<Facts, Row>(maker.probeRow, maker.full)

  function errorOf(name: string): number {
    const known = errorIndex.get(name)
    if (known !== undefined) return known
    if (errors.length === maxErrors) return 0
    errorIndex.set(name, errors.length)
    return errors.push(name) - 1
  }

  function factsOf(summary: Summary): Facts {
    const { head, responded, forwarded, status } = summary
    return {
      status,
      far: responded ? far.responded : forwarded ? far.forwarded : far.refused,
      error: errorOf(errorName(summary)),
      method: methodOf(head),
      version: head.version === '1.1' ? 1 : head.version === '2' ? 2 : 0,
      secure: head.from.secure,
      tag: tags ? tags.of(head) : 0,
      host: hosts.of(head),
    }
  }

  function finished(summary: Summary): void {
    const probe = isProbe(summary.head)
    if (probe && !summary.forwarded) return
    const facts = factsOf(summary)
    const row = (probe ? probeRows : rows).of(facts.status, keyOf(facts), facts)
    row.invocation?.observe(summary.durationMs / 1000)
    row.duration?.observe(summary.totalMs / 1000)
    row.received?.observe(summary.bytesReceived)
    row.sent?.observe(summary.bytesSent)
    row.clientDuration?.observe((summary.responded ? summary.headMs : summary.totalMs) / 1000)
    row.clientSent?.observe(summary.bytesReceived)
  }

  const info = gauge('target_info', 'Target metadata', target(serving, options.version), () => 1)
  const depth = 'Number of current requests in the queue'
  const queue = inFlight ? [gauge('kn_serving_queue_depth', depth, queueScope, inFlight)] : []
  return { finished, pages: [...maker.pages, info, ...queue] }
}

/** A number for all facts but the status; small enough to be one of V8's small integers for most services. */
function keyOf({ far, error, method, version, secure, tag, host }: Facts): number {
  const outcome = (far * maxErrors + error) * methods.length + method
  const request = (outcome * 3 + version) * 2 + (secure ? 1 : 0)
  return (host * maxWords + tag) * (3 * maxErrors * methods.length * 6) + request
}

/** '' where the container answered and the client was told all of it, or left by its own will. */
function errorName(summary: Summary): string {
  const { end, fault, responded, forwarded } = summary
  if (responded ? !brokeOff(summary) : !forwarded) return ''
  if (fault) return fault.code
  return end === 'answered' ? 'timeout' : end
}

function target(serving: Serving, version: string): readonly Label[] {
  const labels: readonly Label[] = [
    ['container_name', 'queue-proxy'],
    ['k8s_namespace_name', serving.namespace],
    ['k8s_pod_name', serving.pod],
    ['kn_configuration_name', serving.configuration],
    ['kn_revision_name', serving.revision],
    ['kn_service_name', serving.service],
    ['service_instance_id', serving.pod],
    ['service_name', serving.service || serving.configuration],
    ['service_version', version],
    ['telemetry_sdk_language', 'nodejs'],
    ['telemetry_sdk_name', 'postern'],
    ['telemetry_sdk_version', version],
  ]
  return labels.filter(([, value]) => value !== '')
}
