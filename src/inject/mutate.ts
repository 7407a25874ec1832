// A pod and the operator's options in, a JSON patch out; pure. Pods of a Knative revision are looked at, and those that ask
// for a proxy by label (adopt.ts); in them the container `queue-proxy`, with what the pod must have for it: volumes, groups,
// annotations. What is already as wanted is left alone, so that a second pass changes nothing.

import type { JsonObject } from '../base/json.ts'
import { bytesOf, quantity } from '../base/quantity.ts'
import type { InjectOptions } from '../config/inject-shape.ts'
import { adopt, askedLabel, foreignMounts, sidecarVolumes } from './adopt.ts'
import { diff, type Operation } from './diff.ts'
import { mostReasons, readOverrides, type Settings } from './overrides.ts'
import { foreignAnnotations, type Pairs, socketFolder, table } from './platforms.ts'
import { forbidden, harden } from './security.ts'
import { containerName } from './sidecar.ts'
import { append, at, covers, objectAt, objectsAt, put, textAt } from './tree.ts'

export type Injection =
  /** Neither a pod of a revision nor one that asks for a proxy, or one that opted out. */
  | { readonly outcome: 'skipped' }
  | { readonly outcome: 'unchanged' }
  | { readonly outcome: 'patched'; readonly patch: readonly Operation[]; readonly pod: JsonObject }
  | { readonly outcome: 'denied'; readonly reasons: readonly string[] }

export const revisionLabel = 'serving.knative.dev/revision'

/** @throws Fault 'review-malformed' where the pod is not of the shape of a pod */
export function inject(pod: JsonObject, options: InjectOptions): Injection {
  const metadata = objectAt(pod, 'metadata')
  const containers = objectsAt(objectAt(pod, 'spec'), 'containers')
  const whose = ownerOf(objectAt(metadata, 'labels'))
  if (whose === undefined || (whose === 'knative' && proxyIn(pod) === undefined)) return { outcome: 'skipped' }

  const reasons: string[] = []
  const others = containers.map(each => textAt(each, 'name')).filter(name => name !== containerName)
  const sidecar = whose === 'knative' ? undefined : (options.sidecar ?? undefined)
  const annotations = objectAt(metadata, 'annotations')
  const settings = readOverrides(annotations, others, options, sidecar, reasons)
  // Who opts out of the proxy does not get the node instead.
  const own = settings.inject ? ownAnnotations(settings, options) : []
  for (const each of foreignAnnotations(annotations, own)) reasons.push(each)
  if (reasons.length === 0 && !settings.inject) return { outcome: 'skipped' }
  if (whose === 'label' && sidecar === undefined) return denied([noSidecar])

  const adopted = sidecar && settings.sidecar ? adopt(pod, sidecar, settings.sidecar, reasons) : pod
  reasons.push(...forbidden(proxyIn(adopted) ?? {}, objectAt(objectAt(pod, 'spec'), 'securityContext')))
  const wanted = new Wanted(adopted, options, settings, own, reasons)
  if (sidecar) for (const each of foreignMounts(proxyIn(wanted.pod) ?? {}, wanted.placed)) reasons.push(each)
  if (reasons.length > 0) return denied(reasons)
  const patch = diff(pod, wanted.pod)
  return patch.length === 0 ? { outcome: 'unchanged' } : { outcome: 'patched', patch, pod: wanted.pod }
}

/** What a pod's author wrote at length is not repeated at length: it goes into events and the log. */
const longestReason = 500

const denied = (reasons: readonly string[]): Injection => ({
  outcome: 'denied',
  reasons: reasons
    .slice(0, mostReasons)
    .map(each => (each.length > longestReason ? `${each.slice(0, longestReason)}…` : each)),
})

const noSidecar = `label ${askedLabel}: the operator offers no proxy for pods that are not Knative's; see "sidecar" in the injector's options`

/** Knative's label counts first: its pods have their proxy from it. */
function ownerOf(labels: JsonObject): 'knative' | 'label' | undefined {
  if (at(labels, revisionLabel) !== undefined) return 'knative'
  return at(labels, askedLabel) === 'true' ? 'label' : undefined
}

const proxyIn = (pod: JsonObject): JsonObject | undefined =>
  objectsAt(objectAt(pod, 'spec'), 'containers').find(each => at(each, 'name') === containerName)

/** Devices and mounts where the runtime gives them, and not a plugin or a volume. */
function ownAnnotations({ aesmContainers }: Settings, options: InjectOptions): Pairs {
  const { devices, socket } = table[options.platform]
  const folder = options.aesm?.folder
  const sockets =
    folder === undefined ? [] : [containerName, ...aesmContainers].flatMap(name => socket(name, folder, options))
  return [...devices(containerName, options), ...sockets]
}

/** The pod as it should be, step by step. */
class Wanted {
  readonly #options: InjectOptions
  readonly #reasons: string[]
  /** Folders where something of the operator's is mounted. */
  readonly placed: string[] = []
  pod: JsonObject

  constructor(pod: JsonObject, options: InjectOptions, settings: Settings, own: Pairs, reasons: string[]) {
    this.#options = options
    this.#reasons = reasons
    this.pod = pod
    this.#container(containerName, each =>
      harden(withLimits(each, settings, options), this.#at('spec', 'securityContext')),
    )
    this.#annotate(own)
    if (options.aesm) this.#socket(options.aesm.folder, settings.aesmContainers)
    if (options.policy && settings.policy !== undefined) {
      this.#configMap('postern-policy', settings.policy, options.policy.path)
    }
    for (const [volume, path] of settings.sidecar && options.sidecar ? sidecarVolumes(pod, options.sidecar) : []) {
      this.#placed(volume, path)
    }
    for (const [i, { configMap, path }] of options.mounts.entries()) {
      this.#configMap(`postern-mount-${i}`, configMap, path)
    }
    this.#groups()
  }

