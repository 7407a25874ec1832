// Is a quote genuine, and what is its platform worth? Intel's procedure (facts: Intel DCAP Quote Verification Library) on
// node:crypto, stricter wherever that library leaves a choice.
//
// Pure: no clock, no network; everything comes in as an argument and one value goes out. It says nothing about whether
// the enclave is one that we want: that is policy.ts. What was verified is what is used: the claims are read again from
// the very bytes whose signature was checked.

import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { allZero, concat, equalBytes, fromHex, Reader } from '../base/bytes.ts'
import { describe, Fault } from '../base/errors.ts'
import { readReportBody, readSignedBody } from './body.ts'
import { type Certificate, readCertificate } from './certificate.ts'
import { type Dated, datesOf, requireDates, requireLink, requireRoot, stations } from './chain.ts'
import { type Endorsements, verifyCollateral } from './collateral.ts'
import { requireNotRevoked } from './crl.ts'
import type {
  Claims,
  Collateral,
  Platform,
  Quote,
  SgxClaims,
  SgxQuote,
  SignedBody,
  TcbFacts,
  TcbStatus,
} from './evidence.ts'
import { readPlatform } from './pck.ts'
import { qeMismatch } from './qe-identity.ts'
import { intelRootSha256 } from './root.ts'
import { isvLevel, mergeStatus, platformLevel, tdxModuleLevel } from './tcb.ts'

const code = 'quote-unverified'
const synthetic = 'SYNTHETIC'
const spkiPrefix = fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004') ?? new Uint8Array()

/**
 * Verifies a quote against one trust anchor.
 *
 *  1. The collateral fits the root: synthetic collateral goes only with a root whose name says SYNTHETIC; Intel's is
 *     genuine by itself: chains, signatures and revocation lists (collateral.ts, six steps of its own).
 *  2. The chain's root is the pinned root, byte for byte: self-issued, self-signed, a CA.
 *  3. The PCK CA is issued and signed by the root, the PCK leaf by the PCK CA: Intel's names, ECDSA with SHA-256 on
 *     P-256 only, key usage, no critical extension unread.
 *  4. The PCK CRL is this CA's own; the CA is not in the root CRL, the leaf not in the PCK CRL.
 *  5. Dates: every certificate, revocation list and document holds at `at`; lists and documents for `pastNextUpdateMs`
 *     longer than they say.
 *  6. TCB info is for this TEE and for the platform that the PCK certificate names (FMSPC, PCE).
 *  7. The QE's report is signed by the PCK leaf's key, and is what the QE identity describes.
 *  8. The QE's report data is SHA-256(attestation key ‖ authentication data), then 32 zero bytes.
 *  9. Header and body are signed by the attestation key.
 * 10. The levels of platform, QE and TDX module, merged; one that is revoked or not in the tables refuses the quote.
 * 11. The claims come from those signed bytes; they hold while everything of step 5 does.
 *
 * Synthetic collateral has neither lists nor documents, so steps 4, 6 and 10 fall away and the status says 'Synthetic'.
 *
 * @param at milliseconds since the epoch
 * @param root DER of the trust anchor
 * @param pastNextUpdateMs 0 but where a policy says otherwise, DANGEROUSLY: a revocation may long be published
 * @throws Fault 'quote-unverified', 'quote-malformed', 'certificate-malformed', 'collateral-unverified',
 *   'collateral-malformed', 'collateral-outdated'; 'collateral-missing' for Intel's root with synthetic collateral
 */
