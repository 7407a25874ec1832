// Is a genuine enclave one that we want behind us? A rule, and the judgement of verified claims by it.
//
// Every reason for a refusal comes at once; nothing here throws. There is no default that accepts anybody, and what must
// never be an upstream (another postern, this enclave, this very certificate) is refused whatever else the rule says:
// forwarding to it would be a loop, or another tenant's postern that forwards elsewhere.

import { toHex } from '../base/bytes.ts'
import type { Role } from './bind.ts'
import type { Claims, EvidenceFacts, Judgement, Reason, ReportBody } from './evidence.ts'
import { agesAt, dateText, platformReasons, strictTcb, type TcbRule, tcbReasons } from './tcb-policy.ts'

/** Fields of Key Separation and Sharing, hex; undefined asks for nothing. */
export interface KssFields {
  readonly isvExtProdId?: string | undefined // 16 bytes
  readonly isvFamilyId?: string | undefined // 16 bytes
  readonly configId?: string | undefined // 64 bytes
  readonly minConfigSvn?: number | undefined
}

/** An enclave that may answer; measurements are 64 hex digits. `until`: milliseconds since the epoch, then it may not. */
export type AcceptedEnclave = KssFields & { readonly until?: number | undefined } & (
    | { readonly mrenclave: string }
    | { readonly mrsigner: string; readonly isvProdId: number; readonly minIsvSvn: number }
  )

/** What a container that we forward to must be. A rule with no enclaves accepts nobody. */
export interface PeerRule {
  readonly enclaves: readonly AcceptedEnclave[]
  /** The memory of a debug enclave is open to its host. */
  readonly dangerAllowDebug: boolean
  /** Evidence with no hardware behind it: every root but Intel's. */
  readonly dangerAcceptSynthetic: boolean
  /** What the platform must be worth; undefined: up to date. */
  readonly tcb?: TcbRule | undefined
  /** How old collateral may be, whatever date it names itself; undefined: as old as it says. */
  readonly maxCollateralAgeMs?: number | undefined
  /** Machines, by platform instance id or PPID, hex; none: any. */
  readonly platforms?: readonly string[] | undefined
  /** Digests of the policies that a peer may run under, hex; none: any, and foreign peers too. */
  readonly policyDigests?: readonly string[] | undefined
  /**
   * Required postern-role; undefined asks for none, which is all that a foreign peer can satisfy. 'proxy' is for whoever
   * is called by one: no other rule accepts a proxy.
   */
  readonly role?: Role | undefined
  /** Required postern-service; undefined asks for none. */
  readonly service?: string | undefined
  /** Our own: what is refused even where an entry above covers it. */
  readonly refuse: {
    /** SHA-256 of the DER of each certificate that we show, hex. */
    readonly leafSha256s: readonly string[]
    /** Our own measurement, hex; undefined only where there is no TEE to ask. */
    readonly mrenclave: string | undefined
  }
}

const attribute = {
  init: 0x01n,
  debug: 0x02n,
  mode64: 0x04n,
  provisionKey: 0x10n,
  einittokenKey: 0x20n,
} as const

/** Where evidence was shown, and what it must have been made for there. */
const usesOf = { certificate: ['tls', 'csr'], answer: ['challenge'], request: ['csr'] } as const
export type Shown = keyof typeof usesOf

/**
 * Judges claims that verifyQuote made, with the evidence facts of the same certificate.
 * @param at milliseconds since the epoch
 * @param shown in a certificate, as the answer to a challenge, or with a request for a certificate: evidence made for one
 *   counts for no other
 * @returns `until` is the end of the claims' window, of the collateral's age or of the matching enclave entry, whichever
 *   comes first
 */
