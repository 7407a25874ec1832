// `postern quote verify`: Intel's procedure on files, for a time that the caller names; with a policy, its judgement too.
// No network: everything that counts is in the files.

import { readCollateral } from '../attest/directory.ts'
import type { Claims, Collateral, EvidenceFacts, Reason } from '../attest/evidence.ts'
import { reasonOf } from '../attest/peer.ts'
import { judge, type PeerRule } from '../attest/policy.ts'
import { parseQuote } from '../attest/quote.ts'
import { readEvidence, requireBound } from '../attest/ratls.ts'
import { intelRoot } from '../attest/root.ts'
import { verifyQuote } from '../attest/verify.ts'
import { equalBytes } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'
import type { Policy } from '../config/policy.ts'
import type { Parsed } from './args.ts'
import type { Io } from './io.ts'
import { report } from './report.ts'
import { acceptedBy, readDer, readFile, readPolicyOf, readSubject, readTime, type Subject } from './subject.ts'

/** @returns 0 verified (and accepted, where a policy judges), 1 refused. @throws Fault 'usage', 'policy-invalid' */
export function verifyQuoteFile({ values }: Parsed, io: Io): number {
  const text = (name: string): string | undefined => (typeof values[name] === 'string' ? values[name] : undefined)
  const at = readTime(text('at') ?? '', io)
  const bytes = readFile(text('quote') ?? '', io)
  const policyName = text('policy')
  const policy = policyName === undefined ? undefined : readPolicyOf(policyName, io).policy
  const rule = policy && ruleOf(policy)
  const rootFile = text('root')
  const root = rootFile === undefined ? (policy?.dangerSyntheticRoot ?? intelRoot()) : readDer(readFile(rootFile, io))
  const folder = text('collateral')
  if (folder === undefined && equalBytes(root, intelRoot())) {
    throw new Fault('usage', "postern quote verify: --collateral DIR is missing, and Intel's root wants it")
  }

  let claims: Claims | undefined
  let reasons: readonly Reason[] = []
  try {
    const subject = readSubject(bytes)
    const collateral: Collateral = folder === undefined ? { kind: 'synthetic' } : readCollateral(folder)
    const pastNextUpdateMs = (policy?.collateral.dangerPastNextUpdateSeconds ?? 0) * 1000
    claims = verifyQuote(parseQuote(subject.quote), collateral, at, root, pastNextUpdateMs)
    const facts = factsOf(subject, claims)
    const judgement = rule && judge(claims, facts, rule, at)
    if (judgement?.accepted === false) reasons = judgement.reasons
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    claims = undefined
    reasons = [reasonOf(error)]
  }
  const accepted = rule === undefined ? undefined : claims !== undefined && reasons.length === 0
  io.write(report({ claims, accepted, reasons }, values['json'] === true))
  return claims !== undefined && accepted !== false ? 0 : 1
}

function ruleOf(policy: Policy): PeerRule {
  return {
    ...acceptedBy(policy),
    maxCollateralAgeMs: policy.collateral.maxAgeMs,
    dangerAcceptSynthetic: policy.dangerSyntheticRoot !== undefined,
    refuse: { leafSha256s: [], mrenclave: undefined },
  }
}

/** A bare quote has no certificate and so no claims; one in a certificate must be bound to its key. */
function factsOf({ certificate }: Subject, claims: Claims): EvidenceFacts {
  if (certificate === undefined) return { format: 'legacy', leafSha256: '', postern: undefined }
  const evidence = readEvidence(certificate)
  requireBound(evidence, claims.body.reportData)
  return { format: evidence.format, leafSha256: certificate.sha256, postern: evidence.postern }
}
