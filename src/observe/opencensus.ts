// The series of the Go queue-proxy up to Knative 1.18, whose controllers still ask for them: `revision_*`, in milliseconds
// and with the revision on every line.

import type { Summary } from '../gate/contract.ts'
import type { Dialect, DialectOptions } from './dialect.ts'
import { brokeOff, isProbe, maxWords, other, routeTags } from './labels.ts'
import { type Distribution, Family, gauge, type Label, Rows } from './series.ts'

const tagNames = { disabled: 'DISABLED', byDefault: 'DEFAULT', undefined: 'UNDEFINED' }

const milliseconds = [
  5, 10, 20, 40, 60, 80, 100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 900, 1000, 2000, 5000, 10_000,
  20_000, 50_000, 100_000,
]

interface Facts {
  readonly status: number
  readonly tag: number
  readonly admitted: boolean
}

/** undefined: nothing to observe. */
interface Row {
  readonly count: Distribution
  readonly latency: Distribution | undefined
  readonly appCount: Distribution | undefined
  readonly appLatency: Distribution | undefined
}

export function openCensus(options: DialectOptions): Dialect {
  const { may, serving, inFlight } = options
  const tags = may('route') || may('*') ? routeTags(tagNames, may('*')) : undefined
  const common: readonly Label[] = [
    ['configuration_name', serving.configuration],
    ['container_name', 'queue-proxy'],
    ['namespace_name', serving.namespace],
    ['pod_name', serving.pod],
    ['revision_name', serving.revision],
    ['service_name', serving.service],
  ]
  const took = 'The response time in millisecond'
  const routed = (to: string): string => `The number of requests that are routed to ${to}`
  const counted = (name: string, to: string): Family => new Family(name, routed(to), milliseconds, common, 'counter')
  const count = counted('revision_request_count', 'queue-proxy')
  const appCount = counted('revision_app_request_count', 'user-container')
  const timed = may('duration')
  const latency = timed ? new Family('revision_request_latencies', took, milliseconds, common) : undefined
  const appLatency = timed ? new Family('revision_app_request_latencies', took, milliseconds, common) : undefined

  // Rows of requests that were let in and of those that were not may share labels.
  const children = new Map<string, Distribution>()
  function child(family: Family, labels: readonly Label[]): Distribution {
    const key = JSON.stringify([family.name, labels])
    const found = children.get(key) ?? family.child(labels)
    children.set(key, found)
    return found
  }

  function makeRow(code: string, tag: string, admitted: boolean): Row {
    const codes: readonly Label[] = may('status')
      ? [
          ['response_code', code],
          ['response_code_class', code === other ? other : `${code[0]}xx`],
        ]
      : []
    const labels: readonly Label[] = tags ? [...codes, ['route_tag', tag]] : codes
    return {
      count: child(count, labels),
      latency: latency && child(latency, labels),
      appCount: admitted ? child(appCount, codes) : undefined,
      appLatency: admitted && appLatency ? child(appLatency, codes) : undefined,
    }
  }

  const rows = new Rows<Facts, Row>(
    ({ status, tag, admitted }) => makeRow(String(status), tags?.words[tag] ?? '', admitted),
    () => makeRow(other, other, true),
  )

  function finished(summary: Summary): void {
    const { head, admitted } = summary
    if (isProbe(head)) return
    const status = brokeOff(summary) || summary.status === 0 ? 500 : summary.status
    const tag = tags ? tags.of(head) : 0
    const row = rows.of(status, admitted ? tag : tag + maxWords, { status, tag, admitted })
    row.count.observe(summary.totalMs)
    row.latency?.observe(summary.totalMs)
    row.appCount?.observe(summary.durationMs)
    row.appLatency?.observe(summary.durationMs)
  }

  const pages = [count, latency, appCount, appLatency].filter(each => each !== undefined)
  const depth = 'The number of items queued at this queue proxy.'
  const queue = inFlight ? [gauge('revision_queue_depth', depth, common, inFlight)] : []
  return { finished, pages: [...pages, ...queue] }
}
