// The environment in, frozen options out: the only reader of the queue-proxy's variables. Knative's keep their names and
// meanings (knative/serving pkg/queue/sharedmain/main.go, type config), ours begin with POSTERN_.
//
// In an enclave the environment is the host's word. It moves ports, sets times and lowers limits; whom to trust, what may
// leave and every floor come from the policy, and nothing read here can widen them.

import { Fault } from '../base/errors.ts'
import type { ReadinessCheck } from '../health/checks.ts'
import { Environment, type Get, goQuote, nearest } from './env.ts'
import { freeze } from './freeze.ts'
import { type LogFormat, readLogFormat } from './logging.ts'
import { type Observability, readObservability } from './observability.ts'
import type { Policy } from './policy.ts'
import { readReadiness } from './readiness.ts'
import { readTls, type TlsLimits } from './tls.ts'
import { ownVariables } from './variables.ts'

/** Who decided an effective value: the measured policy, the host, or nobody. */
export type Origin = 'policy' | 'host' | 'default'

export interface ProxyConfig {
  readonly ports: {
    readonly serving: number
    readonly tls: number
    readonly admin: number
    readonly autoscaler: number
    readonly metrics: number
    /** The container's, on 127.0.0.1. */
    readonly user: number
  }
  /** Requests in the container at once; 0 is unlimited. */
  readonly concurrency: number
  /** Milliseconds. For the last two, 0 is off; a `requestMs` of 0 expires at once, as Go's does. */
  readonly timeouts: { readonly requestMs: number; readonly responseStartMs: number; readonly idleMs: number }
  readonly fullDuplex: boolean
  /** Readiness over HTTP tries HTTP/2 first. Only towards a plaintext container. */
  readonly http2AutoDetection: boolean
  /** All must pass; an empty list is always ready. */
  readonly readiness: readonly ReadinessCheck[]
  readonly logging: LogFormat
  readonly serving: {
    readonly namespace: string
    readonly service: string
    readonly configuration: string
    readonly revision: string
    readonly pod: string
    readonly podIp: string
  }
  readonly observability: Observability
  readonly tls: TlsLimits
  readonly maxConnections: number
  /** A client connection without a request is closed after this long; 0 keeps it, as Go does. */
  readonly idleConnectionMs: number
  /** By dotted path. */
  readonly origins: Readonly<Record<string, Origin>>
  /** Effective values by dotted path, each with its origin, for one log line. Holds no secret: none is read. */
  describe(): Readonly<Record<string, string>>
}

/** Longest time that a timer takes, and more requests than a process holds: Go's int goes further than sense does. */
const mostMs = 2 ** 31 - 1
const mostRequests = 1_000_000
const hintEdits = 6

/**
 * Reads and confines the environment.
 * @param get one variable by name
 * @param policy the measured policy
 * @param names of all variables that are set, so that a misspelt POSTERN_ one is found
 * @throws Fault 'environment-invalid': one complaint a line, first the one that the Go program would exit with
 */
export function readProxyConfig(get: Get, policy: Policy, names: Iterable<string> = []): ProxyConfig {
  const environment = new Environment(get)
  const verified = policy.upstream.mode !== 'plaintext'

  // The order of reading is the order of the Go struct: it decides which complaint comes first.
  const asked = environment.integer('CONTAINER_CONCURRENCY', 'ContainerConcurrency')
  for (const name of ['QUEUE_SERVING_PORT', 'QUEUE_SERVING_TLS_PORT', 'USER_PORT']) environment.required(name)
  const timeouts = readTimeouts(environment)
  const fullDuplex = environment.boolean('ENABLE_HTTP_FULL_DUPLEX', 'EnableHTTPFullDuplex')
  const http2 = environment.boolean('ENABLE_HTTP2_AUTO_DETECTION', 'EnableHTTP2AutoDetection')
  const multiple = environment.boolean('ENABLE_MULTI_CONTAINER_PROBES', 'EnableMultiContainerProbes')
  const logging = readLogFormat(
    environment.required('SERVING_LOGGING_CONFIG'),
    environment.required('SERVING_LOGGING_LEVEL'),
  )
  const serving = readServing(environment)

  // From here on what Go finds out later, or never.
  const observability = attempt(environment, '', () => readObservability(environment, policy.observe))
  const ports = readPorts(environment, observability?.metricsPort)
  const readiness = attempt(environment, 'Queue container failed to parse readiness probe: ', () =>
    readReadiness(get('SERVING_READINESS_PROBE'), {
      multiple,
      port: ports.user,
      verified,
      probePath: policy.upstream.probePath,
    }),
  )
  const tls = readTls(environment, policy.inbound.tlsFloor)
  const maxConnections = environment.count('POSTERN_MAX_CONNECTIONS', 1, 1_000_000, 10_000)
  const idleConnectionMs = environment.count('POSTERN_IDLE_CONNECTION_SECONDS', 0, 86_400, 0) * 1000
  checkNames(environment, names)
  checkService(environment, policy)

  const { complaints } = environment
  if (complaints.length > 0 || observability === undefined || readiness === undefined) {
    throw new Fault('environment-invalid', complaints.join('\n'))
  }
  const values = {
    ports,
    concurrency: capped(asked, policy.maxConcurrency),
    timeouts,
    fullDuplex,
    http2AutoDetection: http2 && !verified,
    readiness,
    logging,
    serving,
    observability,
    tls,
    maxConnections,
    idleConnectionMs,
  }
  const rows = origins(values, policy, get)
  return freeze({
    ...values,
    origins: Object.fromEntries(rows.map(([path, , origin]) => [path, origin])),
    describe: () => Object.fromEntries(rows.map(([path, value, origin]) => [path, `${value} (${origin})`])),
  })
}

