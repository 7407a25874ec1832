// Pods as Knative's controller makes them, what a patch does to them, and what Kubernetes' restricted profile says.

import { existsSync, readFileSync } from 'node:fs'
import { type Json, type JsonObject, readJson } from '../../src/base/json.ts'
import { readInjectOptions } from '../../src/config/inject.ts'
import type { InjectOptions } from '../../src/config/inject-shape.ts'
import type { Operation } from '../../src/inject/diff.ts'

/** Any JSON, as tests look into it. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads trees of every shape
export type Tree = any

export const options = (changes: object = {}): InjectOptions =>
  readInjectOptions(Buffer.from(JSON.stringify({ version: 1, platform: 'intel', ...changes })), 'test')

export const sgxDevice = { path: '/dev/sgx_enclave', major: 10, minor: 125 }

/** Every platform with the least that it needs. */
export const everyPlatform: readonly (readonly [name: string, options: InjectOptions])[] = [
  ['intel', options()],
  ['aks', options({ platform: 'aks' })],
  ['aks-legacy', options({ platform: 'aks-legacy' })],
  ['nri', options({ platform: 'nri', nri: { devices: [sgxDevice] } })],
]

interface PodChanges {
  readonly annotations?: object
  readonly labels?: object
  /** Into the container queue-proxy. */
  readonly proxy?: object
  readonly spec?: object
}

/** A small revision's pod, through the strict reader as a review's pod is. */
export function pod({ annotations, labels, proxy, spec }: PodChanges = {}): JsonObject {
  const tree = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'hello-00001-deployment-5f7c-',
      labels: labels ?? { app: 'hello-00001', 'serving.knative.dev/revision': 'hello-00001' },
      ...(annotations && { annotations }),
    },
    spec: {
      terminationGracePeriodSeconds: 300,
      containers: [
        { name: 'user-container', image: 'img', resources: {} },
        {
          name: 'queue-proxy',
          image: 'registry.example/queue@sha256:abc',
          resources: { requests: { cpu: '25m' } },
          securityContext: {
            capabilities: { drop: ['ALL'] },
            runAsNonRoot: true,
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          ...proxy,
        },
      ],
      ...spec,
    },
  }
  return readJson(JSON.stringify(tree)) as JsonObject
}

/** An ordinary pod that asks for the proxy: one container, one port; `changes` go into its parts. */
export function askingPod(
  changes: { labels?: object; annotations?: object; app?: object; spec?: object } = {},
): JsonObject {
  const tree = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'cart-5f7c9-',
      labels: {
        'app.kubernetes.io/name': 'cart',
        'pod-template-hash': '5f7c9',
        'postern.dev/inject': 'true',
        ...changes.labels,
      },
      ...(changes.annotations && { annotations: changes.annotations }),
    },
    spec: {
      terminationGracePeriodSeconds: 30,
      containers: [{ name: 'cart', image: 'img', ports: [{ name: 'web', containerPort: 8443 }], ...changes.app }],
      ...changes.spec,
    },
  }
  return readJson(JSON.stringify(tree)) as JsonObject
}

/** The operator's word about the proxy of such pods, with the least that it needs. */
export const sidecar = { image: 'registry.example/enclave@sha256:abc' }

const renderedFile = new URL('../../../shared/contract/controller-rendered.json', import.meta.url)

/** Why the controller's own pods are not tried; false where they are there. */
export const renderedMissing = !existsSync(renderedFile) && `SKIPPED: no ${renderedFile.pathname}`

/** What the controller rendered for a scenario: its pod's parts and the queue-proxy's environment. */
export const renderedScenario = (name: string): Tree => JSON.parse(readFileSync(renderedFile, 'utf8'))[name]

/** Pods put together from what Knative's controller rendered, by scenario. */
export function renderedPods(): readonly (readonly [scenario: string, pod: JsonObject])[] {
  const scenarios: Tree = JSON.parse(readFileSync(renderedFile, 'utf8'))
  return Object.entries<Tree>(scenarios).map(([name, scenario]) => {
    const { userContainer, ...rest } = scenario.podSpecRest
    const env = Object.entries<string>(scenario.env).map(([key, value]) => ({ name: key, value }))
    const tree = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { generateName: `${name}-`, labels: scenario.podLabels, annotations: scenario.podAnnotations },
      spec: { ...rest, containers: [userContainer, { ...scenario.container, env }], volumes: scenario.volumes },
    }
    return [name, readJson(JSON.stringify(tree)) as JsonObject]
  })
}

