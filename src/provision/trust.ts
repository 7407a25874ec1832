// What evidence is judged against here: Intel's root with collateral for the machine's model, or the root that the options
// name for synthetic evidence.

import { modelOfQuote, type Trust } from '../attest/peer.ts'
import { intelRoot } from '../attest/root.ts'
import type { FloorClock } from '../base/floor.ts'
import type { News } from '../collateral/news.ts'
import { openStore } from '../collateral/open.ts'
import type { ProvisionOptions } from '../config/provision.ts'

export type TrustFor = (quote: Uint8Array) => Promise<Trust>

/** @returns throws Fault where there is no collateral for the machine that a quote is from */
export function trustIn(
  { collateral, dangerSyntheticRoot: synthetic }: ProvisionOptions,
  clock: FloorClock,
  report: (news: News) => void,
): TrustFor {
  if (synthetic) return async () => ({ root: synthetic, collateral: { kind: 'synthetic' } })
  const root = intelRoot()
  const store = openStore(collateral, root, clock, report)
  return async quote => ({
    root,
    collateral: await store.provide(modelOfQuote(quote, root)),
    pastNextUpdateMs: collateral.dangerPastNextUpdateSeconds * 1000,
  })
}