export function judge(
  claims: Claims,
  evidence: EvidenceFacts,
  rule: PeerRule,
  at: number,
  shown: Shown = 'certificate',
): Judgement {
  // Rules name enclaves; a TDX guest is none, whatever else may be true of it.
  if (claims.tee !== 'sgx') return { accepted: false, reasons: [{ rule: 'tee', want: 'sgx', got: claims.tee }] }
  const match = matchEnclave(claims.body, rule.enclaves, at)
  const oldAt = agesAt(claims, rule.maxCollateralAgeMs)
  const [first, ...rest] = [
    ...windowReasons(claims, at),
    ...match.reasons,
    ...attributeReasons(claims.body.attributes.flags, rule),
    ...syntheticReasons(claims, rule),
    ...tcbReasons(claims, rule.tcb ?? strictTcb),
    ...ageReasons(oldAt, at),
    ...platformReasons(claims.platform, rule.platforms ?? []),
    ...ownReasons(claims.body, evidence, rule),
    ...claimReasons(evidence, rule, shown),
  ]
  if (first) return { accepted: false, reasons: [first, ...rest] }
  return {
    accepted: true,
    claims,
    until: Math.min(claims.window.until, match.until, oldAt ?? Number.POSITIVE_INFINITY),
  }
}

function ageReasons(oldAt: number | undefined, at: number): Reason[] {
  // Written so that an age which is not a number has passed.
  if (oldAt === undefined || at <= oldAt) return []
  return [{ rule: 'collateral-age', want: `used until ${dateText(oldAt)}`, got: dateText(at) }]
}

function windowReasons({ window }: Claims, at: number): Reason[] {
  if (window.from <= at && at <= window.until) return []
  return [{ rule: 'window', want: `${dateText(window.from)} to ${dateText(window.until)}`, got: dateText(at) }]
}

/** The best entry wins: among those that match, the one that holds longest. */
function matchEnclave(
  body: ReportBody,
  enclaves: readonly AcceptedEnclave[],
  at: number,
): { readonly until: number; readonly reasons: readonly Reason[] } {
  if (enclaves.length === 0) {
    return { until: 0, reasons: [{ rule: 'enclaves', want: 'an accepted enclave in the rule', got: 'none' }] }
  }
  const reasons = enclaves.map(entry => enclaveReason(body, entry))
  const ends = enclaves.filter((_, i) => reasons[i] === undefined).map(entry => entry.until ?? Number.POSITIVE_INFINITY)
  if (ends.length === 0) return { until: 0, reasons: reasons.filter(reason => reason !== undefined) }
  const until = Math.max(...ends)
  // Written so that an end which is not a number has passed.
  if (at <= until) return { until, reasons: [] }
  return { until, reasons: [{ rule: 'enclave-expired', want: `used until ${dateText(until)}`, got: dateText(at) }] }
}

/** Why this entry does not cover the enclave; undefined where it does. Its end is not looked at. */
function enclaveReason(body: ReportBody, entry: AcceptedEnclave): Reason | undefined {
  const kss = kssReason(body, entry)
  if ('mrenclave' in entry) return unequal('mrenclave', entry.mrenclave, toHex(body.mrenclave)) ?? kss
  return (
    unequal('mrsigner', entry.mrsigner, toHex(body.mrsigner)) ??
    unequal('isv-prod-id', String(entry.isvProdId), String(body.isvProdId)) ??
    atLeast('isv-svn', entry.minIsvSvn, body.isvSvn) ??
    kss
  )
}

function kssReason(body: ReportBody, entry: KssFields): Reason | undefined {
  const { isvExtProdId, isvFamilyId, configId, minConfigSvn } = entry
  return (
    (isvExtProdId === undefined ? undefined : unequal('isv-ext-prod-id', isvExtProdId, toHex(body.isvExtProdId))) ??
    (isvFamilyId === undefined ? undefined : unequal('isv-family-id', isvFamilyId, toHex(body.isvFamilyId))) ??
    (configId === undefined ? undefined : unequal('config-id', configId, toHex(body.configId))) ??
    (minConfigSvn === undefined ? undefined : atLeast('config-svn', minConfigSvn, body.configSvn))
  )
}