  #at(...keys: readonly string[]): JsonObject {
    return keys.reduce(objectAt, this.pod)
  }

  #spec(change: (spec: JsonObject) => JsonObject): void {
    this.pod = put(this.pod, 'spec', change(this.#at('spec')))
  }

  #container(name: string, change: (container: JsonObject) => JsonObject): void {
    this.#spec(spec => {
      const containers = objectsAt(spec, 'containers').map(each => (at(each, 'name') === name ? change(each) : each))
      return put(spec, 'containers', containers)
    })
  }

  #annotate(pairs: Pairs): void {
    if (pairs.length === 0) return
    const annotations = { ...this.#at('metadata', 'annotations'), ...Object.fromEntries(pairs) }
    this.pod = put(this.pod, 'metadata', put(this.#at('metadata'), 'annotations', annotations))
  }

  #socket(folder: string, userContainers: readonly string[]): void {
    const mounted = table[this.#options.platform].socket(containerName, folder, this.#options).length > 0
    if (!mounted) for (const name of [containerName, ...userContainers]) this.#socketVolume(name, folder)
    for (const name of userContainers) this.#container(name, withAesmAddress)
  }

  /** Whoever mounts something there already, as Intel's webhook does when it is asked, has given the socket. */
  #socketVolume(name: string, folder: string): void {
    const container = objectsAt(this.#at('spec'), 'containers').find(each => at(each, 'name') === name) ?? {}
    if (mountAt(container, socketFolder) !== undefined) {
      this.placed.push(socketFolder)
      return
    }
    this.#volume({ name: 'postern-aesm', hostPath: { path: folder, type: 'Directory' } })
    this.#mount(name, 'postern-aesm', socketFolder)
  }

  #configMap(name: string, configMap: string, path: string): void {
    this.#placed({ name, configMap: { name: configMap } }, path)
  }

  #placed(volume: JsonObject, path: string): void {
    this.#volume(volume)
    this.#mount(containerName, String(volume['name']), path)
  }

  #volume(wanted: JsonObject): void {
    const before = objectsAt(this.#at('spec'), 'volumes').find(each => at(each, 'name') === wanted['name'])
    if (before === undefined) this.#spec(spec => append(spec, 'volumes', wanted))
    else if (!covers(before, wanted)) this.#reasons.push(`volume ${wanted['name']}: the injector's name; rename yours`)
  }

  #mount(container: string, volume: string, path: string): void {
    this.placed.push(path)
    this.#container(container, each => {
      const before = mountAt(each, path)
      if (before === undefined) return append(each, 'volumeMounts', { name: volume, readOnly: true, mountPath: path })
      if (at(before, 'name') !== volume) this.#reasons.push(`${container}: ${path}: something else is mounted there`)
      return each
    })
  }

  #groups(): void {
    const security = this.#at('spec', 'securityContext')
    const groups = at(security, 'supplementalGroups')
    const before = Array.isArray(groups) ? groups : []
    const missing = this.#options.supplementalGroups.filter(group => !before.includes(group))
    if (missing.length === 0) return
    const supplementalGroups = [...before, ...missing]
    this.#spec(spec => put(spec, 'securityContext', put(security, 'supplementalGroups', supplementalGroups)))
  }
}

const mountAt = (container: JsonObject, path: string): JsonObject | undefined =>
  objectsAt(container, 'volumeMounts').find(mount => at(mount, 'mountPath') === path)

/** Enclave memory as asked for; ordinary memory at least so, and not less than was requested: pages leave the EPC for it. */
function withLimits(container: JsonObject, settings: Settings, options: InjectOptions): JsonObject {
  let resources = objectAt(container, 'resources')
  let limits = objectAt(resources, 'limits')
  let requests = objectAt(resources, 'requests')
  for (const [name, value] of table[options.platform].limits(settings.epc)) {
    limits = raised(limits, name, value, 'to')
    // Where there is one it has to be the limit's; where there is none Kubernetes makes it so.
    if (at(requests, name) !== undefined) requests = raised(requests, name, value, 'to')
  }
  const requested = amount(requests, 'memory') ?? 0n
  const memory = requested > settings.memory ? requested : settings.memory
  limits = raised(limits, 'memory', quantity(memory), 'at least to')
  if (requests !== objectAt(resources, 'requests')) resources = put(resources, 'requests', requests)
  return put(container, 'resources', put(resources, 'limits', limits))
}

function raised(limits: JsonObject, name: string, value: string, how: 'to' | 'at least to'): JsonObject {
  const before = amount(limits, name)
  const wanted = bytesOf(value) ?? 0n
  const stands = before !== undefined && (how === 'to' ? before === wanted : before >= wanted)
  return stands ? limits : put(limits, name, value)
}

/** A quantity is text, or a number where it was written as one. */
function amount(resources: JsonObject, name: string): bigint | undefined {
  const value = at(resources, name)
  return typeof value === 'string' || typeof value === 'number' ? bytesOf(String(value)) : undefined
}

/** Intel's libraries then ask the AESM service instead of making quotes by themselves. */
function withAesmAddress(container: JsonObject): JsonObject {
  const set = objectsAt(container, 'env').some(each => at(each, 'name') === 'SGX_AESM_ADDR')
  return set ? container : append(container, 'env', { name: 'SGX_AESM_ADDR', value: '1' })
}
