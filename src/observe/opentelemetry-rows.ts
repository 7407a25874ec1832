// Rows of the OpenTelemetry series: which children a request counts in, by everything that tells one request from
// another, and the labels they carry. Nothing here runs twice for the same facts.

import type { DialectOptions } from './dialect.ts'
import { methods, versions, type Words } from './labels.ts'
import { type Distribution, Family, type Label, type Page } from './series.ts'

const seconds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
/** OpenTelemetry's own, which otelhttp does not change for sizes. */
const bytes = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000]

const scope = (name: string): readonly Label[] => [
  ['otel_scope_name', name],
  ['otel_scope_schema_url', ''],
  ['otel_scope_version', ''],
]
export const queueScope = scope('knative.dev/serving/pkg/queue')
const httpScope = scope('go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp')
const overflow: readonly Label[] = [['otel_metric_overflow', 'true']]

/** How far a request came. */
export const far = { refused: 0, forwarded: 1, responded: 2 } as const
type Far = (typeof far)[keyof typeof far]

/** Everything that tells one row from another. */
export interface Facts {
  readonly status: number
  readonly far: Far
  readonly error: number
  readonly method: number
  readonly version: number
  readonly secure: boolean
  readonly tag: number
  readonly host: number
}

/** The children of one set of facts; undefined: nothing to observe. */
export interface Row {
  readonly invocation: Distribution | undefined
  readonly duration: Distribution | undefined
  readonly received: Distribution | undefined
  readonly sent: Distribution | undefined
  readonly clientDuration: Distribution | undefined
  readonly clientSent: Distribution | undefined
}

export interface RowMaker {
  readonly pages: readonly Page[]
  readonly row: (facts: Facts) => Row
  /** A probe that passes to the container is seen only where we are its client. */
  readonly probeRow: (facts: Facts) => Row
  /** Stands for all beyond the limit. */
  readonly full: () => Row
}

/** @param tags undefined where no route may be told */
export function rowMaker(
  { may, upstream }: DialectOptions,
  hosts: Words,
  tags: Words | undefined,
  errors: readonly string[],
): RowMaker {
  const family = (on: boolean, ...rest: ConstructorParameters<typeof Family>) => (on ? new Family(...rest) : undefined)
  const { invocation, duration, received, sent, clientDuration, clientSent } = {
    invocation: family(
      may('duration'),
      'kn_serving_invocation_duration_seconds',
      'The duration of task execution',
      seconds,
      queueScope,
    ),
    duration: family(
      may('duration'),
      'http_server_request_duration_seconds',
      'Duration of HTTP server requests.',
      seconds,
      httpScope,
    ),
    received: family(
      may('bytes'),
      'http_server_request_body_size_bytes',
      'Size of HTTP server request bodies.',
      bytes,
      httpScope,
    ),
    sent: family(
      may('bytes'),
      'http_server_response_body_size_bytes',
      'Size of HTTP server response bodies.',
      bytes,
      httpScope,
    ),
    clientDuration: family(
      may('duration'),
      'http_client_request_duration_seconds',
      'Duration of HTTP client requests.',
      seconds,
      httpScope,
    ),
    clientSent: family(
      may('bytes'),
      'http_client_request_body_size_bytes',
      'Size of HTTP client request bodies.',
      bytes,
      httpScope,
    ),
  }

  /** Labels of the policy's fields, in no order. */
  function labelled(facts: Facts, status: number, error: string, tagged: boolean): Label[] {
    const labels: Label[] = [['network_protocol_name', 'http']]
    if (may('method')) labels.push(['http_request_method', methods[facts.method] ?? '_OTHER'])
    if (may('status') && status > 0) labels.push(['http_response_status_code', String(status)])
    if (error !== '') labels.push(['error_type', error])
    if (tagged && tags) labels.push(['kn_route_tag', tags.words[facts.tag] ?? ''])
    return labels
  }

  function clientLabels(facts: Facts, tagged: boolean): Label[] {
    const answered = facts.far === far.responded
    return [
      ...labelled(facts, answered ? facts.status : 0, answered ? '' : (errors[facts.error] ?? ''), tagged),
      ['network_protocol_version', facts.version === 2 ? '2.0' : '1.1'],
      ['server_address', '127.0.0.1'],
      ['server_port', String(upstream.port)],
      ['url_scheme', upstream.secure ? 'https' : 'http'],
    ]
  }

  function serverLabels(facts: Facts): Label[] {
    const version = versions[facts.version] ?? ''
    return [
      ...labelled(facts, facts.status, facts.far === far.responded ? (errors[facts.error] ?? '') : '', true),
      ['network_protocol_version', version === '2' ? '2.0' : version],
      ['server_address', hosts.words[facts.host] ?? ''],
      ['url_scheme', facts.secure ? 'https' : 'http'],
    ]
  }

  // Rows of different facts may share labels: a family has one child for each set of them.
  const children = new Map<Family, Map<string, Distribution>>()
  function child(of: Family | undefined, labels: readonly Label[]): Distribution | undefined {
    if (!of) return undefined
    let known = children.get(of)
    if (!known) {
      known = new Map()
      children.set(of, known)
    }
    const key = JSON.stringify(labels)
    const found = known.get(key) ?? of.child(labels)
    known.set(key, found)
    return found
  }

  function row(facts: Facts): Row {
    const forwarded = facts.far !== far.refused
    // As the contract has it, a response that broke off is a 500 of the container, whatever its head said.
    const broken = (facts.far === far.responded && facts.error > 0) || facts.status === 0
    const outcome = broken ? 500 : facts.status
    const status: Label[] = may('status') ? [['http_response_status_code', String(outcome)]] : []
    const server = serverLabels(facts)
    const client = clientLabels(facts, true)
    return {
      invocation: forwarded ? child(invocation, status) : undefined,
      duration: child(duration, server),
      received: child(received, server),
      sent: child(sent, server),
      clientDuration: forwarded ? child(clientDuration, client) : undefined,
      clientSent: forwarded ? child(clientSent, client) : undefined,
    }
  }

  function probeRow(facts: Facts): Row {
    const client = clientLabels(facts, false)
    const none = { invocation: undefined, duration: undefined, received: undefined, sent: undefined }
    return { ...none, clientDuration: child(clientDuration, client), clientSent: child(clientSent, client) }
  }

  const full = (): Row => ({
    invocation: child(invocation, overflow),
    duration: child(duration, overflow),
    received: child(received, overflow),
    sent: child(sent, overflow),
    clientDuration: child(clientDuration, overflow),
    clientSent: child(clientSent, overflow),
  })

  const pages = [invocation, duration, received, sent, clientDuration, clientSent].filter(each => each !== undefined)
  return { pages, row, probeRow, full }
}
