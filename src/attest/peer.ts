// One call for everybody who has a peer's certificate and wants to know whether bytes may flow: certificate, evidence,
// quote, binding, rule, dates. The order of the statements is the order of the checks.
//
// It never throws, whatever the bytes are, and never accepts by omission: each step that fails ends in a reason.

import { describe, Fault, type FaultCode } from '../base/errors.ts'
import { type Certificate, isSignedBy, readCertificate } from './certificate.ts'
import { type AnswerFor, readAnswer } from './challenge.ts'
import { chooseCollateral } from './collateral.ts'
import { type CertificateRequest, readRequestEvidence } from './csr.ts'
import { readEndorsements } from './endorsements.ts'
import type { Collateral, EvidenceFacts, IntelCollateral, PeerJudgement, Reason, SgxClaims } from './evidence.ts'
import { judge, type PeerRule, type Shown } from './policy.ts'
import { parseSgxQuote } from './quote.ts'
import { type Evidence, readEvidence, requireBound } from './ratls.ts'
import { dateText } from './tcb-policy.ts'
import { type Model, modelOf, verifyQuote } from './verify.ts'

export interface Trust {
  /** DER of the trust anchor. */
  readonly root: Uint8Array
  /** One for everybody, or several, of which the one for the peer's platform counts. */
  readonly collateral: Collateral | readonly IntelCollateral[]
  /** Of the policy: for how long after their next update lists and documents still count; undefined: not at all. */
  readonly pastNextUpdateMs?: number | undefined
}

/** What has to be at hand before a peer can be judged. */
export interface Needs {
  readonly model: Model
  /** What it brings along; not verified. */
  readonly stapled: () => IntelCollateral | undefined
}

/**
 * What judging a peer's certificate takes.
 * @param leafDer any bytes
 * @throws Fault, as judgePeer finds it
 */
export function needsOf(leafDer: Uint8Array, root: Uint8Array): Needs {
  const leaf = readCertificate(leafDer)
  const quote = parseSgxQuote(readEvidence(leaf).quote)
  return { model: modelOf(quote, root), stapled: () => readEndorsements(leaf) }
}

/** The model of the machine that a quote is from, by a chain to the root; nothing else of it is verified. Throws Fault. */
export const modelOfQuote = (quote: Uint8Array, root: Uint8Array): Model => modelOf(parseSgxQuote(quote), root)

// What was wanted, by the code of the fault that was met. A code that is not here is our own bug.
const wanted: Partial<Record<FaultCode, string>> = {
  'certificate-malformed': 'X.509 v3 certificates in DER',
  'evidence-missing': 'evidence in the certificate',
  'evidence-malformed': 'well-formed evidence',
  'evidence-unbound': "evidence for the certificate's key",
  'quote-malformed': 'an SGX ECDSA quote of version 3, 4 or 5',
  'quote-unverified': 'a genuine quote',
  'collateral-missing': "collateral for this root and the peer's platform",
  'collateral-malformed': 'well-formed collateral',
  'collateral-unverified': 'genuine collateral',
  'collateral-outdated': 'collateral that holds now',
}

/**
 * Judges the certificate that a peer proved possession of in a TLS handshake. Whether the certificate also chains to
 * some authority is another question; a self-issued one must be signed by its own key.
 *
 * @param leafDer the peer's certificate, any bytes
 * @param at milliseconds since the epoch
 * @returns `until` is the earliest end of: the quote's verification, the matching enclave entry, the certificate
 */
export function judgePeer(leafDer: Uint8Array, rule: PeerRule, trust: Trust, at: number): PeerJudgement {
  try {
    const leaf = readCertificate(leafDer)
    if (leaf.selfIssued && !isSignedBy(leaf, leaf)) {
      throw new Fault('certificate-malformed', 'certificate: self-issued, but not signed by its own key')
    }
    const exhibit = { leaf, evidence: readEvidence(leaf), shown: 'certificate', broken: [] } as const
    return judgeExhibit(exhibit, rule, trust, at)
  } catch (error) {
    return { accepted: false, reasons: [reasonOf(error)], refused: undefined }
  }
}

