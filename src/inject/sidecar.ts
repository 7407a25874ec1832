// The proxy's container for a pod that is not Knative's, with what Knative's controller would render: ports, environment,
// probe (knative/serving pkg/reconciler/revision/resources/queue.go). Image and command are the operator's; from the pod come
// names, a port, and a probe.

import type { Json, JsonObject } from '../base/json.ts'
import type { SidecarOptions } from '../config/inject-shape.ts'
import type { SidecarSettings } from './overrides.ts'
import type { Served } from './serving.ts'
import { at, objectAt, objectsAt, put, textAt } from './tree.ts'

export const containerName = 'queue-proxy'

export interface SidecarOf {
  readonly sidecar: SidecarOptions
  readonly settings: SidecarSettings
  readonly served: Served
  /** What the pod's labels call the service. */
  readonly service: string
  /** The service and its template's hash, as Knative names a revision. */
  readonly revision: string
  /** The container's probe, as `movedProbe` gives it; undefined where it has none. */
  readonly probe: JsonObject | undefined
}

/** Where there is none in the container, Knative looks whether it listens, often: no period is every 50 ms. */
const listening: JsonObject = { tcpSocket: {}, successThreshold: 1 }

/** Knative's own zap configuration (config-logging, _example). */
const logging = JSON.stringify({
  level: 'info',
  development: false,
  outputPaths: ['stdout'],
  errorOutputPaths: ['stderr'],
  encoding: 'json',
  encoderConfig: {
    timeKey: 'timestamp',
    levelKey: 'severity',
    nameKey: 'logger',
    callerKey: 'caller',
    messageKey: 'message',
    stacktraceKey: 'stacktrace',
    lineEnding: '',
    levelEncoder: '',
    timeEncoder: 'iso8601',
    durationEncoder: '',
    callerEncoder: '',
  },
})

/** Least privilege, volumes and limits are written in later, as for a container of Knative's. */
export function sidecarContainer(of: SidecarOf): JsonObject {
  const { sidecar, served, probe = listening } = of
  const { command = [] } = sidecar
  const port = servingPort(served)
  const { httpGet: _, tcpSocket: __, grpc: ___, exec: ____, ...timing } = probe
  const question = { httpGet: { port, httpHeaders: [{ name: 'K-Network-Probe', value: 'queue' }] } }
  return {
    name: containerName,
    image: sidecar.image,
    ...(sidecar.pullPolicy && { imagePullPolicy: sidecar.pullPolicy }),
    ...(command.length > 0 && { command }),
    ports: [
      { name: 'http-autometric', containerPort: 9090 },
      { name: 'http-usermetric', containerPort: 9091 },
      { name: 'queue-port', containerPort: port },
      { name: 'https-port', containerPort: 8112 },
    ],
    env: environment(of),
    resources: { requests: { cpu: sidecar.cpu } },
    readinessProbe: { ...question, ...timing },
  }
}

const servingPort = ({ h2c }: Served): number => (h2c ? 8013 : 8012)

/** None is empty: the API server leaves such a value out, and a second pass would miss it. */
function environment({ sidecar, settings, served, service, revision, probe = listening }: SidecarOf): JsonObject[] {
  const field = (fieldPath: string): JsonObject => ({ valueFrom: { fieldRef: { fieldPath } } })
  const observability = {
    requestMetrics: { protocol: sidecar.metrics ? 'prometheus' : 'none' },
    enableRequestLog: sidecar.requestLog,
  }
  const variables: Readonly<Record<string, string | JsonObject>> = {
    SERVING_NAMESPACE: field('metadata.namespace'),
    SERVING_SERVICE: service,
    SERVING_CONFIGURATION: service,
    SERVING_REVISION: revision,
    QUEUE_SERVING_PORT: String(servingPort(served)),
    QUEUE_SERVING_TLS_PORT: '8112',
    CONTAINER_CONCURRENCY: String(settings.concurrency),
    REVISION_TIMEOUT_SECONDS: String(settings.timeoutSeconds),
    REVISION_RESPONSE_START_TIMEOUT_SECONDS: '0',
    REVISION_IDLE_TIMEOUT_SECONDS: '0',
    SERVING_POD: field('metadata.name'),
    SERVING_POD_IP: field('status.podIP'),
    SERVING_LOGGING_CONFIG: logging,
    SERVING_LOGGING_LEVEL: 'info',
    USER_PORT: String(served.port),
    SERVING_READINESS_PROBE: JSON.stringify(toLoopback(probe, served.port)),
    ENABLE_HTTP2_AUTO_DETECTION: 'false',
    ENABLE_HTTP_FULL_DUPLEX: 'false',
    ENABLE_MULTI_CONTAINER_PROBES: 'false',
    OBSERVABILITY_CONFIG: JSON.stringify(observability),
  }
  return Object.entries(variables).map(([name, value]) =>
    typeof value === 'string' ? { name, value } : { name, ...value },
  )
}

/** The probe as the proxy asks it. What it has no way to ask, a command in the container, becomes a look whether it listens. */
function toLoopback(probe: JsonObject, port: number): JsonObject {
  const { exec, ...rest } = probe
  if (exec !== undefined) return { ...rest, tcpSocket: { port, host: '127.0.0.1' } }
  for (const [kind, defaults] of [
    ['httpGet', { port, host: '127.0.0.1', scheme: 'HTTP' }],
    ['tcpSocket', { port, host: '127.0.0.1' }],
  ] as const) {
    if (at(rest, kind) !== undefined) return { ...rest, [kind]: { ...defaults, ...objectAt(rest, kind) } }
  }
  return rest
}

/** Kubernetes' own, which a pod on its way through the API server has and a file on disk does not. */
const probeDefaults = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 } as const

/**
 * A container's readiness probe with its defaults, its port as a number.
 * @param reasons receives a sentence where it asks somebody else than the container
 */
export function movedProbe(container: JsonObject, reasons: string[]): JsonObject | undefined {
  if (at(container, 'readinessProbe') === undefined) return undefined
  let probe: JsonObject = { ...probeDefaults, ...objectAt(container, 'readinessProbe') }
  for (const kind of ['httpGet', 'tcpSocket'] as const) {
    const handler = objectAt(probe, kind)
    if (at(handler, 'host') !== undefined) {
      reasons.push(`${textAt(container, 'name')}: readinessProbe.${kind}.host: want none; the proxy asks the container`)
    }
    const named = at(handler, 'port')
    if (typeof named !== 'string') continue
    const number = portNamed(container, named)
    if (number === undefined)
      reasons.push(`${textAt(container, 'name')}: readinessProbe.${kind}.port: no port ${named}`)
    else probe = put(probe, kind, put(handler, 'port', number))
  }
  return probe
}

const portNamed = (container: JsonObject, name: string): Json | undefined => {
  const port = objectsAt(container, 'ports').find(each => at(each, 'name') === name)
  return port && at(port, 'containerPort')
}
