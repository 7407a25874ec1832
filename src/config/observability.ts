// What the environment may say about metrics, request log and traces: OBSERVABILITY_CONFIG, and in its absence the
// variables of releases up to 1.18. It can switch off and, for what the policy lets be remembered, on. It never chooses a
// destination (there is none that a policy could name yet, so nothing is pushed) and never a field: a template is the
// host's program over requests, and runs only where the policy lets everything leave.

import { Fault } from '../base/errors.ts'
import type { Environment } from './env.ts'
import { Members, readEnvironmentJson } from './members.ts'
import type { Observed } from './policy-shape.ts'

export interface Observability {
  readonly requestMetrics: 'none' | 'prometheus'
  /** How the series are named: releases up to 1.18 ask in variables of their own, and their dashboards by other names. */
  readonly dialect: 'opentelemetry' | 'opencensus'
  /** Port that the configuration asks the metrics to be served on, if any. */
  readonly metricsPort: number | undefined
  readonly enableRequestLog: boolean
  readonly enableProbeRequestLog: boolean
  /** A Go template; '' is no request log. */
  readonly requestLogTemplate: string
  /** Fields that any record may hold, from the policy. */
  readonly fields: readonly Observed[]
  /** Spans go nowhere in this version. */
  readonly tracing: 'none'
  /** What was asked for and is not done, for a warning at start. */
  readonly declined: readonly string[]
}

/** pkg/queue's default template. */
export const defaultTemplate =
  '{"httpRequest": {"requestMethod": "{{.Request.Method}}", "requestUrl": "{{js .Request.RequestURI}}", ' +
  '"requestSize": "{{.Request.ContentLength}}", "status": {{.Response.Code}}, "responseSize": "{{.Response.Size}}", ' +
  '"userAgent": "{{js .Request.UserAgent}}", "remoteIp": "{{js .Request.RemoteAddr}}", ' +
  '"serverIp": "{{.Revision.PodIP}}", "referer": "{{js .Request.Referer}}", "latency": "{{.Response.Latency}}s", ' +
  '"protocol": "{{.Request.Proto}}"}, "traceId": "{{.TraceID}}"}'

/** What each field of a policy adds to the template of a confined request log. The route is a metric's label only. */
const parts: Readonly<Record<Exclude<Observed, '*'>, readonly string[]>> = {
  method: ['"requestMethod": "{{js .Request.Method}}"'],
  status: ['"status": {{.Response.Code}}'],
  route: [],
  bytes: ['"requestSize": "{{.Request.ContentLength}}"', '"responseSize": "{{.Response.Size}}"'],
  duration: ['"latency": "{{.Response.Latency}}s"'],
  traceId: [],
}

/** A request log that holds these fields and nothing else, in the form of the default one. */
export function confinedTemplate(fields: readonly Observed[]): string {
  const inner = fields.flatMap(field => (field === '*' ? [] : parts[field]))
  const trace = fields.includes('traceId') ? ', "traceId": "{{js .TraceID}}"' : ''
  return `{"httpRequest": {${inner.join(', ')}}${trace}}`
}

/**
 * Reads what the host asks for and confines it.
 * @param fields the policy's observe.allow
 * @throws Fault 'environment-invalid' in the contract's words for an unreadable configuration or an unknown protocol
 */
export function readObservability(environment: Environment, fields: readonly Observed[]): Observability {
  const config = environment.get('OBSERVABILITY_CONFIG') ?? ''
  const asked = config === '' ? fromVariables(environment) : fromConfig(config)
  const free = fields.includes('*')
  const template = free || asked.requestLogTemplate === '' ? asked.requestLogTemplate : confinedTemplate(fields)
  return { ...asked, requestLogTemplate: template, fields, tracing: 'none' }
}

type Asked = Omit<Observability, 'fields' | 'tracing'>