/**
 * Judges a peer's answer to a challenge on a connection whose certificate was accepted: evidence that its enclave made
 * for this very connection, for the key that the connection was opened with.
 *
 * @param answer any bytes
 * @param asked the connection's certificate, DER, and what its TLS exporter gave for the challenge
 * @param at milliseconds since the epoch
 * @returns as judgePeer
 */
export function judgeAnswer(
  answer: Uint8Array,
  asked: AnswerFor,
  rule: PeerRule,
  trust: Trust,
  at: number,
): PeerJudgement {
  try {
    const leaf = readCertificate(asked.leaf)
    const { evidence, reasons } = readAnswer(answer, leaf, asked.channel)
    return judgeExhibit({ leaf, evidence, shown: 'answer', broken: reasons }, rule, trust, at)
  } catch (error) {
    return { accepted: false, reasons: [reasonOf(error)], refused: undefined }
  }
}

/** A request for a certificate, and the connection that it came on. */
export interface RequestOn {
  readonly request: CertificateRequest
  /** CBOR, as it came. */
  readonly evidence: Uint8Array
  /** What the connection's exporter gives for the request, 32 bytes. */
  readonly channel: Uint8Array
}

/**
 * Judges the evidence that came with a request for a certificate: for the request's key, made for this very connection.
 *
 * @param at milliseconds since the epoch
 * @returns as judgePeer; `leafSha256` is the request's
 */
export function judgeRequest(asked: RequestOn, rule: PeerRule, trust: Trust, at: number): PeerJudgement {
  try {
    const { request } = asked
    const { evidence, reasons } = readRequestEvidence(asked.evidence, request.spki, asked.channel)
    // A request has no dates of its own.
    const leaf = { sha256: request.sha256, notBefore: at, notAfter: Number.POSITIVE_INFINITY }
    return judgeExhibit({ leaf, evidence, shown: 'request', broken: reasons }, rule, trust, at)
  } catch (error) {
    return { accepted: false, reasons: [reasonOf(error)], refused: undefined }
  }
}

/** Evidence, where it was shown, and what its reader found wrong already. */
interface Exhibit {
  readonly leaf: Pick<Certificate, 'sha256' | 'notBefore' | 'notAfter'>
  readonly evidence: Evidence
  readonly shown: Shown
  readonly broken: readonly Reason[]
}

function judgeExhibit(exhibit: Exhibit, rule: PeerRule, trust: Trust, at: number): PeerJudgement {
  const { leaf, evidence, shown, broken } = exhibit
  const quote = parseSgxQuote(evidence.quote)
  const collateral =
    'kind' in trust.collateral ? trust.collateral : chooseCollateral(quote, trust.collateral, trust.root)
  const claims = verifyQuote(quote, collateral, at, trust.root, trust.pastNextUpdateMs)
  requireBound(evidence, claims.body.reportData)
  const facts = { format: evidence.format, leafSha256: leaf.sha256, postern: evidence.postern }
  const judgement = judge(claims, facts, rule, at, shown)
  return withReasons(leaf, facts, judgement, claims, [...dateReasons(leaf, at), ...broken])
}

function withReasons(
  leaf: Exhibit['leaf'],
  evidence: EvidenceFacts,
  judgement: ReturnType<typeof judge>,
  claims: SgxClaims,
  more: readonly Reason[],
): PeerJudgement {
  if (!judgement.accepted) {
    const [first, ...rest] = judgement.reasons
    return { accepted: false, reasons: [first, ...rest, ...more], refused: claims }
  }
  const [first, ...rest] = more
  if (first) return { accepted: false, reasons: [first, ...rest], refused: claims }
  return { accepted: true, claims, until: Math.min(judgement.until, leaf.notAfter), evidence }
}

function dateReasons(leaf: Exhibit['leaf'], at: number): Reason[] {
  if (leaf.notBefore <= at && at <= leaf.notAfter) return []
  const want = `a certificate valid from ${dateText(leaf.notBefore)} to ${dateText(leaf.notAfter)}`
  return [{ rule: 'certificate-dates', want, got: dateText(at) }]
}

/** What an error of verification came to, for those who gather reasons. Never its object. */
export function reasonOf(error: unknown): Reason {
  if (!(error instanceof Fault)) return { rule: 'internal', want: 'a judgement', got: describe(error) }
  return { rule: error.code, want: wanted[error.code] ?? 'no fault', got: error.message }
}
