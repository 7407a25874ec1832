import t, { type Test } from 'tap'
import { type JsonObject, readJson } from '../../src/base/json.ts'
import type { InjectOptions } from '../../src/config/inject-shape.ts'
import { type Injection, inject } from '../../src/inject/mutate.ts'
import {
  apply,
  askingPod,
  everyPlatform,
  options,
  pod,
  proxyOf,
  renderedMissing,
  renderedPods,
  restricted,
  sgxDevice,
  sidecar,
  type Tree,
} from '../support/pods.ts'

function patched(given: JsonObject, to: InjectOptions): { patch: Tree[]; pod: Tree } {
  const result = inject(given, to)
  if (result.outcome !== 'patched') throw new Error(`${result.outcome}: ${JSON.stringify(result)}`)
  return { patch: result.patch as Tree[], pod: result.pod as Tree }
}

const reasonsOf = (result: Injection): readonly string[] => (result.outcome === 'denied' ? result.reasons : [])

/** What is true of every pod that was patched. */
function sound(t: Test, given: JsonObject, to: InjectOptions): void {
  const before = JSON.stringify(given)
  const { patch, pod: wanted } = patched(given, to)
  t.equal(JSON.stringify(given), before, 'what was given is not changed')
  const applied = apply(given, patch)
  t.same(applied, wanted, 'the patch makes what was wanted')
  t.equal(
    inject(readJson(JSON.stringify(applied)) as JsonObject, to).outcome,
    'unchanged',
    'a second pass changes nothing',
  )
  t.ok(
    patch.every(({ op }) => op === 'add' || op === 'replace'),
    'nothing is removed',
  )
  const others = (tree: Tree) => tree.spec.containers.filter((each: Tree) => each.name !== 'queue-proxy')
  t.same(others(applied), others(given), 'no other container is touched')
  t.same(
    { ...proxyOf(applied), resources: 0, volumeMounts: 0, securityContext: 0 },
    { ...proxyOf(given), resources: 0, volumeMounts: 0, securityContext: 0 },
  )
}

/** Where a patched pod leaves the restricted profile, and why it has to. */
const exceptions: Record<string, Record<string, string[]>> = {
  // The socket of AESM lies on the host, and Kubernetes knows no other way to it.
  intel: { 'HostPath Volumes': ['postern-aesm'], 'Volume Types': ['postern-aesm'] },
  aks: { 'HostPath Volumes': ['postern-aesm'], 'Volume Types': ['postern-aesm'] },
  'aks-legacy': { 'HostPath Volumes': ['postern-aesm'], 'Volume Types': ['postern-aesm'] },
  // The runtime mounts it, by an annotation.
  nri: {},
}

const everyPod = (): (readonly [string, JsonObject])[] => [
  ['our own', pod()],
  ['without any security context', pod({ proxy: { securityContext: undefined } })],
  ...(renderedMissing ? [] : renderedPods()),
]

for (const [platform, to] of everyPlatform) {
  for (const [name, given] of everyPod()) {
    t.test(`${platform}, ${name}: minimal, idempotent, and restricted but for the listed`, async t => {
      sound(t, given, to)
      const { pod: wanted } = patched(given, to)
      const broken = restricted.map(([control, find]) => [control, find(wanted, proxyOf(wanted))] as const)
      t.same(Object.fromEntries(broken.filter(([, found]) => found.length > 0)), exceptions[platform])
    })
  }
}

t.test("the controller's own pods", { skip: renderedMissing }, async t => t.equal(renderedPods().length, 8))

t.test('the profile finds what breaks it', async t => {
  const bad: Tree = pod({
    proxy: {
      securityContext: {
        privileged: true,
        capabilities: { add: ['SYS_ADMIN'] },
        procMount: 'Unmasked',
        runAsUser: 0,
        seLinuxOptions: {},
        appArmorProfile: { type: 'Unconfined' },
        windowsOptions: { hostProcess: true },
      },
      ports: [{ hostPort: 1 }],
    },
    spec: { hostPID: true, volumes: [{ name: 'a', hostPath: {} }], securityContext: { sysctls: [{}] } },
  })
  t.same(
    restricted.filter(([, find]) => find(bad, proxyOf(bad)).length === 0).map(([control]) => control),
    [],
  )
})

t.test('the patch, whole', async t => {
  const to = options({
    supplementalGroups: [121],
    policy: { configMap: 'postern-policy' },
    mounts: [{ configMap: 'collateral', path: '/var/lib/postern/collateral' }],
  })
  t.same(patched(pod(), to).patch, [
    {
      op: 'add',
      path: '/spec/containers/1/resources/limits',
      value: { 'sgx.intel.com/enclave': '1', 'sgx.intel.com/epc': '256Mi', memory: '512Mi' },
    },
    {
      op: 'add',
      path: '/spec/containers/1/volumeMounts',
      value: [
        { name: 'postern-aesm', readOnly: true, mountPath: '/var/run/aesmd' },
        { name: 'postern-policy', readOnly: true, mountPath: '/etc/postern' },
        { name: 'postern-mount-0', readOnly: true, mountPath: '/var/lib/postern/collateral' },
      ],
    },
    {
      op: 'add',
      path: '/spec/volumes',
      value: [
        { name: 'postern-aesm', hostPath: { path: '/var/run/aesmd', type: 'Directory' } },
        { name: 'postern-policy', configMap: { name: 'postern-policy' } },
        { name: 'postern-mount-0', configMap: { name: 'collateral' } },
      ],
    },
    { op: 'add', path: '/spec/securityContext', value: { supplementalGroups: [121] } },
  ])
})