/** Releases up to 1.18. */
function fromVariables(environment: Environment): Asked {
  const backend = environment.get('SERVING_REQUEST_METRICS_BACKEND') ?? ''
  const known = backend === '' || backend === 'none' || backend === 'prometheus'
  const tracing = environment.get('TRACING_CONFIG_BACKEND') ?? ''
  return {
    requestMetrics: backend === 'prometheus' ? 'prometheus' : 'none',
    dialect: backend === '' ? 'opentelemetry' : 'opencensus',
    metricsPort: undefined,
    enableRequestLog: environment.boolean('SERVING_ENABLE_REQUEST_LOG', 'ServingEnableRequestLog'),
    enableProbeRequestLog: environment.boolean('SERVING_ENABLE_PROBE_REQUEST_LOG', 'ServingEnableProbeRequestLog'),
    requestLogTemplate: environment.get('SERVING_REQUEST_LOG_TEMPLATE') ?? '',
    declined: [
      ...(known ? [] : ['SERVING_REQUEST_METRICS_BACKEND']),
      ...(tracing === '' || tracing === 'none' ? [] : ['TRACING_CONFIG_BACKEND']),
    ],
  }
}

function fromConfig(text: string): Asked {
  try {
    return fromMembers(Members.of(readEnvironmentJson(text), 'observability.Config'))
  } catch (cause) {
    if (!(cause instanceof Fault) || cause.message.startsWith('Failed to setup')) throw cause
    throw new Fault('environment-invalid', `failed to parse OBSERVABILITY_CONFIG: ${cause.message}`, { cause })
  }
}

function fromMembers(config: Members): Asked {
  const metrics = config.object('requestMetrics', 'metrics.Config')
  const protocol = protocolOf(metrics, ['none', 'prometheus', 'grpc', 'http/protobuf'])
  if (protocol === undefined) throw unsupported('meter provider: error creating reader', metrics)
  const spans = config.object('tracing', 'tracing.Config')
  const tracing = protocolOf(spans, ['none', 'grpc', 'http/protobuf', 'stdout'])
  if (tracing === undefined) throw unsupported('trace provider: error creating tracer exporter', spans)
  const endpoint = metrics?.text('endpoint') ?? ''
  const prometheus = protocol === 'prometheus'
  return {
    requestMetrics: prometheus ? 'prometheus' : 'none',
    dialect: 'opentelemetry',
    metricsPort: prometheus ? endpointPort(endpoint) : undefined,
    enableRequestLog: config.flag('enableRequestLog'),
    enableProbeRequestLog: config.flag('enableProbeRequestLog'),
    requestLogTemplate: config.text('requestLogTemplate', defaultTemplate),
    declined: [
      ...(prometheus || protocol === 'none' ? [] : [`requestMetrics.protocol=${protocol}`]),
      ...(tracing === 'none' ? [] : [`tracing.protocol=${tracing}`]),
      ...(config.object('runtime', 'runtime.Config')?.text('profiling') === 'enabled' ? ['runtime.profiling'] : []),
    ],
  }
}

function protocolOf(part: Members | undefined, known: readonly string[]): string | undefined {
  const protocol = part?.text('protocol') || 'none'
  return known.includes(protocol) ? protocol : undefined
}

function unsupported(what: string, part: Members | undefined): Fault {
  const protocol = JSON.stringify(part?.text('protocol'))
  return new Fault('environment-invalid', `Failed to setup ${what}: unsupported metric exporter: ${protocol}`)
}

/** Port of `host:port`; the host is ours to choose, a listener on every address as the contract's. */
function endpointPort(endpoint: string): number | undefined {
  if (endpoint === '') return undefined
  const port = Number(/:([0-9]{1,5})$/.exec(endpoint)?.[1])
  if (port >= 1024 && port <= 65_535) return port
  throw new Fault(
    'environment-invalid',
    `requestMetrics.endpoint: want a port from 1024 to 65535, got ${JSON.stringify(endpoint)}`,
  )
}
