// Pods that are not Knative's, through the whole injector: what they get, what is theirs, what is refused.

import t from 'tap'
import { type JsonObject, readJson } from '../../src/base/json.ts'
import { inject } from '../../src/inject/mutate.ts'
import {
  apply,
  askingPod,
  everyPlatform,
  options,
  pod,
  proxyOf,
  restricted,
  sidecar,
  type Tree,
} from '../support/pods.ts'

const offering = (changes: object = {}, sidecarChanges: object = {}) =>
  options({ sidecar: { ...sidecar, ...sidecarChanges }, ...changes })

function patched(given: JsonObject, to = offering()): { patch: Tree[]; pod: Tree } {
  const result = inject(given, to)
  if (result.outcome !== 'patched') throw new Error(`${result.outcome}: ${JSON.stringify(result)}`)
  return { patch: result.patch as Tree[], pod: result.pod as Tree }
}

function reasons(given: JsonObject, to = offering()): string {
  const result = inject(given, to)
  return result.outcome === 'denied' ? result.reasons.join('\n') : result.outcome
}

/** What the API server writes into a pod that a webhook has changed, before it calls webhooks again. */
function defaulted(tree: Tree): JsonObject {
  const wanted: Tree = JSON.parse(JSON.stringify(tree))
  for (const container of wanted.spec.containers) {
    container.terminationMessagePath = '/dev/termination-log'
    container.imagePullPolicy ??= 'IfNotPresent'
    for (const each of container.env ?? []) {
      if (each.valueFrom?.fieldRef) each.valueFrom.fieldRef.apiVersion = 'v1'
      // As Go writes it: omitempty.
      if (each.value === '') delete each.value
    }
    for (const port of container.ports ?? []) port.protocol = 'TCP'
    container.volumeMounts = [
      ...(container.volumeMounts ?? []),
      { name: 'kube-api-access-x', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
    ]
  }
  for (const volume of wanted.spec.volumes ?? []) {
    for (const source of [volume.secret, volume.configMap, volume.downwardAPI]) if (source) source.defaultMode = 420
    for (const item of volume.downwardAPI?.items ?? []) item.fieldRef.apiVersion = 'v1'
  }
  return readJson(JSON.stringify(wanted)) as JsonObject
}

const whole = { policy: { configMap: 'p' }, supplementalGroups: [121] }
const none = ['none', options({ platform: 'none', aesm: null })] as const
for (const [platform, { nri, aesm }] of [...everyPlatform, none]) {
  t.test(`${platform}: the proxy is added, once, restricted but for the socket`, async t => {
    const to = offering({ platform, aesm, ...(nri && { nri }), ...whole }, { certificates: 'serving-certs' })
    const given = askingPod({
      annotations: { 'postern.dev/policy': 'eyJ' },
      app: { readinessProbe: { httpGet: { port: 'web' } } },
    })
    const before = JSON.stringify(given)
    const { patch, pod: wanted } = patched(given, to)
    t.equal(JSON.stringify(given), before, 'what was given is not changed')
    t.same(apply(given, patch), wanted, 'the patch makes what was wanted')
    t.same(
      patch.filter(({ op }) => op === 'remove').map(({ path }) => path),
      ['/spec/containers/0/readinessProbe'],
    )
    for (const again of [wanted, defaulted(wanted)]) {
      t.equal(inject(readJson(JSON.stringify(again)) as JsonObject, to).outcome, 'unchanged')
    }
    const broken = restricted.filter(([, find]) => find(wanted, proxyOf(wanted)).length > 0).map(([control]) => control)
    t.same(broken, platform === 'nri' || platform === 'none' ? [] : ['HostPath Volumes', 'Volume Types'])
    t.match(
      proxyOf(wanted)
        .volumeMounts.map(({ mountPath }: Tree) => mountPath)
        .sort(),
      /\/etc\/podinfo.*\/etc\/postern.*knative\/certs/,
    )
  })
}

t.test("around the container: its probe moves, its end waits, the grace period is a request's", async t => {
  const probe = { httpGet: { path: '/ready', port: 'web', scheme: 'HTTPS' } }
  const { spec } = patched(askingPod({ app: { readinessProbe: probe, livenessProbe: probe } })).pod
  t.equal(spec.containers[0].readinessProbe, undefined)
  t.same(spec.containers[0].livenessProbe, probe, 'what the kubelet alone asks stays')
  t.same(spec.containers[0].lifecycle.preStop, { httpGet: { path: '/wait-for-drain', port: 8022 } })
  t.equal(spec.terminationGracePeriodSeconds, 300)
  const [, variable] = spec.containers[1].env
    .map(({ name, value }: Tree) => [name, value])
    .find(([name]: Tree) => name === 'SERVING_READINESS_PROBE')
  t.match(JSON.parse(variable), { httpGet: { path: '/ready', port: 8443, host: '127.0.0.1', scheme: 'HTTPS' } })
})

t.test(
  'what the pod says better stays: a hook, a longer grace period, a probe that only the kubelet can run',
  async t => {
    const app = { lifecycle: { preStop: { exec: { command: ['a'] } } }, readinessProbe: { exec: { command: ['b'] } } }
    const { spec } = patched(askingPod({ app, spec: { terminationGracePeriodSeconds: 900 } })).pod
    t.match(spec, { terminationGracePeriodSeconds: 900, containers: [app] })
  },
)

t.test("a grace period that a file leaves out is Kubernetes' 30 seconds, and nothing makes it less", async t => {
  const annotations = { 'postern.dev/timeout-seconds': '5' }
  const { spec } = patched(askingPod({ annotations, spec: { terminationGracePeriodSeconds: undefined } })).pod
  t.equal(spec.terminationGracePeriodSeconds, 30)
})

const variable = (tree: Tree, name: string): string => proxyOf(tree).env.find((each: Tree) => each.name === name).value

t.test('names are those of the labels, the revision is the template', async t => {
  const names = (labels: object) => {
    const { pod: wanted } = patched(askingPod({ labels }))
    return ['SERVING_SERVICE', 'SERVING_CONFIGURATION', 'SERVING_REVISION'].map(name => variable(wanted, name))
  }
  t.same(names({}), ['cart', 'cart', 'cart-5f7c9'])
  t.same(names({ 'app.kubernetes.io/name': undefined, app: 'old' }), ['old', 'old', 'old-5f7c9'])
  t.same(names({ 'pod-template-hash': undefined }), ['cart', 'cart', 'cart'])
})

t.test('what was injected into a file is what the pod of it keeps', async t => {
  const file: Tree = patched(askingPod({ labels: { 'pod-template-hash': undefined } })).pod
  file.metadata.labels['pod-template-hash'] = '5f7c9'
  t.equal(inject(readJson(JSON.stringify(file)) as JsonObject, offering()).outcome, 'unchanged')
})

const meshed: [name: string, given: JsonObject][] = [
  ['whose port is declared', askingPod()],
  ['whose port is not', askingPod({ app: { ports: [] }, annotations: { 'postern.dev/port': '9000' } })],
]
for (const [name, given] of meshed) {
  t.test(`a container that a mesh adds, before or behind one ${name}, changes nothing`, async t => {
    const probe = { httpGet: { port: 15021, host: '127.0.0.6' } }
    const mesh = {
      name: 'istio-proxy',
      ports: [{ name: 'http-envoy-prom', containerPort: 15090 }],
      readinessProbe: probe,
    }
    for (const add of ['push', 'unshift'] as const) {
      const tree: Tree = JSON.parse(JSON.stringify(patched(given).pod))
      tree.spec.containers[add](mesh)
      t.equal(reasons(readJson(JSON.stringify(tree)) as JsonObject), 'unchanged', add)
    }
  })
}

t.test('annotations move it within the bounds of the operator', async t => {
  const annotations = {
    'postern.dev/port': '9000',
    'postern.dev/concurrency': '7',
    'postern.dev/timeout-seconds': '60',
  }
  const { pod: wanted } = patched(askingPod({ annotations: { ...annotations, 'postern.dev/epc': '1Gi' } }))
  t.same(
    ['USER_PORT', 'CONTAINER_CONCURRENCY', 'REVISION_TIMEOUT_SECONDS'].map(name => variable(wanted, name)),
    ['9000', '7', '60'],
  )
  t.equal(proxyOf(wanted).resources.limits['sgx.intel.com/epc'], '1Gi')
  const limited = offering({}, { concurrency: { least: 1, default: 10, most: 50 } })
  t.match(
    reasons(askingPod({ annotations: { 'postern.dev/concurrency': '0' } }), limited),
    /concurrency: want a number from 1 to 50, .* got "0"/,
  )
  t.match(
    reasons(askingPod({ annotations: { 'postern.dev/timeout-seconds': '1e3' } })),
    /timeout-seconds: want a number from 1 to 600/,
  )
  t.match(
    reasons(pod({ annotations: { 'postern.dev/concurrency': '7' } })),
    /concurrency: not known/,
    'of a revision Knative says it',
  )
})

t.test('not asked, asked in other words, or opted out: skipped', async t => {
  for (const value of [undefined, 'false', 'yes']) {
    t.equal(inject(askingPod({ labels: { 'postern.dev/inject': value } }), offering()).outcome, 'skipped')
  }
  t.equal(inject(askingPod({ annotations: { 'postern.dev/inject': 'false' } }), offering()).outcome, 'skipped')
})

t.test("a pod of Knative's that asks by label too has its proxy from Knative", async t => {
  const labels = { 'serving.knative.dev/revision': 'a', 'postern.dev/inject': 'true' }
  const { pod: wanted } = patched(pod({ labels }))
  t.equal(wanted.spec.containers.length, 2)
  t.equal(proxyOf(wanted).env, undefined)
  t.equal(inject(askingPod({ labels }), offering()).outcome, 'skipped', 'or has none')
})

const refused: [name: string, given: JsonObject, reason: RegExp][] = [
  [
    'two ports and none named',
    askingPod({ app: { ports: [{ containerPort: 1 }, { containerPort: 2 }] } }),
    /annotation postern\.dev\/port: want name or number/,
  ],
  ["the node's network", askingPod({ spec: { hostNetwork: true } }), /^hostNetwork: want none/],
  ['a job', askingPod({ spec: { restartPolicy: 'OnFailure' } }), /^restartPolicy: want Always/],
  [
    'no name',
    askingPod({ labels: { 'app.kubernetes.io/name': undefined } }),
    /^labels: want app\.kubernetes\.io\/name or app/,
  ],
  ["the proxy's port", askingPod({ app: { ports: [{ containerPort: 9090 }] } }), /^cart: port 9090: the proxy's/],
  ['root for all containers', askingPod({ spec: { securityContext: { runAsUser: 0 } } }), /securityContext\.runAsUser/],
  [
    'an init container of our name',
    askingPod({ spec: { initContainers: [{ name: 'queue-proxy' }] } }),
    /^init container queue-proxy/,
  ],
  [
    'a volume of our name',
    askingPod({ spec: { volumes: [{ name: 'postern-aesm', emptyDir: {} }] } }),
    /volume postern-aesm/,
  ],
  [
    'a probe elsewhere',
    askingPod({ app: { readinessProbe: { tcpSocket: { port: 1, host: 'b' } } } }),
    /readinessProbe\.tcpSocket\.host/,
  ],
]
for (const [name, given, reason] of refused) {
  t.test(`denied: ${name}`, async t => t.match(reasons(given), reason))
}

t.test('denied, every reason at once', async t => {
  const given = askingPod({
    labels: { 'app.kubernetes.io/name': undefined },
    spec: { hostNetwork: true, restartPolicy: 'Never' },
  })
  t.equal(reasons(given).split('\n').length, 3)
})

t.test('denied where the operator offers none: whoever asks for a proxy does not run without', async t => {
  t.match(reasons(askingPod(), options()), /the operator offers no proxy .*"sidecar" in the injector's options/)
})

/** A pod whose author wrote the proxy himself, or changed it. */
function written(change: (container: Tree) => void): JsonObject {
  const { pod: wanted } = patched(askingPod(), offering(whole))
  const tree = JSON.parse(JSON.stringify(wanted))
  change(proxyOf(tree))
  return readJson(JSON.stringify(tree)) as JsonObject
}

const foreign: [name: string, change: (container: Tree) => void, reason: RegExp][] = [
  [
    'another image',
    container => Object.assign(container, { image: 'mine' }),
    /^queue-proxy: image: not as the operator has it/,
  ],
  ['a command', container => Object.assign(container, { command: ['sh'] }), /^queue-proxy: command:/],
  ['arguments', container => Object.assign(container, { args: ['--policy', 'compatible'] }), /^queue-proxy: args:/],
  ['variables from elsewhere', container => Object.assign(container, { envFrom: [] }), /^queue-proxy: envFrom:/],
  [
    'a variable more',
    container => container.env.push({ name: 'NODE_OPTIONS', value: '--inspect' }),
    /^queue-proxy: NODE_OPTIONS:/,
  ],
  [
    'a variable twice',
    container => container.env.push({ name: 'CONTAINER_CONCURRENCY', value: '1' }),
    /^queue-proxy: CONTAINER_CONCURRENCY:/,
  ],
  ...[
    ...['/etc/postern/policy.jws', '/etc/postern/', '/app', '/', '/var/run/aesmd/..'],
    ...['/var/run/secrets/../../usr', '/var/run/secrets'],
  ].map((mountPath): [string, (container: Tree) => void, RegExp] => [
    `files at ${mountPath}`,
    container => container.volumeMounts.push({ name: 'mine', mountPath }),
    new RegExp(`^queue-proxy: volumeMounts ${mountPath}: not as the operator has it`),
  ]),
  ['a hook', container => Object.assign(container, { lifecycle: { postStart: {} } }), /^queue-proxy: lifecycle:/],
  ['a probe', container => Object.assign(container, { livenessProbe: { exec: {} } }), /^queue-proxy: livenessProbe:/],
  ['a folder', container => Object.assign(container, { workingDir: '/tmp' }), /^queue-proxy: workingDir:/],
  ['no environment', container => container.env.splice(5), /queue-proxy: CONTAINER_CONCURRENCY:/],
  ['privilege', container => Object.assign(container.securityContext, { privileged: true }), /privileged/],
]
for (const [name, change, reason] of foreign) {
  t.test(`denied: a proxy of the pod's own, ${name}`, async t =>
    t.match(reasons(written(change), offering(whole)), reason),
  )
}
