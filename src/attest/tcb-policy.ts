// Is a genuine platform good enough? TCB profiles, floors, the age of collateral, and the list of known machines.
//
// Floors exist because two validly signed truths stand beside each other for a while: the host chooses which collateral
// it hands over, and would choose the friendlier one. A rule that says nothing gets the strict profile.

import type { Claims, Platform, Reason, TcbFacts, TcbStatus } from './evidence.ts'

export const tcbProfiles = ['strict', 'swHardeningOk', 'dangerOutOfDate'] as const
export type TcbProfile = (typeof tcbProfiles)[number]

export interface TcbRule {
  readonly profile: TcbProfile
  /** Accepted advisories where the status is SWHardeningNeeded; only `swHardeningOk` looks at them. */
  readonly advisories: readonly string[]
  readonly floors: TcbFloors
}

/** Lowest values that are accepted; undefined asks for none. Dates are milliseconds since the epoch. */
export interface TcbFloors {
  readonly tcbInfo?: number | undefined
  readonly qeIdentity?: number | undefined
  readonly rootCrl?: number | undefined
  readonly pckCrl?: number | undefined
  /** Of the platform's TCB level. */
  readonly tcbDate?: number | undefined
  /** Of the oldest of TCB info, QE identity and PCK CRL. */
  readonly issuedAt?: number | undefined
}

export const strictTcb: TcbRule = { profile: 'strict', advisories: [], floors: {} }

/** What each profile takes. A status that is not here is refused; Revoked never comes as far as this. */
export const takes: Readonly<Record<TcbProfile, ReadonlySet<TcbStatus>>> = {
  strict: new Set(['UpToDate']),
  swHardeningOk: new Set(['UpToDate', 'SWHardeningNeeded']),
  dangerOutOfDate: new Set([
    'UpToDate',
    'SWHardeningNeeded',
    'ConfigurationNeeded',
    'ConfigurationAndSWHardeningNeeded',
    'OutOfDate',
    'OutOfDateConfigurationNeeded',
  ]),
}

/** Why a platform is not good enough: every reason. Synthetic claims have no TCB; another rule refuses them. */
export function tcbReasons({ tcbStatus, tcb }: Claims, rule: TcbRule): Reason[] {
  if (tcb === undefined) return []
  const reasons: Reason[] = []
  const accepted = takes[rule.profile]
  if (!accepted.has(tcbStatus)) {
    reasons.push({ rule: 'tcb-status', want: [...accepted].join(' or '), got: tcbStatus })
  }
  const strange = tcb.advisoryIds.filter(id => !rule.advisories.includes(id))
  if (rule.profile === 'swHardeningOk' && tcbStatus === 'SWHardeningNeeded' && strange.length > 0) {
    const want = rule.advisories.length > 0 ? `no advisory but ${rule.advisories.join(', ')}` : 'no advisory'
    reasons.push({ rule: 'tcb-advisories', want, got: strange.join(', ') })
  }
  return [...reasons, ...floorReasons(tcb, rule.floors)]
}

function floorReasons(tcb: TcbFacts, floors: TcbFloors): Reason[] {
  const { evaluationDataNumber, crlNumber } = tcb
  const number = (value: number | bigint): string => String(value)
  const date = (value: number | bigint): string => dateText(Number(value))
  const rows: readonly (readonly [
    rule: string,
    floor: number | undefined,
    got: number | bigint,
    show: (value: number | bigint) => string,
  ])[] = [
    ['evaluation-number-tcb-info', floors.tcbInfo, evaluationDataNumber.tcbInfo, number],
    ['evaluation-number-qe-identity', floors.qeIdentity, evaluationDataNumber.qeIdentity, number],
    ['crl-number-root', floors.rootCrl, crlNumber.root, number],
    ['crl-number-pck', floors.pckCrl, crlNumber.pck, number],
    ['tcb-date', floors.tcbDate, tcb.tcbDate, date],
    ['collateral-issued', floors.issuedAt, tcb.issuedAt, date],
  ]
  return rows.flatMap(([rule, floor, got, show]) =>
    // Written so that a floor which is not a number accepts nothing.
    floor === undefined || got >= floor ? [] : [{ rule, want: `at least ${show(floor)}`, got: show(got) }],
  )
}

/**
 * When collateral becomes too old; undefined where nothing says so.
 * @param maxAgeMs undefined for collateral that may be used as long as it holds
 */
export function agesAt({ tcb }: Claims, maxAgeMs: number | undefined): number | undefined {
  return tcb === undefined || maxAgeMs === undefined ? undefined : tcb.issuedAt + maxAgeMs
}

/** Why the machine is none of those listed; an empty list lists every machine. Identifiers are hex, PIID or PPID. */
export function platformReasons({ piid, ppid }: Platform, listed: readonly string[]): Reason[] {
  const known = (id: string | undefined): boolean => id !== undefined && listed.some(each => each.toLowerCase() === id)
  if (listed.length === 0 || known(piid) || known(ppid)) return []
  return [{ rule: 'platform', want: 'a machine of the list', got: piid ?? ppid }]
}

/** ISO 8601, and the number itself where it is no date. */
export function dateText(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms)
}