/** Written so that a floor which is not a number accepts nothing. */
function atLeast(rule: string, floor: number, got: number): Reason | undefined {
  return got >= floor ? undefined : { rule, want: `at least ${floor}`, got: String(got) }
}

function attributeReasons(flags: bigint, rule: PeerRule): Reason[] {
  const table: readonly (readonly [name: string, bit: bigint, want: 'on' | 'off'])[] = [
    ['init', attribute.init, 'on'],
    ['mode64', attribute.mode64, 'on'],
    ['provision-key', attribute.provisionKey, 'off'],
    ['einittoken-key', attribute.einittokenKey, 'off'],
    ...(rule.dangerAllowDebug ? [] : [['debug', attribute.debug, 'off'] as const]),
  ]
  return table.flatMap(([name, bit, want]) => {
    const got = (flags & bit) === 0n ? 'off' : 'on'
    return got === want ? [] : [{ rule: name, want, got }]
  })
}

function syntheticReasons(claims: Claims, rule: PeerRule): Reason[] {
  if (!claims.synthetic || rule.dangerAcceptSynthetic) return []
  return [{ rule: 'synthetic', want: 'evidence from hardware', got: 'synthetic evidence' }]
}

function ownReasons(body: ReportBody, evidence: EvidenceFacts, rule: PeerRule): Reason[] {
  const reasons: Reason[] = []
  const { leafSha256s, mrenclave } = rule.refuse
  if (mrenclave !== undefined && same(mrenclave, toHex(body.mrenclave))) {
    reasons.push({ rule: 'own-measurement', want: 'another enclave than this one', got: toHex(body.mrenclave) })
  }
  if (leafSha256s.some(own => same(own, evidence.leafSha256))) {
    reasons.push({ rule: 'own-certificate', want: "another certificate than this proxy's", got: evidence.leafSha256 })
  }
  if (evidence.postern?.role === 'proxy' && rule.role !== 'proxy') {
    reasons.push({ rule: 'role-proxy', want: 'no proxy behind a proxy', got: 'proxy' })
  }
  return reasons
}

/** Legacy evidence carries no claims, so a rule that asks for one refuses it. */
function claimReasons({ format, postern }: EvidenceFacts, rule: PeerRule, shown: Shown): Reason[] {
  const none = format === 'tagged' ? 'no such claim' : `${format} evidence, which carries no claims`
  const reasons = [
    rule.role === undefined ? undefined : exactly('role', rule.role, postern?.role ?? none),
    rule.service === undefined ? undefined : exactly('service', rule.service, postern?.service ?? none),
    digestReason(rule.policyDigests ?? [], postern && toHex(postern.policyDigest), none),
    // A foreign peer's certificate says nothing about its use; an answer that does not was never made for us.
    postern === undefined && shown === 'certificate' ? undefined : useReason(postern?.use ?? none, usesOf[shown]),
  ]
  return reasons.filter(reason => reason !== undefined)
}

/** Evidence made for a challenge or a sealing key says nothing about a TLS certificate, nor the other way round. */
function useReason(use: string, uses: readonly string[]): Reason | undefined {
  return uses.includes(use) ? undefined : { rule: 'use', want: uses.join(' or '), got: use }
}

function digestReason(wanted: readonly string[], got: string | undefined, none: string): Reason | undefined {
  if (wanted.length === 0 || (got !== undefined && wanted.some(each => same(each, got)))) return undefined
  return { rule: 'policy', want: wanted.join(' or '), got: got ?? none }
}

function exactly(rule: string, want: string, got: string): Reason | undefined {
  return want === got ? undefined : { rule, want, got }
}

function unequal(rule: string, want: string, got: string): Reason | undefined {
  return same(want, got) ? undefined : { rule, want, got }
}

/** Hex has two spellings; a refusal must not be lost to one of them. */
function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}
