// The policy's part about clients that show a certificate on the TLS port: whom it takes, by which names and evidence, and
// whether the container is told.

import type { PolicyDocument } from './policy-shape.ts'
import { type Complaint, show } from './shape.ts'

/** All that is there must hold; at least one is. */
export interface ClientRule {
  readonly spiffeId: string | undefined
  /** As in `upstream.ca`: `dns:…`, `uri:…`, `ip:…`, or a bare DNS name or address. */
  readonly san: string | undefined
  /** A key of `peers`. */
  readonly accept: string | undefined
}

export interface Clients {
  readonly mode: 'optional' | 'required'
  /** PEM certificates that names hang from; empty where no rule is about names. */
  readonly bundle: readonly string[]
  readonly allow: readonly [ClientRule, ...ClientRule[]]
}

const mostRules = 64

/** Undefined where clients are not asked for a certificate. */
export function clientsOf({ mode, bundle, allow }: PolicyDocument['inbound']['clients']): Clients | undefined {
  const [first, ...rest] = allow
  if (mode === 'none' || first === undefined) return undefined
  return { mode, bundle: (bundle ?? []).map(each => each.toString()), allow: [first, ...rest] }
}

/** Fields that mean something on their way, or to the container, and so can say nothing of ours. */
const taken =
  /^(?:connection|content-.*|expect|forwarded|host|k-.*|keep-alive|knative-.*|proxy-.*|te|trailer|transfer-encoding|upgrade|user-agent|x-forwarded-.*)$/

export function clientComplaints({ inbound, peers }: PolicyDocument): Complaint[] {
  const { clients, identityHeader, plaintext } = inbound
  const { mode, bundle, allow } = clients
  const complaints: Complaint[] = []
  const complain = (path: string, want: string, got: unknown): void => {
    complaints.push({ path: `/inbound/${path}`, want, got: show(got) })
  }
  if (identityHeader !== null && mode === 'none') {
    complain('identityHeader', 'null, as no client is asked who it is', identityHeader)
  }
  if (identityHeader !== null && (identityHeader.includes('_') || taken.test(identityHeader))) {
    complain('identityHeader', 'a name with hyphens that means nothing else', identityHeader)
  }
  if (mode === 'none') {
    if (allow.length > 0) complain('clients/allow', 'nothing, as mode is "none"', allow)
    if (bundle !== undefined) complain('clients/bundle', 'nothing, as mode is "none"', 'a value')
    return complaints
  }
  if (mode === 'required' && plaintext === 'serve') {
    complain('plaintext', '"probes-only", as clients must show a certificate and cannot there', plaintext)
  }
  if (allow.length === 0 || allow.length > mostRules) complain('clients/allow', `1 to ${mostRules} rules`, allow.length)
  for (const [i, { spiffeId, san, accept }] of allow.entries()) {
    const named = spiffeId !== undefined || san !== undefined
    if (!named && accept === undefined) complain(`clients/allow/${i}`, 'spiffeId, san or accept', {})
    if (named && bundle === undefined) {
      complain('clients/bundle', `the CAs of /inbound/clients/allow/${i}, which is about a name`, null)
    }
    if (accept !== undefined && !Object.hasOwn(peers, accept)) {
      complain(`clients/allow/${i}/accept`, 'a key of /peers', accept)
    }
  }
  if (bundle !== undefined && allow.every(rule => rule.spiffeId === undefined && rule.san === undefined)) {
    complain('clients/bundle', 'nothing, as no rule is about a name', 'a value')
  }
  return complaints
}
