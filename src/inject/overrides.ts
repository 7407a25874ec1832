// What a service asks for by annotations of its revision, within the bounds that the operator set. A name that is not known
// or a value out of bounds is a refusal: a typing error must not run with less than was asked for.

import type { Json, JsonObject } from '../base/json.ts'
import { bytesOf, quantity } from '../base/quantity.ts'
import { nearest } from '../config/env.ts'
import type { InjectOptions, SidecarOptions } from '../config/inject-shape.ts'
import { show } from '../config/shape.ts'

export const prefix = 'postern.dev/'

const names = ['inject', 'epc', 'memory', 'policy-configmap', 'aesm-containers'] as const
/** What Knative's own specification says of a revision. */
const sidecarNames = ['port', 'concurrency', 'timeout-seconds'] as const
type Name = (typeof names)[number] | (typeof sidecarNames)[number]

/** The service's own part of the policy: for the proxy, whoever signed it. */
export const forProxy = `${prefix}policy`

/** Enough for whoever has to act; a pod may be wrong in thousands of places. */
export const mostReasons = 20
/** What each of them costs is paid for every container of the pod. */
const mostAesmContainers = 32
/** Kubernetes takes no longer name. */
const longestKey = prefix.length + 63

export interface Settings {
  /** False where the service opted out. */
  readonly inject: boolean
  /** Bytes. */
  readonly epc: bigint
  /** Bytes. */
  readonly memory: bigint
  /** Name of the ConfigMap; undefined where there is none. */
  readonly policy: string | undefined
  /** Containers of the service's own that talk to AESM. */
  readonly aesmContainers: readonly string[]
  /** Of a pod that gets its proxy from us; undefined for one of Knative's. */
  readonly sidecar: SidecarSettings | undefined
}

export interface SidecarSettings {
  /** Name or number of the port that the proxy forwards to; undefined where the pod does not say. */
  readonly port: string | undefined
  /** 0 is unlimited. */
  readonly concurrency: number
  readonly timeoutSeconds: number
}

/**
 * @param containers the names in the pod, but for the proxy's own
 * @param sidecar the operator's word about the proxy that a pod gets from us; undefined for a pod of Knative's
 * @param reasons receives a sentence for each annotation that cannot be followed
 */
export function readOverrides(
  annotations: JsonObject,
  containers: readonly string[],
  options: InjectOptions,
  sidecar: SidecarOptions | undefined,
  reasons: string[],
): Settings {
  const known: readonly Name[] = sidecar ? [...names, ...sidecarNames] : names
  const refuse = (name: string, want: string, got: Json): void => {
    reasons.push(`annotation ${prefix}${name}: want ${want}, got ${show(got)}`)
  }
  const asked = new Map<Name, string>()
  for (const [key, value] of Object.entries(annotations)) {
    if (!key.startsWith(prefix) || key === forProxy) continue
    if (reasons.length === mostReasons) break
    const name = known.find(each => prefix + each === key)
    if (name === undefined) reasons.push(`annotation ${unknown(key, known)}`)
    else if (typeof value === 'string') asked.set(name, value)
    else refuse(name, 'a string', value)
  }
  const bounded = (name: 'epc' | 'memory'): bigint => {
    const { least, default: normal, most } = options[name]
    const text = asked.get(name)
    const bytes = text === undefined ? normal : bytesOf(text)
    if (bytes !== undefined && bytes >= least && bytes <= most) return bytes
    refuse(name, `a quantity from ${quantity(least)} to ${quantity(most)}, as the operator allows`, text ?? null)
    return normal
  }
  const counted = (name: 'concurrency' | 'timeout-seconds', { least, default: normal, most }: Count): number => {
    const text = asked.get(name)
    const number = text === undefined ? normal : /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (number >= least && number <= most) return number
    refuse(name, `a number from ${least} to ${most}, as the operator allows`, text ?? null)
    return normal
  }
  return {
    inject: inject(),
    epc: bounded('epc'),
    memory: bounded('memory'),
    policy: policy(),
    aesmContainers: aesm(),
    sidecar: sidecar && {
      port: asked.get('port'),
      concurrency: counted('concurrency', sidecar.concurrency),
      timeoutSeconds: counted('timeout-seconds', sidecar.timeoutSeconds),
    },
  }

  function inject(): boolean {
    const text = asked.get('inject') ?? 'true'
    if (text !== 'true' && text !== 'false') refuse('inject', '"true" or "false"', text)
    if (text === 'false' && !options.optOut) refuse('inject', '"true", as the operator lets nobody opt out', text)
    return text !== 'false'
  }

  function policy(): string | undefined {
    const text = asked.get('policy-configmap')
    if (text === undefined) return options.policy?.configMap
    const known = options.policy ? [options.policy.configMap, ...options.policy.allow] : []
    if (!known.includes(text))
      refuse('policy-configmap', `one that the operator allows (${known.join(', ') || 'none'})`, text)
    return text
  }

  function aesm(): readonly string[] {
    const text = asked.get('aesm-containers')
    if (text === undefined) return []
    if (options.aesm?.userContainers !== true) {
      refuse('aesm-containers', 'none, as the operator allows none', text)
      return []
    }
    const named = text.split(',', mostAesmContainers + 1)
    const wanted = [...new Set(named.map(name => name.trim()))]
    if (named.length > mostAesmContainers || !wanted.every(name => containers.includes(name))) {
      refuse('aesm-containers', `at most ${mostAesmContainers} containers of this pod (${containers.join(', ')})`, text)
      return []
    }
    return wanted
  }
}

type Count = SidecarOptions['concurrency']

function unknown(key: string, known: readonly Name[]): string {
  if (key.length > longestKey) return `${key.slice(0, longestKey)}…: not known`
  return `${key}: not known; did you mean ${prefix}${nearest(key.slice(prefix.length), known).name}?`
}