const limits: [name: string, resources: object, limits: object][] = [
  ['less memory than needed is raised', { limits: { memory: '64Mi', cpu: '1' } }, { memory: '512Mi', cpu: '1' }],
  ['more memory stays, as it was written', { limits: { memory: '1e9' } }, { memory: '1e9' }],
  ['a number is a quantity', { limits: { memory: 1e9 } }, { memory: 1e9 }],
  [
    'the limit is no less than the request',
    { limits: { memory: '800Mi' }, requests: { memory: '1Gi' } },
    { memory: '1Gi' },
  ],
  ['other enclave memory is set right', { limits: { 'sgx.intel.com/epc': '1Gi' } }, { 'sgx.intel.com/epc': '256Mi' }],
  [
    'the same in other words stays',
    { limits: { 'sgx.intel.com/epc': '262144Ki' } },
    { 'sgx.intel.com/epc': '262144Ki' },
  ],
]
for (const [name, resources, wanted] of limits) {
  t.test(`limits: ${name}`, async t => {
    t.match(proxyOf(patched(pod({ proxy: { resources } }), options()).pod).resources.limits, wanted)
  })
}

t.test('a request of enclave memory is kept equal to its limit', async t => {
  const resources = { limits: { 'sgx.intel.com/epc': '1Gi' }, requests: { 'sgx.intel.com/epc': '1Gi' } }
  const { resources: found } = proxyOf(patched(pod({ proxy: { resources } }), options()).pod)
  t.equal(found.requests['sgx.intel.com/epc'], '256Mi')
})

t.test('not ours, or not wanted: skipped', async t => {
  const others: [string, JsonObject][] = [
    ['no revision', pod({ labels: { app: 'a' } })],
    ['no queue-proxy', pod({ spec: { containers: [{ name: 'a' }] } })],
    ['no labels', readJson('{"metadata":{},"spec":{}}') as JsonObject],
    [
      'opted out',
      pod({ annotations: { 'postern.dev/inject': 'false' }, proxy: { securityContext: { privileged: true } } }),
    ],
  ]
  for (const [name, given] of others) t.equal(inject(given, options()).outcome, 'skipped', name)
})

t.test('denied, with every reason', async t => {
  const given = pod({ annotations: { 'postern.dev/epc': '1Ti' }, proxy: { securityContext: { privileged: true } } })
  const reasons = reasonsOf(inject(given, options()))
  t.equal(reasons.length, 2)
  t.match(reasons.join(), /postern\.dev\/epc.*privileged/)
})

const taken: [name: string, given: JsonObject, to: InjectOptions, reason: RegExp][] = [
  [
    "a volume of the injector's name",
    pod({ spec: { volumes: [{ name: 'postern-aesm', emptyDir: {} }] } }),
    options(),
    /volume postern-aesm/,
  ],
  [
    "a mount in the policy's place",
    pod({ proxy: { volumeMounts: [{ name: 'mine', mountPath: '/etc/postern' }] } }),
    options({ policy: { configMap: 'p' } }),
    /\/etc\/postern: something else/,
  ],
]
for (const [name, given, to, reason] of taken) {
  t.test(`denied: ${name}`, async t => t.match(reasonsOf(inject(given, to)).join(), reason))
}

const anyDevice = '[{"path":"/dev/sda","type":"b","major":8,"minor":0}]'
const keys = [
  'devices.noderesource.dev/container.queue-proxy',
  'devices.noderesource.dev/container.user-container',
  'devices.noderesource.dev/pod',
  'devices.noderesource.dev',
  'devices.nri.io/container.queue-proxy',
  'mounts.noderesource.dev/container.user-container',
  'mounts.noderesource.dev/container.queue-proxy',
  'mounts.nri.io',
  'cdi-devices.noderesource.dev/pod',
]
for (const [platform, { nri }] of everyPlatform) {
  const to = options({ platform, ...(nri && { nri }), sidecar })
  t.test(`${platform}: denied, a device or mount of the node that a pod asks the runtime for`, async t => {
    for (const key of keys) {
      const annotations = { [key]: anyDevice }
      const reason = [`annotation ${key}: the operator's alone; take it out of the pod's template`]
      t.same(reasonsOf(inject(pod({ annotations }), to)), reason, "of Knative's")
      t.same(reasonsOf(inject(askingPod({ annotations }), to)), reason, 'that asks for a proxy')
      const optedOut = { ...annotations, 'postern.dev/inject': 'false' }
      t.same(reasonsOf(inject(pod({ annotations: optedOut }), to)), reason, 'that opted out of the proxy')
    }
  })
}

