// Is a quote genuine? Intel's procedure (PCK certificate chain, QE report, quote signature) on node:crypto.
//
// Pure: no clock, no network, no state; everything comes in as an argument and one value goes out. It says nothing about
// whether the enclave is one that we want: that is policy.ts. What was verified is what is used: the claims are read
// again from the very bytes whose signature was checked.

import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { allZero, concat, equalBytes, fromHex } from '../base/bytes.ts'
import { describe, Fault } from '../base/errors.ts'
import { authorityOf, type Certificate, isSignedBy, readCertificate } from './certificate.ts'
import type { Claims, Collateral, SgxQuote } from './evidence.ts'
import { readReportBody } from './quote.ts'

const code = 'quote-unverified'
/** SHA-256 of the DER of "Intel SGX Root CA", valid 2018-05-21 to 2049-12-31. */
export const intelRootSha256 = '44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3'
const synthetic = 'SYNTHETIC'
const headerBytes = 48
const ecdsaWithSha256 = '1.2.840.10045.4.3.2'
// Critical extensions that step 5 reads. RFC 5280 §4.2: one that is critical and not understood refuses the certificate.
const understood = new Set(['2.5.29.15', '2.5.29.19'])
const spkiPrefix = fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004') ?? new Uint8Array()

interface Chain {
  readonly leaf: Certificate
  readonly ca: Certificate
  readonly root: Certificate
}

/**
 * Verifies a quote against one trust anchor.
 *
 *  1. The collateral fits the root: synthetic collateral goes only with a root whose name says SYNTHETIC.
 *  2. The chain's root is the pinned root, byte for byte.
 *  3. Names: Intel's three phrases; the root self-issued, each other certificate issued by the one above.
 *  4. Signatures: the root by itself, the CA by the root, the leaf by the CA; ECDSA with SHA-256 on P-256 only.
 *  5. Authority: root and CA are CAs that may sign certificates, the leaf is not; no critical extension unread.
 *  6. Dates: notBefore <= at <= notAfter for all three.
 *  7. The QE's report is signed by the PCK leaf's key.
 *  8. The QE's report data is SHA-256(attestation key ‖ authentication data), then 32 zero bytes.
 *  9. Header and report body are signed by the attestation key.
 * 10. The claims come from those signed bytes; they hold while all three certificates are valid.
 *
 * @param at milliseconds since the epoch
 * @param root DER of the trust anchor
 * @throws Fault 'quote-unverified', 'certificate-malformed'; 'collateral-missing' for Intel's root, whose TCB info and
 *   revocation lists synthetic collateral does not have
 */
export function verifyQuote(quote: SgxQuote, collateral: Collateral, at: number, root: Uint8Array): Claims {
  const anchor = readCertificate(root)
  requireCollateral(collateral, anchor) // 1

  const [leafDer, caDer, rootDer] = quote.pckChain
  if (!equalBytes(rootDer, anchor.der)) throw new Fault(code, 'PCK chain: its root is not the pinned root') // 2
  const chain: Chain = { leaf: readCertificate(leafDer), ca: readCertificate(caDer), root: anchor }
  requireNames(chain) // 3
  requireSignatures(chain) // 4
  requireAuthority(chain) // 5
  const window = requireDates(chain, at) // 6

  if (!signed(quote.qeReportBytes, quote.qeReportSignature, chain.leaf.publicKey)) {
    throw new Fault(code, 'QE report: not signed by the PCK key') // 7
  }
  requireKeyBinding(quote) // 8
  if (!signed(quote.signedBytes, quote.signature, attestationKey(quote.attestationKey))) {
    throw new Fault(code, 'quote: not signed by the attestation key') // 9
  }
  const body = readReportBody(quote.signedBytes.subarray(headerBytes)) // 10
  return { tee: 'sgx', synthetic: true, body, tcbStatus: 'Synthetic', window }
}

