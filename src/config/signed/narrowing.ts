// Which keys of the base policy a signed one may set, and what makes a value of each no wider than the base's: the table,
// one row a key. What has no row can be set by nobody: plain ports, identity, mode and trust of the upstream, sources of
// collateral, signers, and anything that begins with `danger`.
//
// Some keys can be left open by the base: then the operator leaves it to the signer whom to name, unless the signer may
// only narrow. Two whole documents are compared, not the grants, so that no merge can widen what it was not asked to.

import type { AcceptedEnclave, KssFields } from '../../attest/policy.ts'
import type { PolicyDocument } from '../policy-shape.ts'
import { type Complaint, show } from '../shape.ts'

export interface Narrowing {
  /** Dotted; `*` stands for the name of a peer. */
  readonly path: string
  /** What a value must be, for people. */
  readonly rule: string
  /** True where the second value is no wider than the first. Values as the policy's shape reads them. */
  readonly narrower: (base: unknown, effective: unknown) => boolean
  /** True where the base leaves the key to its signers. */
  readonly open?: (base: unknown) => boolean
}

/** A row over values of one type: what the shape reads at its path. */
function row<T>(
  path: string,
  rule: string,
  narrower: (base: T, effective: T) => boolean,
  open?: (base: T) => boolean,
): Narrowing {
  return { path, rule, narrower, ...(open && { open }) } as Narrowing
}

type Texts = readonly string[]
const none = (base: unknown): boolean =>
  base === undefined || base === null || (Array.isArray(base) && base.length === 0)
const within = (base: Texts, effective: Texts): boolean => effective.every(each => base.includes(each))
/** A list where none means any. */
const anyOrWithin = (base: Texts, effective: Texts): boolean =>
  base.length === 0 || (effective.length > 0 && within(base, effective))
const starOrWithin = (base: Texts, effective: Texts): boolean => base.includes('*') || within(base, effective)
const atMost = (base: number | null, effective: number | null): boolean =>
  base === null || (effective !== null && effective <= base)
const atLeast = (base: number | null, effective: number | null): boolean =>
  base === null || (effective !== null && effective >= base)
type Floors = Readonly<Record<string, number>> | null
const allAtLeast = (base: Floors, effective: Floors): boolean =>
  base === null ||
  (effective !== null && Object.entries(base).every(([name, floor]) => (effective[name] ?? -1) >= floor))
/** One of these, the narrowest first. */
const ranked =
  (ranks: Texts) =>
  (base = '', effective = ''): boolean =>
    ranks.includes(effective) && ranks.indexOf(effective) <= ranks.indexOf(base)
const anyOrSame = (base = 'issued', effective = 'issued'): boolean => base === 'none' || base === effective
const same = (base: unknown, effective: unknown): boolean => JSON.stringify(base) === JSON.stringify(effective)

/** True where whoever the second entry accepts, the first accepts too. */
function covered(base: AcceptedEnclave, entry: AcceptedEnclave): boolean {
  if ('mrenclave' in base || 'mrenclave' in entry) {
    if (!('mrenclave' in base && 'mrenclave' in entry) || base.mrenclave !== entry.mrenclave) return false
  } else if (
    base.mrsigner !== entry.mrsigner ||
    base.isvProdId !== entry.isvProdId ||
    entry.minIsvSvn < base.minIsvSvn
  ) {
    return false
  }
  const kept = (['isvExtProdId', 'isvFamilyId', 'configId'] as const satisfies readonly (keyof KssFields)[]).every(
    name => base[name] === undefined || base[name] === entry[name],
  )
  const svn = base.minConfigSvn === undefined || (entry.minConfigSvn ?? -1) >= base.minConfigSvn
  return kept && svn && (base.until === undefined || (entry.until ?? Number.POSITIVE_INFINITY) <= base.until)
}

type Enclaves = readonly AcceptedEnclave[]
const enclavesCovered = (base: Enclaves, effective: Enclaves): boolean =>
  effective.every(entry => base.some(each => covered(each, entry)))

export const narrowings: readonly Narrowing[] = [
  row('service', 'the same; any that its signer may where the base names none', same, none),
  row('hosts', 'some of them; any where the base names none', anyOrWithin),
  row('limits.concurrency', 'at most', atMost),
  row('inbound.strip', 'all of them, and more', (base: Texts, effective: Texts) => within(effective, base)),
  row('upstream.maxConnectionAgeSeconds', 'at most', atMost),
  row('upstream.allowUnframed', 'false', (base: boolean, effective: boolean) => base || !effective),
  // Neither of the two that ask for something asks for all that the other does: `issued` also asks for our service's name.
  row('upstream.freshness', 'the same; any where the base says none', anyOrSame),
  row('upstream.upgrade.allow', 'some of them', starOrWithin),
  row('upstream.probe', 'the same, or any where the base has none', same, none),
  row(
    'upstream.pins',
    'some of them; any where the base has none',
    (base: Texts = [], effective: Texts = []) => within(base, effective),
    none,
  ),
  row('peers.*.enclaves', 'each covered by one of them; any where the base has none', enclavesCovered, none),
  row(
    'peers.*.tcb.profile',
    'strict, swHardeningOk, dangerOutOfDate: no later one',
    ranked(['strict', 'swHardeningOk', 'dangerOutOfDate']),
  ),
  row('peers.*.tcb.advisories', 'some of them', within),
  row('peers.*.tcb.minEvaluationDataNumber', 'both at least', allAtLeast),
  row('peers.*.tcb.minTcbDate', 'no earlier', atLeast),
  row('peers.*.tcb.minCrlNumber', 'both at least', allAtLeast),
  row('peers.*.tcb.minIssueDate', 'no earlier', atLeast),
  row('peers.*.platforms', 'some of them; any where the base names none', anyOrWithin),
  row('peers.*.policyDigests', 'some of them; any where the base names none', anyOrWithin),
  row('collateral.maxAgeSeconds', 'at most', atMost),
  row('observe.allow', 'some of them', starOrWithin),
]

/** The row of a path, with a peer's name in it; undefined where the path can be set by nobody. */
export function narrowingOf(path: string): Narrowing | undefined {
  const [first, , ...rest] = path.split('.')
  const general = first === 'peers' ? ['peers', '*', ...rest].join('.') : path
  return narrowings.find(each => each.path === general)
}

/**
 * Everything in which the second document is wider than the first; where it differs and no row says how, it is wider.
 * @param fills paths that, where the base leaves them open, may be given any value
 */
export function widenings(base: PolicyDocument, effective: PolicyDocument, fills: readonly string[]): Complaint[] {
  const complaints: Complaint[] = []
  const compare = (before: unknown, after: unknown, path: string): void => {
    const known = narrowingOf(path)
    if (known) {
      const filled = fills.includes(path) && known.open?.(before) === true
      if (!filled && !known.narrower(before, after)) complain(known.rule, before, after, path)
    } else if (isObject(before) && isObject(after)) {
      for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
        compare(before[key], after[key], path === '' ? key : `${path}.${key}`)
      }
    } else if (!same(before, after)) complain('the same', before, after, path)
  }
  const complain = (rule: string, before: unknown, after: unknown, path: string): void => {
    const pointer = `/${path.replaceAll('.', '/')}`
    complaints.push({ path: pointer, want: `${rule}: ${show(before)}`, got: `${show(after)}, which is wider` })
  }
  compare(base, effective, '')
  return complaints
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
