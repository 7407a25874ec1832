// What a well-formed policy must also be: made of what this version does, and of keys that go together. A key that would
// be ignored is refused by name, since an operator who wrote it relies on it. Yields the trust in the container as one
// value that holds what its mode needs and nothing else.

import type { AcceptedEnclave } from '../attest/policy.ts'
import type { TcbRule } from '../attest/tcb-policy.ts'
import { clientComplaints } from './clients.ts'
import type { PolicyDocument } from './policy-shape.ts'
import { type Complaint, show } from './shape.ts'
import { narrowingOf, narrowings } from './signed/narrowing.ts'
import { vaultComplaints } from './vault.ts'

/** A set of enclaves. Measurements are lower-case hex. */
export interface Peers {
  readonly enclaves: readonly AcceptedEnclave[]
  readonly tcb: TcbRule
  /** Platform instance ids or PPIDs, lower-case hex; empty: any. */
  readonly platforms: readonly string[]
  /** Lower-case hex; empty: any. */
  readonly policyDigests: readonly string[]
  readonly dangerAllowDebug: boolean
}

/** How the container is trusted; each way carries what it needs and nothing else. */
export type Trust =
  | {
      readonly mode: 'attested'
      /**
       * `service`: the attesting CA has issued its certificate, to a container of our service, on our machine.
       * `measurement`: whoever has the measurement will do.
       */
      readonly trust: 'service' | 'measurement'
      /**
       * `issued`: a certificate of our own attesting CA, of a day at most. `challenge`: each connection, before its first
       * request, is answered with evidence made for it.
       */
      readonly freshness: 'issued' | 'challenge' | 'none'
      /** Key of `peers`, for logs. */
      readonly accept: string
      /** What `accept` names; never empty. */
      readonly accepted: Peers
    }
  /** `bundle`: PEM certificates. `san`: the name that the container's certificate must carry. */
  | { readonly mode: 'ca'; readonly bundle: readonly string[]; readonly san: string }
  /** SHA-256 of the SPKI's DER, lower-case hex; never empty. */
  | { readonly mode: 'pinned'; readonly pins: readonly string[] }
  | { readonly mode: 'plaintext' }

/** What the format knows and this version does not do, wherever a policy asks for it. */
export function unimplemented(document: PolicyDocument): Complaint[] {
  const { observe } = document
  const only = 'this version does only '
  const asked: readonly (readonly [asked: boolean, path: string, want: string, got: unknown])[] = [
    [observe.otlp !== null, '/observe/otlp', `${only}null`, observe.otlp],
    [observe.sealTo !== null, '/observe/sealTo', `${only}null`, observe.sealTo],
  ]
  return asked.filter(([set]) => set).map(([, path, want, got]) => ({ path, want, got: show(got) }))
}

/** Keys that do not go together, where no other function looks at them. */
export function contradictions(document: PolicyDocument): Complaint[] {
  const { name, inbound, identity, upstream, observe, dangerSyntheticRoot } = document
  const complaints: Complaint[] = []
  if (dangerSyntheticRoot !== undefined && name !== 'demo') {
    complaints.push({ path: '/dangerSyntheticRoot', want: 'nothing, as the policy is not named demo', got: 'a root' })
  }
  if (identity.source === 'files' && !identity.dangerAcceptForeignKey) {
    const want = 'true, as with /identity/source "files" the private key is born outside'
    complaints.push({ path: '/identity/dangerAcceptForeignKey', want, got: 'false' })
  }
  complaints.push(...vaultComplaints(document), ...clientComplaints(document))
  if (dangerSyntheticRoot !== undefined && document.collateral.sources.length > 0) {
    const want = 'nothing, as there is no collateral for synthetic evidence'
    complaints.push({ path: '/collateral/sources', want, got: show(document.collateral.sources) })
  }
  for (const [peer, { tcb }] of Object.entries(document.peers)) {
    if (tcb.profile === 'swHardeningOk' || tcb.advisories.length === 0) continue
    const want = `nothing, as the profile is "${tcb.profile}"`
    complaints.push({ path: `/peers/${peer}/tcb/advisories`, want, got: show(tcb.advisories) })
  }
  if (upstream.mode === 'plaintext' && upstream.clientCertificate) {
    complaints.push({ path: '/upstream/clientCertificate', want: 'false, as mode is "plaintext"', got: 'true' })
  }
  if (upstream.mode === 'plaintext' && upstream.protocol === 'auto') {
    const want = 'another one, as only over TLS (ALPN) a container says what it speaks'
    complaints.push({ path: '/upstream/protocol', want, got: 'auto' })
  }
  if (upstream.upgrade.allow.includes('*') && upstream.upgrade.allow.length > 1) {
    complaints.push({ path: '/upstream/upgrade/allow', want: '"*" alone', got: show(upstream.upgrade.allow) })
  }
  if (inbound.http2.extendedConnect && (upstream.upgrade.allow.length === 0 || upstream.protocol === 'h2')) {
    const why =
      upstream.protocol === 'h2' ? 'a tunnel needs a container of HTTP/1.1' : '/upstream/upgrade/allow is empty'
    complaints.push({ path: '/inbound/http2/extendedConnect', want: `false, as ${why}`, got: 'true' })
  }
  if (observe.allow.includes('*') && observe.allow.length > 1) {
    complaints.push({ path: '/observe/allow', want: '"*" alone', got: show(observe.allow) })
  }
  return [...complaints, ...signersComplaints(document)]
}

