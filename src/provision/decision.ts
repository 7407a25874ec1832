// Does a request get a certificate, and what does it say? A pure function of the request, the connection, the CA's own sets
// and the time. Every name comes out of the CA's sets, found by the digest of the policy that the evidence claims; nothing
// of the request counts but its key, and nothing at all that a host has said.

import { createHmac } from 'node:crypto'
import type { PosternClaims } from '../attest/bind.ts'
import type { Binding } from '../attest/binding.ts'
import { readRequestEvidence } from '../attest/csr.ts'
import type { Platform, Reason, SgxClaims, TcbFacts } from '../attest/evidence.ts'
import { judgeRequest, type RequestOn, reasonOf, type Trust } from '../attest/peer.ts'
import { toHex } from '../base/bytes.ts'
import type { ProvisionOptions } from '../config/provision.ts'
import type { PolicySet, RevocationSet } from '../config/provision-shape.ts'
import type { Usage } from '../identity/x509.ts'

export type Entry = PolicySet['policies'][number]

export interface Rules {
  readonly options: ProvisionOptions
  readonly policies: PolicySet
  readonly revocations: RevocationSet
  /** This CA's own measurement, hex: it is nobody's proxy and nobody's container. */
  readonly mrenclave: string
  /** Makes of a machine's identifiers what stands for it in certificates; secret. */
  readonly platformSalt: Uint8Array
}

/** What a certificate will say. Its key is the request's. */
export interface Grant {
  /** SPIFFE ID, role included. */
  readonly uri: string
  readonly dnsNames: readonly string[]
  readonly usages: readonly Usage[]
  readonly binding: Binding
  /** Milliseconds since the epoch. */
  readonly notAfter: number
}

/** Who asked, as far as is known; for the audit log. Hex. */
export interface Who {
  readonly role?: string | undefined
  readonly service?: string | undefined
  readonly policyDigest?: string | undefined
  readonly mrenclave?: string | undefined
  readonly mrsigner?: string | undefined
  readonly tcbStatus?: string | undefined
}

export type Decision =
  | {
      readonly accepted: true
      readonly who: Who
      /** The entry by which it was granted. */
      readonly entry: Entry
      readonly grant: Grant
      readonly tcb: TcbFacts | undefined
    }
  | { readonly accepted: false; readonly who: Who; readonly reasons: readonly [Reason, ...Reason[]] }

/** @param at milliseconds since the epoch */
export function decide(asked: RequestOn, rules: Rules, trust: Trust, at: number): Decision {
  const found = claimed(asked)
  if ('reason' in found) return { accepted: false, who: {}, reasons: [found.reason] }
  const { claims } = found
  const policyDigest = toHex(claims.policyDigest)
  const who = { role: claims.role, service: claims.service, policyDigest }
  const refuse = (rule: string, want: string, got: string): Decision => ({
    accepted: false,
    who,
    reasons: [{ rule, want, got }],
  })
  const entry = rules.policies.policies.find(each => each.digest === policyDigest && each.role === claims.role)
  if (entry === undefined) {
    return refuse('policy-set', 'a policy of the set, in its role', `${claims.role} under ${policyDigest}`)
  }
  const peers = rules.options.peers.get(entry.accept)
  if (peers === undefined) return refuse('peers', 'enclaves for this policy', 'none')
  const rule = {
    ...peers,
    role: claims.role,
    service: entry.service.id,
    policyDigests: [policyDigest],
    maxCollateralAgeMs: rules.options.collateral.maxAgeMs,
    dangerAcceptSynthetic: rules.options.dangerSyntheticRoot !== undefined,
    refuse: { leafSha256s: [], mrenclave: rules.mrenclave },
  }
  const judgement = judgeRequest(asked, rule, trust, at)
  if (!judgement.accepted) {
    return { accepted: false, who: { ...who, ...seen(judgement.refused) }, reasons: judgement.reasons }
  }
  const known = { ...who, ...seen(judgement.claims) }
  const [first, ...more] = revoked(entry, judgement.claims, rules.revocations)
  if (first) return { accepted: false, who: known, reasons: [first, ...more] }
  const notAfter = Math.min(at + rules.options.lifetimeMs, judgement.until)
  const grant = grantOf(entry, judgement.claims, rules.platformSalt, notAfter)
  return { accepted: true, who: known, entry, grant, tcb: judgement.claims.tcb }
}

/** What the evidence claims; not verified yet, so that it only says which rule to judge it by. */
function claimed({ request, evidence, channel }: RequestOn): { claims: PosternClaims } | { reason: Reason } {
  try {
    const { postern } = readRequestEvidence(evidence, request.spki, channel).evidence
    if (postern) return { claims: postern }
    return { reason: { rule: 'claims', want: 'claims of role and policy', got: 'none' } }
  } catch (error) {
    return { reason: reasonOf(error) }
  }
}

function seen(claims: SgxClaims | undefined): Who {
  if (claims === undefined) return {}
  const { body, tcbStatus } = claims
  return { mrenclave: toHex(body.mrenclave), mrsigner: toHex(body.mrsigner), tcbStatus }
}

function revoked({ digest }: Entry, { body, platform }: SgxClaims, set: RevocationSet): Reason[] {
  const mrenclave = toHex(body.mrenclave)
  const machine = [platform.piid, platform.ppid].find(id => id !== undefined && set.platforms.includes(id))
  return [
    ...(set.policies.includes(digest)
      ? [{ rule: 'policy-revoked', want: 'a policy that was not revoked', got: digest }]
      : []),
    ...(set.enclaves.includes(mrenclave)
      ? [{ rule: 'enclave-revoked', want: 'an enclave that was not revoked', got: mrenclave }]
      : []),
    ...(machine === undefined
      ? []
      : [{ rule: 'platform-revoked', want: 'a machine that was not revoked', got: machine }]),
  ]
}

function grantOf(entry: Entry, { body, platform }: SgxClaims, salt: Uint8Array, notAfter: number): Grant {
  const { role, service, digest, serial } = entry
  return {
    uri: `${service.id}/${role}`,
    dnsNames: role === 'proxy' ? knativeNames(service.namespace) : [],
    // Either may call and be called; which of the two it is, role and names say.
    usages: ['serverAuth', 'clientAuth'],
    binding: {
      role,
      policyDigest: digest,
      tee: 'sgx',
      mrenclave: toHex(body.mrenclave),
      platform: platformTag(platform, salt),
      serial,
    },
    notAfter,
  }
}

/** What Knative's activator looks for in the certificate of a proxy; nobody else ever gets them. */
const knativeNames = (namespace: string): string[] => [`kn-user-${namespace}`, 'data-plane.knative.dev']

/** 16 bytes, hex: equal for equal machines, and telling nothing else of them. */
export function platformTag({ piid, ppid }: Pick<Platform, 'piid' | 'ppid'>, salt: Uint8Array): string {
  return createHmac('sha256', salt)
    .update(Buffer.from(piid ?? ppid, 'hex'))
    .digest('hex')
    .slice(0, 32)
}