/** Without this rule, whoever passes the wrong pair would accept hardware quotes with no revocation check at all. */
function requireCollateral(collateral: Collateral, anchor: Certificate): void {
  switch (collateral.kind) {
    case 'synthetic':
      if (anchor.sha256 === intelRootSha256) {
        throw new Fault('collateral-missing', "Intel's root needs TCB info and revocation lists, synthetic ones given")
      }
      if (!anchor.commonName?.includes(synthetic)) {
        throw new Fault(code, `root: want ${synthetic} in its name, as the collateral is synthetic`)
      }
  }
}

function requireNames({ leaf, ca, root }: Chain): void {
  requirePhrase(root, /SGX Root CA/, 'root')
  requirePhrase(ca, /SGX PCK (?:Platform|Processor) CA/, 'PCK CA')
  requirePhrase(leaf, /SGX PCK Certificate/, 'PCK leaf')
  if (!root.selfIssued) throw new Fault(code, 'PCK chain: the root is not self-issued')
  if (!equalBytes(ca.issuer, root.subject)) throw new Fault(code, 'PCK chain: the CA is not issued by the root')
  if (!equalBytes(leaf.issuer, ca.subject)) throw new Fault(code, 'PCK chain: the leaf is not issued by the CA')
}

function requirePhrase(certificate: Certificate, phrase: RegExp, name: string): void {
  if (!phrase.test(certificate.commonName ?? '')) {
    throw new Fault(code, `${name}: want ${phrase.source} in its common name, got ${certificate.commonName ?? 'none'}`)
  }
}

function requireSignatures({ leaf, ca, root }: Chain): void {
  for (const [certificate, name] of [[root, 'root'] as const, [ca, 'PCK CA'] as const, [leaf, 'PCK leaf'] as const]) {
    if (certificate.signatureAlgorithm !== ecdsaWithSha256 || certificate.curve !== 'P-256') {
      throw new Fault(code, `${name}: want a P-256 key and ECDSA with SHA-256`)
    }
  }
  if (!isSignedBy(root, root)) throw new Fault(code, 'PCK chain: the root is not signed by itself')
  if (!isSignedBy(ca, root)) throw new Fault(code, 'PCK chain: the CA is not signed by the root')
  if (!isSignedBy(leaf, ca)) throw new Fault(code, 'PCK chain: the leaf is not signed by the CA')
}

function requireAuthority({ leaf, ca, root }: Chain): void {
  // pathLength counts the CA certificates below: one below the root, none below the PCK CA.
  for (const [certificate, name, below] of [[root, 'root', 1] as const, [ca, 'PCK CA', 0] as const]) {
    const authority = authorityOf(certificate)
    if (!authority.ca || !authority.keyCertSign || (authority.pathLength ?? below) < below) {
      throw new Fault(code, `${name}: want a CA that may sign what is below it`)
    }
  }
  const { ca: leafCa, keyCertSign } = authorityOf(leaf)
  if (leafCa || keyCertSign) throw new Fault(code, 'PCK leaf: must not be a CA')
  for (const certificate of [leaf, ca, root]) {
    const strange = certificate.extensions.find(extension => extension.critical && !understood.has(extension.oid))
    if (strange) throw new Fault(code, `PCK chain: critical extension ${strange.oid} is not understood`)
  }
}

function requireDates({ leaf, ca, root }: Chain, at: number): Claims['window'] {
  const from = Math.max(leaf.notBefore, ca.notBefore, root.notBefore)
  const until = Math.min(leaf.notAfter, ca.notAfter, root.notAfter)
  // Written so that a time which is not a number is outside.
  if (!(from <= at && at <= until)) throw new Fault(code, 'PCK chain: not valid at the given time')
  return { from, until }
}

function requireKeyBinding(quote: SgxQuote): void {
  const { reportData } = readReportBody(quote.qeReportBytes)
  const want = createHash('sha256').update(quote.attestationKey).update(quote.qeAuthData).digest()
  if (!equalBytes(reportData.subarray(0, 32), want) || !allZero(reportData.subarray(32))) {
    throw new Fault(code, 'QE report: its report data does not bind the attestation key')
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
function signed(bytes: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  return verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, signature)
}
