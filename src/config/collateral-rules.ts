// What a policy says about where collateral may come from, as one value for each source that holds what its kind needs. A
// key that its kind would ignore is refused by name.

import type { CollateralRules, SourceRule } from '../collateral/open.ts'
import type { PolicyDocument } from './policy-shape.ts'
import { type Complaint, show } from './shape.ts'

type Collateral = PolicyDocument['collateral']
type Source = Collateral['sources'][number]

const maxSources = 8
const url = /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/

/** Asked where the policy names no address of its own. */
const defaults = {
  pcs: 'https://api.trustedservices.intel.com',
  azure: 'https://global.acccache.azure.net',
  rootCrl: 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
} as const

/** The rules about collateral; complaints where they make no sense. */
export function collateralOf(collateral: Collateral, complaints: Complaint[]): CollateralRules {
  const { sources, update, evaluationDataNumber, maxAgeSeconds, dangerPastNextUpdateSeconds } = collateral
  if (sources.length > maxSources) {
    complaints.push({ path: '/collateral/sources', want: `at most ${maxSources}`, got: String(sources.length) })
  }
  if (evaluationDataNumber !== null && update !== 'standard') {
    const want = '"standard", as one evaluation data number is asked for'
    complaints.push({ path: '/collateral/update', want, got: show(update) })
  }
  return {
    sources: sources.map((source, i) => sourceOf(source, `/collateral/sources/${i}`, complaints)),
    evaluation: evaluationDataNumber ?? update,
    maxAgeMs: maxAgeSeconds === null ? undefined : maxAgeSeconds * 1000,
    dangerPastNextUpdateSeconds,
  }
}

function sourceOf({ kind, at, rootCrlAt }: Source, path: string, complaints: Complaint[]): SourceRule {
  const complain = (key: string, want: string, got: string | undefined): void => {
    complaints.push({ path: `${path}/${key}`, want, got: show(got) })
  }
  if (rootCrlAt !== undefined && kind !== 'pcs') complain('rootCrlAt', `nothing, as kind is "${kind}"`, rootCrlAt)
  switch (kind) {
    case 'stapled':
      if (at !== undefined) complain('at', 'nothing, as kind is "stapled"', at)
      return { kind }
    case 'directory':
      if (at === undefined) complain('at', "the directory's path", at)
      return { kind, at: at ?? '' }
    case 'pccs':
      if (at === undefined) complain('at', 'the URL of the PCCS', at)
  }
  const from = at ?? (kind === 'azure' ? defaults.azure : defaults.pcs)
  const list = kind === 'pcs' ? (rootCrlAt ?? defaults.rootCrl) : undefined
  for (const [key, value] of Object.entries({ at: from, rootCrlAt: list })) {
    if (value !== undefined && !(url.test(value) && URL.canParse(value))) {
      complain(key, 'an http or https URL without user, query and fragment', value)
    }
  }
  return { kind, at: from, rootCrlAt: list }
}
