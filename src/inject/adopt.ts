// A pod that is not Knative's and asks for a proxy by its label gets one, and what Knative's controller changes around it:
// the container's probe is the proxy's to ask, its end waits for the drain, and the pod's grace period is a request's time.
// In a pod that has the proxy already only its image, command and environment are looked at: they are the operator's.

import type { JsonObject } from '../base/json.ts'
import type { SidecarOptions } from '../config/inject-shape.ts'
import { forProxy, type SidecarSettings } from './overrides.ts'
import { type Served, servedBy } from './serving.ts'
import { containerName, movedProbe, sidecarContainer } from './sidecar.ts'
import { at, covers, objectAt, objectsAt, put, textAt } from './tree.ts'

/** On the pod's template: labels are what a webhook can be called by. */
export const askedLabel = 'postern.dev/inject'

/** They differ between a file and the pod that is made of it, and neither says whom to trust. */
const mayDiffer = ['SERVING_READINESS_PROBE', 'SERVING_REVISION']

/**
 * @param reasons receives a sentence for everything that is in the way
 * @returns the pod with the proxy's container; as given where a reason was given
 */
export function adopt(
  pod: JsonObject,
  sidecar: SidecarOptions,
  settings: SidecarSettings,
  reasons: string[],
): JsonObject {
  const spec = objectAt(pod, 'spec')
  const containers = objectsAt(spec, 'containers')
  const others = containers.filter(each => at(each, 'name') !== containerName)
  const before = reasons.length
  const service = serviceOf(pod)
  if (service === undefined) {
    reasons.push('labels: want app.kubernetes.io/name or app; it is what metrics, logs and policy call the service')
  }
  reasons.push(...unfit(spec))
  const there = containers.find(each => at(each, 'name') === containerName)
  // A mesh may have added a container with ports of its own since the first pass, which knew the port and moved the probe.
  const served = there ? servedBy(others, portOf(there), reasons, true) : servedBy(others, settings.port, reasons)
  const serving = others.find(each => at(each, 'name') === served?.container)
  const probe = serving && !there ? movedProbe(serving, reasons) : undefined
  if (reasons.length > before || served === undefined || service === undefined) return pod

  const template = textAt(labelsOf(pod), 'pod-template-hash')
  const revision = template === '' ? service : `${service}-${template}`
  const wanted = sidecarContainer({ sidecar, settings, served, service, revision, probe })
  if (there !== undefined) {
    // One by one: there may be more of them than a call takes arguments.
    for (const each of foreign(there, wanted)) reasons.push(each)
    return pod
  }
  return put(pod, 'spec', withContainer(spec, served, wanted, settings))
}

function portOf(proxy: JsonObject): string | undefined {
  const variable = objectsAt(proxy, 'env').find(each => at(each, 'name') === 'USER_PORT')
  return variable && textAt(variable, 'value')
}

const labelsOf = (pod: JsonObject): JsonObject => objectAt(objectAt(pod, 'metadata'), 'labels')

function serviceOf(pod: JsonObject): string | undefined {
  const labels = labelsOf(pod)
  return textAt(labels, 'app.kubernetes.io/name') || textAt(labels, 'app') || undefined
}

/** Sentences about a pod in which a proxy cannot do its work. */
function unfit(spec: JsonObject): readonly string[] {
  const rules: readonly (readonly [broken: boolean, sentence: string])[] = [
    [at(spec, 'hostNetwork') === true, "hostNetwork: want none; the proxy's ports would be the node's"],
    [
      (at(spec, 'restartPolicy') ?? 'Always') !== 'Always',
      'restartPolicy: want Always; the proxy does not end by itself, so a Job with it would not either',
    ],
    [
      objectsAt(spec, 'initContainers').some(each => at(each, 'name') === containerName),
      `init container ${containerName}: the injector's name; rename yours`,
    ],
  ]
  return rules.filter(([broken]) => broken).map(([, sentence]) => sentence)
}

