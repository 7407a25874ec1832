// The store that a policy asks for: its sources in its order, its dates.

import type { FloorClock } from '../base/floor.ts'
import { folderSource } from './folder.ts'
import type { News } from './news.ts'
import { serviceSource } from './service.ts'
import type { Source } from './source.ts'
import { CollateralStore } from './store.ts'

/** Where collateral may come from. */
export type SourceRule =
  | {
      readonly kind: 'pcs' | 'pccs' | 'azure'
      /** Where its routes begin. */
      readonly at: string
      /** Where the root's list is; undefined: at a route of the service's own. */
      readonly rootCrlAt: string | undefined
    }
  /** `at`: its path. */
  | { readonly kind: 'directory'; readonly at: string }
  /** What a peer brings along in its certificate. */
  | { readonly kind: 'stapled' }

/** What a policy says about collateral. */
export interface CollateralRules {
  /** In the order in which they are asked; none: hardware evidence cannot be verified. */
  readonly sources: readonly SourceRule[]
  /** Which evaluation data is asked for; a number: that, and no other. */
  readonly evaluation: 'standard' | 'early' | number
  /** Undefined: as old as it says itself. */
  readonly maxAgeMs: number | undefined
  /** How long it is used after its next update; named as in the policy, since the first log line names it. */
  readonly dangerPastNextUpdateSeconds: number
}

/** @param root DER of the trust anchor */
export function openStore(
  rules: CollateralRules,
  root: Uint8Array,
  clock: FloorClock,
  report: (news: News) => void,
): CollateralStore {
  const { evaluation, maxAgeMs, dangerPastNextUpdateSeconds } = rules
  return new CollateralStore({
    root,
    // What peers bring along comes with them.
    sources: rules.sources.flatMap((rule): Source[] => {
      if (rule.kind === 'stapled') return []
      if (rule.kind === 'directory') return [folderSource(rule.at, clock)]
      return [serviceSource({ ...rule, evaluation, clock })]
    }),
    clock,
    pastNextUpdateMs: dangerPastNextUpdateSeconds * 1000,
    maxAgeMs,
    evaluationDataNumber: typeof evaluation === 'number' ? evaluation : undefined,
    report,
  })
}