/** As much of the environment as a log needs, for telling why the rest of it cannot be used. Never throws. */
export function readLogging(
  get: Get,
): Pick<ProxyConfig, 'logging'> & { serving: Record<'namespace' | 'revision' | 'pod', string> } {
  return {
    logging: readLogFormat(get('SERVING_LOGGING_CONFIG') ?? '', get('SERVING_LOGGING_LEVEL') ?? ''),
    serving: {
      namespace: get('SERVING_NAMESPACE') ?? '',
      revision: get('SERVING_REVISION') ?? '',
      pod: get('SERVING_POD') ?? '',
    },
  }
}

/** The policy's ceiling, which the host may lower; a host's "unlimited" is the ceiling. 0 is no limit. */
function capped(asked: number, ceiling: number | undefined): number {
  const host = asked < 1 ? 0 : Math.min(asked, mostRequests)
  if (ceiling === undefined) return host
  return host === 0 ? ceiling : Math.min(host, ceiling)
}

function readTimeouts(environment: Environment): ProxyConfig['timeouts'] {
  const ms = (seconds: number): number => Math.min(Math.max(0, seconds) * 1000, mostMs)
  const start = 'REVISION_RESPONSE_START_TIMEOUT_SECONDS'
  return {
    requestMs: ms(environment.integer('REVISION_TIMEOUT_SECONDS', 'RevisionTimeoutSeconds')),
    responseStartMs: ms(environment.integer(start, 'RevisionResponseStartTimeoutSeconds', 0)),
    idleMs: ms(environment.integer('REVISION_IDLE_TIMEOUT_SECONDS', 'RevisionIdleTimeoutSeconds', 0)),
  }
}

function readServing(environment: Environment): ProxyConfig['serving'] {
  return {
    namespace: environment.required('SERVING_NAMESPACE'),
    service: environment.get('SERVING_SERVICE') ?? '',
    configuration: environment.required('SERVING_CONFIGURATION'),
    revision: environment.required('SERVING_REVISION'),
    pod: environment.required('SERVING_POD'),
    podIp: environment.required('SERVING_POD_IP'),
  }
}

const portVariables = {
  serving: 'QUEUE_SERVING_PORT',
  tls: 'QUEUE_SERVING_TLS_PORT',
  admin: 'POSTERN_ADMIN_PORT',
  autoscaler: 'POSTERN_AUTOSCALER_PORT',
  metrics: 'POSTERN_METRICS_PORT',
  user: 'USER_PORT',
} as const

/** The ports, no two of them equal: a container's port that is ours would make us our own container. */
function readPorts(environment: Environment, metricsPort: number | undefined): ProxyConfig['ports'] {
  // A missing one of the contract's was complained about when its turn came.
  const ports = {
    serving: environment.port(portVariables.serving, 0),
    tls: environment.port(portVariables.tls, 0),
    admin: environment.port(portVariables.admin, 8022),
    autoscaler: environment.port(portVariables.autoscaler, 9090),
    metrics: environment.port(portVariables.metrics, metricsPort ?? 9091),
    user: environment.port(portVariables.user, 0),
  }
  const taken = new Map<number, string>()
  for (const [name, port] of Object.entries(ports)) {
    const other = taken.get(port)
    if (other !== undefined && port > 1) environment.complain(`ports ${other} and ${name}: both are ${port}`)
    taken.set(port, name)
  }
  return ports
}

