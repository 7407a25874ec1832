import t from 'tap'
import type { JsonObject } from '../../src/base/json.ts'
import type { SidecarOptions } from '../../src/config/inject-shape.ts'
import { movedProbe, sidecarContainer } from '../../src/inject/sidecar.ts'
import { options, renderedMissing, renderedScenario, sidecar, type Tree } from '../support/pods.ts'

const offered = (changes: object = {}): SidecarOptions =>
  options({ sidecar: { ...sidecar, ...changes } }).sidecar as never

interface Changes {
  readonly h2c?: boolean
  readonly port?: number
  readonly probe?: JsonObject | undefined
  readonly offered?: object
  readonly concurrency?: number
}

function rendered({ h2c = false, port = 8080, probe, offered: changes, concurrency = 0 }: Changes = {}): Tree {
  return sidecarContainer({
    sidecar: offered(changes),
    settings: { port: undefined, concurrency, timeoutSeconds: 300 },
    served: { container: 'user-container', port, h2c },
    service: 'hello',
    revision: 'hello-00001',
    probe,
  })
}

const values = (container: Tree): Tree =>
  Object.fromEntries(
    container.env.map(({ name, value, valueFrom }: Tree) => [name, value ?? valueFrom.fieldRef.fieldPath]),
  )

const httpProbe: JsonObject = {
  httpGet: { path: '/healthz', port: 8080, httpHeaders: [{ name: 'X-Custom', value: 'y' }] },
  ...{ timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 },
}

/** What the controller was given in each scenario. */
const scenarios: [scenario: string, changes: Changes][] = [
  ['cc0-tcp-default', {}],
  ['cc10-http', { probe: httpProbe, concurrency: 10 }],
  [
    'grpc-h2c',
    {
      ...{ h2c: true, port: 50051 },
      probe: { grpc: { port: 50051, service: 'svc' }, timeoutSeconds: 1, periodSeconds: 5, successThreshold: 1 },
    },
  ],
  ['exec', { probe: { exec: { command: ['ls'] }, timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1 } }],
]

/** The controller gives these too; nobody reads the first two, and the others are empty there. */
const leftOut = [
  'HOST_IP',
  'SYSTEM_NAMESPACE',
  'ROOT_CA',
  ...['CIPHER_SUITES', 'CURVE_PREFERENCES', 'MAX_VERSION', 'MIN_VERSION'].map(name => `QUEUE_PROXY_TLS_${name}`),
]
/** From the operator's options, or from the pod by another way. */
const otherwise = [
  'OBSERVABILITY_CONFIG',
  'SERVING_NAMESPACE',
  'SERVING_POD',
  'SERVING_POD_IP',
  'SERVING_READINESS_PROBE',
]

for (const [scenario, changes] of scenarios) {
  t.test(`${scenario}: as Knative's controller renders it`, { skip: renderedMissing }, async t => {
    const { env, container } = renderedScenario(scenario)
    const ours = rendered(changes)
    const found = values(ours)
    t.same(
      Object.keys(found).sort(),
      Object.keys(env)
        .filter(name => !leftOut.includes(name))
        .sort(),
    )
    for (const name of Object.keys(found)) if (!otherwise.includes(name)) t.equal(found[name], env[name], name)
    t.same(JSON.parse(found.SERVING_READINESS_PROBE), JSON.parse(env.SERVING_READINESS_PROBE))
    t.same(ours.ports, container.ports)
    t.equal(ours.name, container.name)
    const { timeoutSeconds: _, ...timing } = ours.readinessProbe
    const { timeoutSeconds: __, ...wanted } = container.readinessProbe
    t.same(timing, wanted)
  })
}

t.test('what only the pod knows comes from the pod', async t => {
  t.match(values(rendered()), {
    SERVING_NAMESPACE: 'metadata.namespace',
    SERVING_POD: 'metadata.name',
    SERVING_POD_IP: 'status.podIP',
  })
})

t.test("image, command and records are the operator's", async t => {
  for (const offered of [{}, { command: [] }]) {
    const { command, imagePullPolicy } = rendered({ offered })
    t.strictSame([command, imagePullPolicy], [undefined, undefined])
  }
  const own = rendered({
    offered: { command: ['/usr/bin/node'], pullPolicy: 'Always', cpu: '1', metrics: false, requestLog: true },
  })
  t.match(own, {
    image: sidecar.image,
    command: ['/usr/bin/node'],
    imagePullPolicy: 'Always',
    resources: { requests: { cpu: '1' } },
  })
  t.same(JSON.parse(values(own).OBSERVABILITY_CONFIG), { requestMetrics: { protocol: 'none' }, enableRequestLog: true })
})

const container = (readinessProbe: object): JsonObject => ({
  ...{ name: 'a', ports: [{ name: 'web', containerPort: 8080 }] },
  readinessProbe: readinessProbe as JsonObject,
})

t.test("a probe moves with Kubernetes' defaults and its port as a number", async t => {
  const reasons: string[] = []
  const defaults = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 }
  t.equal(movedProbe({ name: 'a' }, reasons), undefined)
  t.same(movedProbe(container({ tcpSocket: { port: 'web' } }), reasons), { ...defaults, tcpSocket: { port: 8080 } })
  t.same(movedProbe(container({ httpGet: { path: '/a', port: 81 }, periodSeconds: 2 }), reasons), {
    ...{ ...defaults, periodSeconds: 2 },
    httpGet: { path: '/a', port: 81 },
  })
  t.same(reasons, [])
})

t.test('a probe of somebody else, or of a port that is not there, is refused', async t => {
  const reasons: string[] = []
  movedProbe(container({ httpGet: { port: 80, host: '10.0.0.1' } }), reasons)
  movedProbe(container({ tcpSocket: { port: 'http' } }), reasons)
  t.match(reasons, [
    /^a: readinessProbe\.httpGet\.host: want none/,
    /^a: readinessProbe\.tcpSocket\.port: no port http$/,
  ])
})
