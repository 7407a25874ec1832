// Intel's collateral, as the role has it: the store that the policy asks for, and what it tells the operator, who has to
// see that renewal fails while everything still works, and until when it will.

import { needsOf, type Trust } from '../attest/peer.ts'
import { intelRoot } from '../attest/root.ts'
import { Fault } from '../base/errors.ts'
import type { FloorClock } from '../base/floor.ts'
import type { Log } from '../base/log.ts'
import type { News } from '../collateral/news.ts'
import { openStore } from '../collateral/open.ts'
import type { CollateralStore } from '../collateral/store.ts'
import type { Policy } from '../config/policy.ts'
import type { Metrics } from '../observe/metrics.ts'

/** The store, one for all who are judged by evidence; undefined where the policy needs or names no collateral. */
export function openCollateral(
  policy: Policy,
  clock: FloorClock,
  report: (news: News) => void,
): CollateralStore | undefined {
  const { collateral, dangerSyntheticRoot } = policy
  if (!judgesEvidence(policy) || dangerSyntheticRoot || collateral.sources.length === 0) return undefined
  return openStore(collateral, intelRoot(), clock, report)
}

/** Whether the container, the issuer of our certificate or a client is to be one of the policy's `peers`. */
function judgesEvidence({ upstream, identity: { vault }, inbound: { clients } }: Policy): boolean {
  return (
    upstream.mode === 'attested' ||
    (vault !== undefined && 'accept' in vault.server) ||
    clients?.allow.some(({ accept }) => accept !== undefined) === true
  )
}

/** Tells log and metrics what happens. */
export function tellCollateral(log: Log, metrics: Pick<Metrics, 'collateralAsked'>): (news: News) => void {
  const date = (ms: number | undefined): string | undefined =>
    ms === undefined ? undefined : new Date(ms).toISOString()
  return told => {
    switch (told.news) {
      case 'asked':
        // Where it is stands in the log; a metric's label takes its kind alone.
        return metrics.collateralAsked(told.source.split(' ', 1)[0] ?? '', told.outcome)
      case 'in-force': {
        const { what, source, number, issued, until, past } = told
        const fields = { what, source, number, issued: date(issued), nextUpdate: date(until) }
        if (past) log.error('collateral past its next update in force, DANGEROUSLY', fields)
        else log.info('collateral in force', fields)
        return
      }
      case 'not-taken': {
        const { what, reason, until } = told
        const fields = { what, reason, inForceUntil: date(until) ?? 'nothing is: whoever needs it is refused' }
        return log.error('collateral not taken', fields)
      }
      case 'well-again':
        return log.info('collateral well again', { what: told.what, source: told.source })
    }
  }
}

/**
 * What peers are judged against.
 * @returns gives the trust for a peer's certificate, with its model's collateral at hand; throws Fault where there is none
 */
export function trustIn(
  { collateral, dangerSyntheticRoot: synthetic }: Policy,
  store: CollateralStore | undefined,
): (leaf: Uint8Array) => Promise<Trust> {
  const root = intelRoot()
  const stapling = collateral.sources.some(source => source.kind === 'stapled')
  return async leaf => {
    if (synthetic) return { root: synthetic, collateral: { kind: 'synthetic' } }
    if (!store) throw new Fault('collateral-missing', 'the policy names no source of collateral')
    const { model, stapled } = needsOf(leaf, root)
    return {
      root,
      collateral: await store.provide(model, stapling ? stapled() : undefined),
      pastNextUpdateMs: collateral.dangerPastNextUpdateSeconds * 1000,
    }
  }
}