function checkNames(environment: Environment, names: Iterable<string>): void {
  for (const name of names) {
    if (!name.startsWith('POSTERN_') || ownVariables.some(known => known === name)) continue
    const { name: near, edits } = nearest(name, ownVariables)
    const hint = edits <= hintEdits ? `; did you mean ${near}?` : `; known are ${ownVariables.join(', ')}`
    environment.complain(`${/^\w+$/.test(name) ? name : goQuote(name)}: no such variable${hint}`)
  }
}

/** Consistency, not security: names of the host are never used for identity, but a mix-up should not start. */
function checkService(environment: Environment, { service }: Policy): void {
  if (service === undefined) return
  const pairs = [
    ['SERVING_NAMESPACE', service.namespace],
    ['SERVING_SERVICE', service.name],
  ] as const
  for (const [name, want] of pairs) {
    const got = environment.get(name)
    if (got === want) continue
    const found = got === undefined ? 'nothing' : goQuote(got)
    environment.complain(`${name}: the policy is for ${service.id}: want ${goQuote(want)}, got ${found}`)
  }
}

/** A reader's fault becomes one complaint among the others. */
function attempt<T>(environment: Environment, prefix: string, read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    environment.complain(prefix + error.message)
    return undefined
  }
}

type Row = readonly [path: string, value: string | number | boolean, origin: Origin]

/** Who decided what: the threat model of the environment in one table. */
function origins(values: Omit<ProxyConfig, 'origins' | 'describe'>, policy: Policy, get: Get): readonly Row[] {
  const { ports, concurrency, timeouts, readiness, logging, observability, tls } = values
  const by = (...names: readonly string[]): Origin =>
    names.some(name => (get(name) ?? '') !== '') ? 'host' : 'default'
  const verified = policy.upstream.mode !== 'plaintext'
  const probe = by('SERVING_READINESS_PROBE')
  const observed = by('OBSERVABILITY_CONFIG', 'SERVING_ENABLE_REQUEST_LOG', 'SERVING_REQUEST_METRICS_BACKEND')
  const floored = policy.inbound.tlsFloor === 'TLSv1.3'
  return [
    ...Object.entries(portVariables).map(([name, variable]): Row => {
      return [`ports.${name}`, ports[name as keyof typeof ports], by(variable)]
    }),
    ['concurrency', concurrency, concurrency === policy.maxConcurrency ? 'policy' : 'host'],
    ['timeouts.requestMs', timeouts.requestMs, 'host'],
    ['timeouts.responseStartMs', timeouts.responseStartMs, by('REVISION_RESPONSE_START_TIMEOUT_SECONDS')],
    ['timeouts.idleMs', timeouts.idleMs, by('REVISION_IDLE_TIMEOUT_SECONDS')],
    ['fullDuplex', values.fullDuplex, by('ENABLE_HTTP_FULL_DUPLEX')],
    ['http2AutoDetection', values.http2AutoDetection, verified ? 'policy' : by('ENABLE_HTTP2_AUTO_DETECTION')],
    ['readiness.checks', readiness.map(({ check }) => check.kind).join() || 'none', verified ? 'policy' : probe],
    ['readiness.timing', readiness.map(({ periodSeconds }) => `${periodSeconds}s`).join() || 'none', probe],
    ['logging.level', logging.level, by('SERVING_LOGGING_CONFIG', 'SERVING_LOGGING_LEVEL')],
    ['logging.output', logging.output, by('SERVING_LOGGING_CONFIG')],
    ['observability.requestMetrics', observability.requestMetrics, observed],
    ['observability.enableRequestLog', observability.enableRequestLog, observed],
    ['observability.enableProbeRequestLog', observability.enableProbeRequestLog, observed],
    ['observability.fields', observability.fields.join(), 'policy'],
    ['tls.minVersion', tls.minVersion, floored ? 'policy' : by('QUEUE_PROXY_TLS_MIN_VERSION')],
    ['tls.maxVersion', tls.maxVersion, by('QUEUE_PROXY_TLS_MAX_VERSION')],
    ['tls.ciphers', tls.ciphers ?? 'ours', by('QUEUE_PROXY_TLS_CIPHER_SUITES')],
    ['tls.curves', tls.curves ?? 'ours', by('QUEUE_PROXY_TLS_CURVE_PREFERENCES')],
    ['maxConnections', values.maxConnections, by('POSTERN_MAX_CONNECTIONS')],
    ['idleConnectionMs', values.idleConnectionMs, by('POSTERN_IDLE_CONNECTION_SECONDS')],
  ]
}