/** RFC 6902's add, replace and remove, written apart from what makes patches. @throws Error where one does not apply */
export function apply(value: Json, patch: readonly Operation[]): Json {
  // Without prototypes, as what is received: a member may be called __proto__.
  const document: Tree = readJson(JSON.stringify(value))
  for (const operation of patch) {
    const keys = operation.path
      .split('/')
      .slice(1)
      .map(key => key.replaceAll('~1', '/').replaceAll('~0', '~'))
    const last = keys.pop() ?? ''
    const parent = keys.reduce((at, key) => at[key], document)
    if (typeof parent !== 'object' || parent === null) throw new Error(`${operation.path}: no parent`)
    const there = Object.hasOwn(parent, last)
    if (operation.op !== 'add' && !there) throw new Error(`${operation.path}: nothing there`)
    if (operation.op === 'remove') delete parent[last]
    else if (Array.isArray(parent) && last === '-') parent.push(operation.value)
    else if (Array.isArray(parent) && !there) throw new Error(`${operation.path}: beyond the list`)
    else parent[last] = operation.value
  }
  return document
}

export const proxyOf = (tree: Json): Tree =>
  (tree as Tree).spec.containers.find((each: Tree) => each.name === 'queue-proxy')

const volumeTypes = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
]

/**
 * The controls of Kubernetes' restricted profile (Pod Security Standards), the baseline's included, over the pod
 * and this one container. Each row: the control, and what in the pod breaks it.
 */
export const restricted: readonly (readonly [control: string, broken: (pod: Tree, container: Tree) => unknown[]])[] = [
  [
    'HostProcess',
    (pod, { securityContext: own }) =>
      [pod.spec.securityContext, own].filter(each => each?.windowsOptions?.hostProcess),
  ],
  ['Host Namespaces', pod => ['hostNetwork', 'hostPID', 'hostIPC'].filter(key => pod.spec[key])],
  ['Privileged Containers', (_, { securityContext: own }) => [own?.privileged].filter(Boolean)],
  [
    'Capabilities',
    (_, { securityContext: own }) => [
      ...(own?.capabilities?.add ?? []).filter((name: string) => name !== 'NET_BIND_SERVICE'),
      ...(own?.capabilities?.drop?.includes('ALL') ? [] : ['ALL is not dropped']),
    ],
  ],
  [
    'HostPath Volumes',
    pod => (pod.spec.volumes ?? []).filter((each: Tree) => each.hostPath).map((each: Tree) => each.name),
  ],
  ['Host Ports', (_, { ports }) => (ports ?? []).filter((each: Tree) => each.hostPort)],
  [
    'AppArmor',
    (pod, { securityContext: own }) =>
      [pod.spec.securityContext, own].filter(each => each?.appArmorProfile?.type === 'Unconfined'),
  ],
  ['SELinux', (pod, { securityContext: own }) => [pod.spec.securityContext, own].filter(each => each?.seLinuxOptions)],
  [
    '/proc Mount Type',
    (_, { securityContext: own }) => [own?.procMount].filter(each => each !== undefined && each !== 'Default'),
  ],
  ['Sysctls', pod => pod.spec.securityContext?.sysctls ?? []],
  [
    'Volume Types',
    pod =>
      (pod.spec.volumes ?? [])
        .filter((each: Tree) => !Object.keys(each).some(key => volumeTypes.includes(key)))
        .map((each: Tree) => each.name),
  ],
  [
    'Privilege Escalation',
    (_, { securityContext: own }) => (own?.allowPrivilegeEscalation === false ? [] : ['allowed']),
  ],
  [
    'Running as Non-root',
    (pod, { securityContext: own }) =>
      (own?.runAsNonRoot ?? pod.spec.securityContext?.runAsNonRoot) === true ? [] : ['root allowed'],
  ],
  [
    'Running as Non-root user',
    (pod, { securityContext: own }) => [own?.runAsUser, pod.spec.securityContext?.runAsUser].filter(user => user === 0),
  ],
  [
    'Seccomp',
    (pod, { securityContext: own }) => {
      const type = (own?.seccompProfile ?? pod.spec.securityContext?.seccompProfile)?.type
      return type === 'RuntimeDefault' || type === 'Localhost' ? [] : [type ?? 'none']
    },
  ],
]

/** An AdmissionReview as the API server sends it; `changes` go into the request. */
export function review(object: JsonObject, changes: object = {}): Tree {
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      namespace: 'default',
      operation: 'CREATE',
      object,
      oldObject: null,
      dryRun: false,
      ...changes,
    },
  }
}

export const reviewBytes = (object: JsonObject, changes: object = {}): Buffer =>
  Buffer.from(JSON.stringify(review(object, changes)))