/** Signers that could sign nothing, and keys about signing that do nothing without the others. */
function signersComplaints({ signed, peers }: PolicyDocument): Complaint[] {
  const { required, from, signers } = signed
  const complaints: Complaint[] = []
  const complain = (path: string, want: string, got: unknown): void => {
    complaints.push({ path: `/signed/${path}`, want, got: show(got) })
  }
  if (required && signers.length === 0) complain('signers', 'a signer, as /signed/required is true', [])
  if (from.length > 0 && signers.length === 0) complain('from', 'nothing, as there are no signers', from)
  if (from.length === 0 && signers.length > 0) complain('from', 'a place to look for what they sign', from)
  for (const [i, { kid, services, may }] of signers.entries()) {
    if (signers.findIndex(each => each.kid === kid) !== i) complain(`signers/${i}/kid`, 'a name of its own', kid)
    if (services.length === 0) complain(`signers/${i}/services`, 'a service that it signs for', services)
    for (const path of may) {
      const [first, peer = ''] = path.split('.')
      if (narrowingOf(path) === undefined) complain(`signers/${i}/may`, `one of ${grantable}`, path)
      else if (first === 'peers' && !Object.hasOwn(peers, peer)) complain(`signers/${i}/may`, 'a key of /peers', path)
    }
  }
  return complaints
}

const grantable = narrowings.map(({ path }) => path.replace('*', '<name>')).join(', ')

/** Which keys of `upstream` belong to which mode. A key of another mode would be ignored, so it is refused. */
const keysOf = {
  attested: ['trust', 'freshness', 'accept'],
  ca: ['ca'],
  pinned: ['pins'],
  plaintext: [],
} as const

/** The trust in the container, or undefined after at least one complaint. */
export function trustOf(document: PolicyDocument, complaints: Complaint[]): Trust | undefined {
  const { upstream } = document
  const { mode } = upstream
  const own: readonly string[] = keysOf[mode]
  for (const key of Object.values(keysOf).flat()) {
    if (upstream[key] === undefined || own.includes(key)) continue
    complaints.push({ path: `/upstream/${key}`, want: `nothing, as mode is "${mode}"`, got: 'a value' })
  }
  switch (mode) {
    case 'attested':
      return attested(document, complaints)
    case 'ca':
      if (upstream.ca !== undefined) {
        return { mode, bundle: upstream.ca.bundle.map(each => each.toString()), san: upstream.ca.san }
      }
      complaints.push({ path: '/upstream/ca', want: 'bundle and san, as mode is "ca"', got: 'nothing' })
      return undefined
    case 'pinned':
      if (upstream.pins !== undefined && upstream.pins.length > 0) return { mode, pins: upstream.pins }
      complaints.push({ path: '/upstream/pins', want: 'at least one pin, as mode is "pinned"', got: 'none' })
      return undefined
    case 'plaintext':
      return { mode }
  }
}

/**
 * The defaults of `trust` and `freshness` are the strong ones, `service` and `issued`. Both need a certificate of our own
 * from the attesting CA, so a policy without one must say another choice in so many words; nobody gets it by leaving a key
 * out. The shipped `confidential` says both; `challenge` needs a container that answers, so nobody gets that without asking
 * for it either.
 */
function attested(
  { upstream, peers, identity: { source } }: PolicyDocument,
  complaints: Complaint[],
): Trust | undefined {
  const { trust = 'service', freshness = 'issued', accept } = upstream
  if (trust === 'service' && source !== 'provision') {
    const want = `"measurement", as "service" (the default) needs /identity/source "provision", not "${source}"`
    complaints.push({ path: '/upstream/trust', want, got: show(trust) })
  }
  if (freshness === 'issued' && source !== 'provision') {
    const want = `"challenge" or "none", as "issued" (the default) needs /identity/source "provision", not "${source}"`
    complaints.push({ path: '/upstream/freshness', want, got: show(freshness) })
  }
  const peer = accept === undefined ? undefined : peers[accept]
  if (accept === undefined || peer === undefined) {
    complaints.push({ path: '/upstream/accept', want: 'a key of /peers', got: show(accept) })
    return undefined
  }
  return { mode: 'attested', trust, freshness, accept, accepted: peersOf(peer) }
}

/** What a peers entry asks of a peer, as the judge of evidence reads it. */
export function peersOf(peer: PolicyDocument['peers'][string]): Peers {
  const { enclaves, tcb, platforms, policyDigests, dangerAllowDebug } = peer
  const floors = {
    tcbInfo: tcb.minEvaluationDataNumber?.tcbInfo,
    qeIdentity: tcb.minEvaluationDataNumber?.qeIdentity,
    rootCrl: tcb.minCrlNumber?.root,
    pckCrl: tcb.minCrlNumber?.pck,
    tcbDate: tcb.minTcbDate ?? undefined,
    issuedAt: tcb.minIssueDate ?? undefined,
  }
  const { profile, advisories } = tcb
  return { enclaves, tcb: { profile, advisories, floors }, platforms, policyDigests, dangerAllowDebug }
}
