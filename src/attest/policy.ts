// Is a genuine enclave one that we want behind us? A rule, and the judgement of verified claims by it.
//
// Every reason for a refusal comes at once; nothing here throws. There is no default that accepts anybody, and what must
// never be an upstream (another postern, this enclave, this very certificate) is refused whatever else the rule says:
// forwarding to it would be a loop, or another tenant's postern that forwards elsewhere.

import { toHex } from '../base/bytes.ts'
import type { Role } from './bind.ts'
import type { Claims, EvidenceFacts, Judgement, Reason, ReportBody } from './evidence.ts'

/** An enclave that may answer; measurements are 64 hex digits. `until`: milliseconds since the epoch, then it may not. */
export type AcceptedEnclave =
  | { readonly mrenclave: string; readonly until?: number | undefined }
  | {
      readonly mrsigner: string
      readonly isvProdId: number
      readonly minIsvSvn: number
      readonly until?: number | undefined
    }

/** What a container that we forward to must be. A rule with no enclaves accepts nobody. */
export interface PeerRule {
  readonly enclaves: readonly AcceptedEnclave[]
  /** The memory of a debug enclave is open to its host. */
  readonly dangerAllowDebug: boolean
  /** Evidence with no hardware behind it. */
  readonly dangerAcceptSynthetic: boolean
  /** Required postern-role; undefined asks for none, which is all that a foreign peer can satisfy. */
  readonly role?: Exclude<Role, 'proxy'> | undefined
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

/**
 * Judges claims that verifyQuote made, with the evidence facts of the same certificate.
 * @param at milliseconds since the epoch
 * @returns `until` is the end of the claims' window or of the matching enclave entry, whichever comes first
 */
export function judge(claims: Claims, evidence: EvidenceFacts, rule: PeerRule, at: number): Judgement {
  const match = matchEnclave(claims.body, rule.enclaves, at)
  const [first, ...rest] = [
    ...windowReasons(claims, at),
    ...match.reasons,
    ...attributeReasons(claims.body.attributes.flags, rule),
    ...syntheticReasons(claims, rule),
    ...ownReasons(claims.body, evidence, rule),
    ...claimReasons(evidence, rule),
  ]
  if (first) return { accepted: false, reasons: [first, ...rest] }
  return { accepted: true, claims, until: Math.min(claims.window.until, match.until) }
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
  if ('mrenclave' in entry) return unequal('mrenclave', entry.mrenclave, toHex(body.mrenclave))
  return (
    unequal('mrsigner', entry.mrsigner, toHex(body.mrsigner)) ??
    unequal('isv-prod-id', String(entry.isvProdId), String(body.isvProdId)) ??
    (body.isvSvn >= entry.minIsvSvn
      ? undefined
      : { rule: 'isv-svn', want: `at least ${entry.minIsvSvn}`, got: String(body.isvSvn) })
  )
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
  if (evidence.postern?.role === 'proxy') {
    reasons.push({ rule: 'role-proxy', want: 'no proxy behind a proxy', got: 'proxy' })
  }
  return reasons
}

/** Legacy evidence carries no claims, so a rule that asks for one refuses it. */
function claimReasons({ format, postern }: EvidenceFacts, rule: PeerRule): Reason[] {
  const none = format === 'legacy' ? 'legacy evidence, which carries no claims' : 'no such claim'
  const reasons = [
    rule.role === undefined ? undefined : exactly('role', rule.role, postern?.role ?? none),
    rule.service === undefined ? undefined : exactly('service', rule.service, postern?.service ?? none),
    // Evidence made for a challenge or a sealing key says nothing about a TLS certificate.
    postern === undefined || postern.use === 'tls' || postern.use === 'csr'
      ? undefined
      : { rule: 'use', want: 'tls or csr', got: postern.use },
  ]
  return reasons.filter(reason => reason !== undefined)
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

/** ISO 8601, and the number itself where it is no date. */
export function dateText(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms)
}
