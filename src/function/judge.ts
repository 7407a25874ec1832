// Whether a certificate's evidence is that of an enclave which was named: the judgement of clients and of the attesting CA.

import { type CollateralSource, directorySource } from '../attest/directory.ts'
import type { PeerJudgement, Reason } from '../attest/evidence.ts'
import { judgePeer, reasonOf, type Trust } from '../attest/peer.ts'
import type { PeerRule } from '../attest/policy.ts'
import { intelRoot } from '../attest/root.ts'
import { Verdicts } from '../attest/verdicts.ts'
import type { Clock } from '../base/clock.ts'
import type { FunctionEvent } from './options.ts'

/** `until`: milliseconds since the epoch. */
export type Admission =
  | { readonly accepted: true; readonly until: number }
  | { readonly accepted: false; readonly reasons: readonly Reason[] }

/** What evidence is judged against; without collateral, that of the synthetic PKI, which has none. */
export interface Anchor {
  /** DER. */
  readonly root: Uint8Array
  readonly collateral: CollateralSource | undefined
}

export interface EvidenceJudge {
  /** @param leaf DER. Never throws */
  judge(leaf: Uint8Array): Admission
  /** Counts changes of collateral: other collateral is another verdict. */
  generation(): number
}

export function evidenceJudge(rule: PeerRule, { root, collateral }: Anchor, clock: Clock): EvidenceJudge {
  const verdicts = new Verdicts<PeerJudgement>()
  const generation = (): number => collateral?.generation(clock.now()) ?? 0
  generation() // looked at now, so that what is wrong is told at the start
  return {
    generation,
    judge(leaf) {
      const at = clock.now()
      try {
        const trust: Trust = { root, collateral: collateral ? collateral.collateral(at) : { kind: 'synthetic' } }
        // There is one policy for the life of the process.
        const key = { leaf, policyDigest: '', collateralGeneration: generation() }
        return verdicts.find(key, at, () => judgePeer(leaf, rule, trust, at))
      } catch (error) {
        return { accepted: false, reasons: [reasonOf(error)] }
      }
    },
  }
}

/** Intel's, with the collateral of these directories. */
export function intelAnchor(directories: readonly string[], report: (event: FunctionEvent) => void): Anchor {
  const root = intelRoot()
  const collateral = directorySource(directories, root, {
    report({ generation, complaint }) {
      if (complaint === undefined) report({ event: 'collateral-in-force', reason: `generation ${generation}` })
      else report({ event: 'collateral-failed', reason: complaint })
    },
  })
  return { root, collateral }
}

/** For people. */
export const textOf = (reasons: readonly Reason[]): string =>
  reasons.map(({ rule, want, got }) => `${rule}: want ${want}, got ${got}`).join('; ')