/** What decides what runs in a container, besides its variables and mounts; the API server adds none of it. */
const deciding = [
  ...['image', 'command', 'args', 'envFrom', 'workingDir', 'volumeDevices'],
  ...['lifecycle', 'livenessProbe', 'startupProbe'],
]

/** What of the container is not as the operator has it: a pod's author may have written one of this name. */
function foreign(there: JsonObject, wanted: JsonObject): readonly string[] {
  const values = (container: JsonObject): JsonObject =>
    Object.fromEntries(
      objectsAt(container, 'env')
        .filter(each => !mayDiffer.includes(textAt(each, 'name')))
        .map(each => [textAt(each, 'name'), each]),
    )
  const [got, want] = [values(there), values(wanted)]
  const extra = Object.keys(got).filter(name => at(want, name) === undefined)
  const differ = Object.entries(want).filter(([name, value]) => !covers(at(got, name), value))
  const parts = deciding.filter(key => {
    const value = at(wanted, key)
    return value === undefined ? at(there, key) !== undefined : !covers(at(there, key), value)
  })
  return [...parts, ...extra, ...differ.map(([name]) => name)].map(notOurs)
}

/** Below it are credentials of the pod's own, which the API server and other webhooks bring. */
const credentials = '/var/run/secrets/'

/**
 * Other files in the place of the operator's: a policy in the policy's, a program in the program's.
 * @param placed the folders where the injector mounts something
 */
export function foreignMounts(proxy: JsonObject, placed: readonly string[]): readonly string[] {
  return objectsAt(proxy, 'volumeMounts')
    .map(each => textAt(each, 'mountPath'))
    .filter(path => !placed.includes(path) && (!path.startsWith(credentials) || path.includes('..')))
    .map(path => notOurs(`volumeMounts ${path}`))
}

const notOurs = (what: string): string =>
  `${containerName}: ${what}: not as the operator has it; take the container out, the injector adds it`

/** Kubernetes' own, which a file on disk leaves out. */
const defaultGraceSeconds = 30

function withContainer(spec: JsonObject, served: Served, wanted: JsonObject, settings: SidecarSettings): JsonObject {
  const containers = objectsAt(spec, 'containers').map(each =>
    at(each, 'name') === served.container ? draining(withoutProbe(each)) : each,
  )
  const grace = at(spec, 'terminationGracePeriodSeconds')
  const longest = Math.max(typeof grace === 'number' ? grace : defaultGraceSeconds, settings.timeoutSeconds)
  return { ...spec, terminationGracePeriodSeconds: longest, containers: [...containers, wanted] }
}

/** The proxy asks it from now on, and the kubelet the proxy. A command only the kubelet can run, so that one stays. */
function withoutProbe(container: JsonObject): JsonObject {
  if (at(objectAt(container, 'readinessProbe'), 'exec') !== undefined) return container
  const { readinessProbe: _, ...rest } = container
  return rest
}

/** The container lives on until the proxy has nothing more for it. One that has a hook of its own knows better. */
function draining(container: JsonObject): JsonObject {
  const lifecycle = objectAt(container, 'lifecycle')
  if (at(lifecycle, 'preStop') !== undefined) return container
  const hook = { httpGet: { path: '/wait-for-drain', port: 8022 } }
  return put(container, 'lifecycle', put(lifecycle, 'preStop', hook))
}

/** Volumes that only a proxy of ours needs, each with the folder where it looks. Knative mounts them itself. */
export function sidecarVolumes(
  pod: JsonObject,
  sidecar: SidecarOptions,
): readonly (readonly [volume: JsonObject, path: string])[] {
  const found: (readonly [JsonObject, string])[] = []
  if (sidecar.certificates !== undefined) {
    found.push([{ name: 'server-certs', secret: { secretName: sidecar.certificates } }, '/var/lib/knative/certs'])
  }
  if (at(objectAt(objectAt(pod, 'metadata'), 'annotations'), forProxy) !== undefined) {
    const items = [{ path: 'annotations', fieldRef: { fieldPath: 'metadata.annotations' } }]
    found.push([{ name: 'pod-info', downwardAPI: { items } }, '/etc/podinfo'])
  }
  return found
}