export function verifyQuote(
  quote: SgxQuote,
  collateral: Collateral,
  at: number,
  root: Uint8Array,
  pastNextUpdateMs?: number,
): SgxClaims
export function verifyQuote(
  quote: Quote,
  collateral: Collateral,
  at: number,
  root: Uint8Array,
  pastNextUpdateMs?: number,
): Claims
export function verifyQuote(
  quote: Quote,
  collateral: Collateral,
  at: number,
  root: Uint8Array,
  pastNextUpdateMs = 0,
): Claims {
  const endorsements = collateral.kind === 'intel' ? verifyCollateral(collateral, root) : undefined
  const anchor = endorsements?.root ?? readSyntheticRoot(root) // 1
  const pck = verifyPckChain(quote.pckChain, anchor, endorsements) // 2, 3, 4
  const window = requireAllDates(pck, endorsements, at, pastNextUpdateMs) // 5
  const signed = readSignedBody(new Reader(quote.signedBytes, 'quote-malformed'))
  const platform = readPlatform(pck.leaf)
  if (endorsements) requireSamePlatform(endorsements, platform, signed.tee) // 6

  const qeReport = readReportBody(quote.qeReportBytes)
  if (!signedBy(quote.qeReportBytes, quote.qeReportSignature, pck.leaf.publicKey)) {
    throw new Fault(code, 'QE report: not signed by the PCK key')
  }
  const mismatch = endorsements && qeMismatch(endorsements.qeIdentity, qeReport)
  if (mismatch !== undefined) throw new Fault(code, `QE report: its ${mismatch} is not that of the QE identity`) // 7
  requireKeyBinding(quote, qeReport.reportData) // 8
  if (!signedBy(quote.signedBytes, quote.signature, attestationKey(quote.attestationKey))) {
    throw new Fault(code, 'quote: not signed by the attestation key') // 9
  }
  const verdict = endorsements ? judgeTcb(endorsements, platform, signed, qeReport.isvSvn) : syntheticVerdict // 10
  return { ...signed, ...verdict, synthetic: anchor.sha256 !== intelRootSha256, platform, window } // 11
}

/** Whose collateral a quote needs. */
export interface Model {
  /** Lower-case hex. */
  readonly fmspc: string
  /** Which of Intel's two CAs issued the machine's PCK certificate. */
  readonly ca: 'platform' | 'processor'
}

/**
 * The model of the machine that a quote names, by a chain to this root. Nothing else is verified, dates and revocation
 * included: it serves to ask for collateral, and for no model that Intel never made.
 * @throws Fault 'quote-unverified', 'certificate-malformed'
 */
export function modelOf({ pckChain }: Quote, root: Uint8Array): Model {
  const { leaf, ca } = verifyPckChain(pckChain, readCertificate(root), undefined)
  return { fmspc: readPlatform(leaf).fmspc, ca: caOf(ca) }
}

/** Which of Intel's CAs this is, by its name. */
export function caOf({ commonName }: Certificate): Model['ca'] {
  return commonName?.includes('Processor') ? 'processor' : 'platform'
}

/** Without this rule, whoever passes the wrong pair would accept hardware quotes with no revocation check at all. */
function readSyntheticRoot(root: Uint8Array): Certificate {
  const anchor = readCertificate(root)
  if (anchor.sha256 === intelRootSha256) {
    throw new Fault('collateral-missing', "Intel's root needs TCB info and revocation lists, synthetic ones given")
  }
  if (!anchor.commonName?.includes(synthetic)) {
    throw new Fault(code, `root: want ${synthetic} in its name, as the collateral is synthetic`)
  }
  return anchor
}

interface Pck {
  readonly leaf: Certificate
  readonly ca: Certificate
  readonly root: Certificate
}

/** The quote's chain, from the root down. What the collateral already proved is not proved again. */
function verifyPckChain(chain: Quote['pckChain'], root: Certificate, endorsements: Endorsements | undefined): Pck {
  const [leafDer, caDer, rootDer] = chain
  if (!equalBytes(rootDer, root.der)) throw new Fault(code, 'PCK chain: its root is not the pinned root')
  if (!endorsements) requireRoot(root)
  const known = endorsements && equalBytes(caDer, endorsements.pckCa.der) ? endorsements.pckCa : undefined
  const ca = known ?? readCertificate(caDer)
  if (!known) requireLink(ca, stations.pckCa, root, stations.root)
  const leaf = readCertificate(leafDer)
  requireLink(leaf, stations.pckLeaf, ca, stations.pckCa)
  if (endorsements) requireNoneRevoked(leaf, ca, endorsements)
  return { leaf, ca, root }
}