t.test(
  'what the runtime is asked for by the injector passes as it is, for as long as the pod has the proxy',
  async t => {
    const to = options({ platform: 'nri', nri: { devices: [sgxDevice] } })
    const { annotations } = patched(pod(), to).pod.metadata
    t.same(reasonsOf(inject(pod({ annotations }), to)), [])
    t.same(patched(pod({ annotations }), to).pod.metadata.annotations, annotations)
    const optedOut = { ...annotations, 'postern.dev/inject': 'false' }
    t.equal(reasonsOf(inject(pod({ annotations: optedOut }), to)).length, 2)
  },
)

t.test('what is wrong in as many places as a pod can hold is told of the first, and not at length', async t => {
  const many = Array.from({ length: 130_000 }, (_, i) => `c${i}`)
  const ports = [{ containerPort: 80 }]
  const pods: JsonObject[] = [
    askingPod({ app: { ports: many.map(name => ({ name, containerPort: 9090 })) } }),
    askingPod({ app: { ports: many.map((name, i) => ({ name, containerPort: 10_000 + i })) } }),
    askingPod({
      spec: {
        containers: [
          { name: 'queue-proxy', env: many.map(name => ({ name })) },
          { name: 'a', ports },
        ],
      },
    }),
    askingPod({
      spec: {
        containers: [
          { name: 'queue-proxy', volumeMounts: many.map(name => ({ name })) },
          { name: 'a', ports },
        ],
      },
    }),
    pod({ annotations: Object.fromEntries(many.map(name => [`devices.nri.io/container.${name}`, ''])) }),
  ]
  for (const given of pods) {
    const reasons = reasonsOf(inject(given, options({ sidecar })))
    t.ok(reasons.length > 0 && reasons.length <= 20)
    for (const each of reasons) t.ok(each.length <= 501)
  }
})

t.test("a socket that Intel's webhook has mounted is left to it", async t => {
  const given = pod({
    proxy: { volumeMounts: [{ name: 'aesmd-socket', mountPath: '/var/run/aesmd' }] },
    spec: { volumes: [{ name: 'aesmd-socket', hostPath: { path: '/var/run/aesmd', type: 'DirectoryOrCreate' } }] },
  })
  const wanted = patched(given, options()).pod
  t.equal(wanted.spec.volumes.length, 1)
  t.equal(proxyOf(wanted).volumeMounts.length, 1)
})

t.test('defaults that the API server adds do not look like another volume', async t => {
  const to = options({ policy: { configMap: 'p' } })
  const { pod: wanted } = patched(pod(), to)
  for (const volume of wanted.spec.volumes) if (volume.configMap) volume.configMap.defaultMode = 420
  t.equal(inject(readJson(JSON.stringify(wanted)) as JsonObject, to).outcome, 'unchanged')
})

t.test('without an AESM service nothing of the host is mounted', async t => {
  t.equal(patched(pod(), options({ aesm: null })).pod.spec.volumes, undefined)
})

t.test('containers of the service get the socket where operator and service say so', async t => {
  const annotations = { 'postern.dev/aesm-containers': 'user-container' }
  const aesm = { userContainers: true }
  const plugin = patched(pod({ annotations }), options({ aesm })).pod
  t.match(plugin.spec.containers[0], {
    volumeMounts: [{ name: 'postern-aesm', mountPath: '/var/run/aesmd' }],
    env: [{ name: 'SGX_AESM_ADDR', value: '1' }],
  })
  const runtime = patched(pod({ annotations }), options({ platform: 'nri', nri: { devices: [sgxDevice] }, aesm })).pod
  t.match(runtime.metadata.annotations['mounts.noderesource.dev/container.user-container'], /aesmd/)
  t.equal(runtime.spec.volumes, undefined)

  const env = [{ name: 'SGX_AESM_ADDR', value: '0' }]
  const containers = [{ name: 'user-container', env }, proxyOf(pod())]
  t.same(patched(pod({ annotations, spec: { containers } }), options({ aesm })).pod.spec.containers[0].env, env)
})

t.test('groups are added to those of the pod', async t => {
  const given = pod({ spec: { securityContext: { supplementalGroups: [7, 121] } } })
  t.same(
    patched(given, options({ supplementalGroups: [121, 122] })).pod.spec.securityContext.supplementalGroups,
    [7, 121, 122],
  )
})

t.test('a pod of another shape is refused', async t => {
  for (const spec of ['1', '{"containers":1}', '{"containers":[1]}']) {
    const given = readJson(`{"metadata":{"labels":{"serving.knative.dev/revision":"a"}},"spec":${spec}}`) as JsonObject
    t.throws(() => inject(given, options()), { code: 'review-malformed' })
  }
})
