// Was this request meant for us? The certificates of 8112 are valid for a whole namespace, so whoever routes can send one
// service's connections to another one's pod. What activator and ingress say about where a request belongs, and the host
// that it names, are compared with the policy before they are pruned (RFC 9110 §15.5.20: 421).

import { header } from '../base/knative.ts'
import { parseTarget } from '../base/target.ts'
import type { Reply, RequestHead } from './contract.ts'
import { errorReply } from './replies.ts'

export interface Meant {
  /** The policy's service, where it names one. */
  readonly service: { readonly namespace: string; readonly name: string } | undefined
  /** The policy's hosts, lower case; none: any host is ours. */
  readonly hosts: readonly string[]
}

const misdirected: Reply = errorReply(421, 'misdirected', true)

/** The rule of a policy, chosen once; undefined where it names neither service nor hosts. */
export function misdirection(meant: Meant): ((head: RequestHead) => Reply | undefined) | undefined {
  const { service } = meant
  const hosts = new Set(meant.hosts.map(host => host.toLowerCase()))
  if (!service && hosts.size === 0) return undefined
  return head => {
    if (service && !belongs(head, service)) return misdirected
    return hosts.size === 0 || namedHosts(head).every(host => hosts.has(host)) ? undefined : misdirected
  }
}

/**
 * Revisions are named after their service: `cart-00012`, or `cart-` and what its author chose. So one of `cart-admin` may
 * be one of `cart`: only hosts tell these two apart.
 */
function belongs(head: RequestHead, service: { namespace: string; name: string }): boolean {
  const namespace = head.header(header.servingNamespace)
  const revision = head.header(header.servingRevision)
  if (namespace !== undefined && namespace !== service.namespace) return false
  return revision === undefined || revision.startsWith(`${service.name}-`)
}

/** Every host that this request names: the effective one, and the one that would replace it. Ports do not matter. */
function namedHosts(head: RequestHead): string[] {
  const effective = parseTarget(head.method, head.target)?.authority ?? head.header('host') ?? ''
  const original = head.header(header.originalHost)
  return [effective, ...(original ? [original] : [])].map(host => host.toLowerCase().replace(/:\d+$/, ''))
}
