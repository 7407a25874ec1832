// What a label may say. Clients choose methods, hosts and tags; a page that repeated them would grow at their will and
// tell the host's Prometheus what they sent. Each is therefore one of a closed set, counted by a number; only a policy
// that lets everything leave shows the tags themselves, and then a bounded number of them.

import { header, isKubeletProbe } from '../base/knative.ts'
import type { RequestHead, Summary } from '../gate/contract.ts'

/** Which revision this is, as Knative names it. */
export interface Serving {
  readonly namespace: string
  readonly service: string
  readonly configuration: string
  readonly revision: string
  readonly pod: string
}

/** Stands for what is not in the set. */
export const other = '_other'

/** Kubelet, activator and whoever probes the network: in no metric, and in the log only if it is asked for. */
export function isProbe(head: RequestHead): boolean {
  if ((head.header(header.networkProbe) ?? '') !== '') return true
  return isKubeletProbe(head.header('user-agent'), head.header(header.kubeletProbe))
}

/** OpenTelemetry's methods; another one is `_OTHER`. */
export const methods = [
  '_OTHER',
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'TRACE',
] as const
const methodIndex = new Map<string, number>(methods.map((method, i) => [method, i]))

export function methodOf(head: RequestHead): number {
  return methodIndex.get(head.method) ?? methodIndex.get(head.method.toUpperCase()) ?? 0
}

export const versions = ['1.0', '1.1', '2'] as const

/** A closed set of words and the number of each. */
export interface Words {
  readonly words: readonly string[]
  of(head: RequestHead): number
}

/** Words that a set may have beyond those it begins with. */
const maxFound = 28

/**
 * The names under which this service is known in the cluster and to the policy; any other Host is `_other`. The Go proxy
 * shows whatever the client sends.
 */
export function hostNames(serving: Serving, more: readonly string[]): Words {
  const names = new Set<string>()
  for (const name of [serving.service, serving.revision]) {
    if (name === '') continue
    const full = `${name}.${serving.namespace}`
    for (const each of [full, `${full}.svc`, `${full}.svc.cluster.local`]) names.add(each)
  }
  for (const each of more) names.add(each.toLowerCase())
  const words = [other, ...names]
  const index = new Map(words.map((word, i) => [word, i]))
  return {
    words,
    of(head) {
      const host = head.header('host') ?? ''
      return index.get(host) ?? index.get(host.replace(/:[0-9]*$/, '').toLowerCase()) ?? 0
    },
  }
}

/** What the four cases of a route's tag are called. */
export interface TagNames {
  readonly disabled: string
  readonly byDefault: string
  readonly undefined: string
}

/** @param free whether a tag may be named; `_other` stands for it where not, and where there are too many */
export function routeTags(names: TagNames, free: boolean): Words {
  const words = [other, names.disabled, names.byDefault, names.undefined]
  const index = new Map<string, number>()
  return {
    words,
    of(head) {
      const tag = head.header('knative-serving-tag') ?? ''
      const byDefault = head.header('knative-serving-default-route') ?? ''
      if (tag === '') return byDefault === '' ? 1 : 2
      if (byDefault === 'true') return 3
      if (!free) return 0
      const known = index.get(tag)
      if (known !== undefined) return known
      if (words.length >= maxWords) return 0
      index.set(tag, words.length)
      return words.push(tag) - 1
    },
  }
}

/** A number below this stands for each tag. */
export const maxWords = 4 + maxFound

/** True where a response broke off after its head: the client cannot have all of it. */
export function brokeOff(summary: Summary): boolean {
  const { end, responded, status } = summary
  return responded && status !== 101 && (end === 'upstream-failed' || end === 'cut' || end === 'malformed')
}