function requireNoneRevoked(leaf: Certificate, ca: Certificate, { pckCa, rootCrl, pckCrl }: Endorsements): void {
  // The CA may have been issued anew; its name and key are what makes the list its own.
  if (!equalBytes(ca.subject, pckCa.subject) || !equalBytes(ca.spki, pckCa.spki)) {
    throw new Fault(code, "PCK CRL: of another CA than the PCK leaf's")
  }
  requireNotRevoked(rootCrl, ca, 'PCK CA')
  requireNotRevoked(pckCrl, leaf, 'PCK leaf')
}

function requireAllDates(
  { leaf, ca, root }: Pck,
  endorsements: Endorsements | undefined,
  at: number,
  pastNextUpdateMs: number,
): Claims['window'] {
  const pck: Dated[] = [datesOf(root, 'root'), datesOf(ca, 'PCK CA'), datesOf(leaf, 'PCK leaf')]
  const window = requireDates(pck, at, code)
  if (!endorsements) return window
  const published = endorsements.published.map(each => ({ ...each, until: each.until + pastNextUpdateMs }))
  const rest = requireDates([...endorsements.certificates, ...published], at, 'collateral-outdated')
  return { from: Math.max(window.from, rest.from), until: Math.min(window.until, rest.until) }
}

function requireSamePlatform({ tcbInfo }: Endorsements, platform: Platform, tee: SignedBody['tee']): void {
  const rows = [
    ['TEE', tcbInfo.tee, tee],
    ['FMSPC', tcbInfo.fmspc, platform.fmspc],
    ['PCE', tcbInfo.pceId, platform.pceId],
  ] as const
  const wrong = rows.find(([, has, wants]) => has !== wants)
  if (wrong)
    throw new Fault('collateral-unverified', `TCB info: for ${wrong[0]} ${wrong[1]}, the quote is of ${wrong[2]}`)
}

function requireKeyBinding(quote: Quote, reportData: Uint8Array): void {
  const want = createHash('sha256').update(quote.attestationKey).update(quote.qeAuthData).digest()
  if (!equalBytes(reportData.subarray(0, 32), want) || !allZero(reportData.subarray(32))) {
    throw new Fault(code, 'QE report: its report data does not bind the attestation key')
  }
}

type Verdict = { readonly tcbStatus: TcbStatus; readonly tcb: TcbFacts | undefined }

const syntheticVerdict: Verdict = { tcbStatus: 'Synthetic', tcb: undefined }

function judgeTcb(
  { tcbInfo, qeIdentity, rootCrl, pckCrl }: Endorsements,
  platform: Platform,
  signed: SignedBody,
  qeIsvSvn: number,
): Verdict {
  const tdBody = signed.tee === 'tdx' ? signed.body : undefined
  const module = tdBody && tdxModuleLevel(tcbInfo, tdBody)
  const machine = platformLevel(tcbInfo, platform, tdBody)
  const qe = isvLevel(qeIdentity.levels, qeIsvSvn, 'QE')
  const parts = [
    ['platform', machine] as const,
    ['QE', qe] as const,
    ...(module ? [['TDX module', module] as const] : []),
  ]
  return {
    tcbStatus: mergeStatus(parts),
    tcb: {
      platformStatus: machine.status,
      qeStatus: qe.status,
      advisoryIds: [...new Set(parts.flatMap(([, level]) => level.advisoryIds))].sort(),
      tcbDate: machine.tcbDate,
      evaluationDataNumber: { tcbInfo: tcbInfo.evaluationDataNumber, qeIdentity: qeIdentity.evaluationDataNumber },
      crlNumber: { root: rootCrl.number, pck: pckCrl.number },
      issuedAt: Math.min(tcbInfo.issueDate, qeIdentity.issueDate, pckCrl.thisUpdate),
    },
  }
}

/** x ‖ y as a key; OpenSSL refuses a point that is not on the curve. */
function attestationKey(point: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(concat(spkiPrefix, point)), format: 'der', type: 'spki' })
  } catch (cause) {
    throw new Fault(code, `attestation key: not a P-256 point (${describe(cause)})`, { cause })
  }
}

/** ECDSA P-256 with SHA-256; the signature is r ‖ s. */
function signedBy(bytes: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  return verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, signature)
}
