// Intel's collateral: is it genuine? Everything that can be said about it without a quote and without the time.
//
// Signatures are checked over the exact bytes that were received. The answer is kept by the collateral object's identity
// with a parsed copy, so that the next quote pays for none of it; the time is asked anew with each quote. It never
// accepts a part for the whole: a document without its chain, a chain without its revocation list is a Fault.

import { verify } from 'node:crypto'
import { equalBytes } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'
import { authorityOf, type Certificate, readCertificate } from './certificate.ts'
import { type Dated, datesOf, requireLink, requireRoot, stations } from './chain.ts'
import { type Crl, readCrl, requireIssuedBy, requireNotRevoked } from './crl.ts'
import type { IntelCollateral, Quote } from './evidence.ts'
import { readPlatform } from './pck.ts'
import { readPemChain } from './pem.ts'
import { type QeIdentity, readQeIdentity } from './qe-identity.ts'
import type { SignedJson } from './signed-json.ts'
import { readTcbInfo, type TcbInfo } from './tcb-info.ts'

const code = 'collateral-unverified'

/** Genuine collateral, parsed. Only verifyCollateral makes it. */
export interface Endorsements {
  readonly root: Certificate
  /** The CA that issued the PCK CRL. */
  readonly pckCa: Certificate
  readonly rootCrl: Crl
  readonly pckCrl: Crl
  readonly tcbInfo: TcbInfo
  readonly qeIdentity: QeIdentity
  /** The certificates above, which end when they say. */
  readonly certificates: readonly Dated[]
  /** Lists and documents, which end at their next update. */
  readonly published: readonly Dated[]
}

const verified = new WeakMap<IntelCollateral, Endorsements>()

/**
 * Verifies collateral against one trust anchor. The caller must not change the bytes afterwards; if it does, what was
 * verified stays what is used.
 *
 *  1. The root is self-issued, self-signed and may sign certificates and revocation lists.
 *  2. Root CRL: issued, signed and identified by the root.
 *  3. PCK CRL issuer: chain of two to this very root; issued by it, may sign lists, not in the root CRL.
 *  4. PCK CRL: issued, signed and identified by that CA.
 *  5. TCB info and QE identity, each: chain of TCB signing certificate and this very root; issued by it, no CA, not in
 *     the root CRL; signature over the exact bytes of the JSON value.
 *  6. Both documents are about the same TEE.
 *
 * @param root DER of the trust anchor
 * @throws Fault 'collateral-malformed', 'collateral-unverified', 'certificate-malformed'; 'quote-unverified' for the root
 */
export function verifyCollateral(collateral: IntelCollateral, root: Uint8Array): Endorsements {
  const known = verified.get(collateral)
  if (known !== undefined && equalBytes(known.root.der, root)) return known
  const endorsements = verifyAnew(collateral, root)
  verified.set(collateral, endorsements)
  return endorsements
}

function verifyAnew(collateral: IntelCollateral, rootDer: Uint8Array): Endorsements {
  const root = readAnchor(rootDer) // 1
  const rootCrl = verifyRootCrl(collateral.rootCaCrl, root) // 2
  const { pckCa, pckCrl } = verifyPckCrl(collateral.pckCrl, collateral.pckCrlIssuerChain, root, rootCrl) // 3, 4
  const tcb = verifyTcbInfo(collateral.tcbInfo, collateral.tcbInfoIssuerChain, root, rootCrl)
  const qe = verifyQeIdentity(collateral.qeIdentity, collateral.qeIdentityIssuerChain, root, rootCrl) // 5
  const { tcbInfo } = tcb
  const { qeIdentity } = qe
  if (tcbInfo.tee !== qeIdentity.tee)
    throw new Fault(code, `QE identity: for ${qeIdentity.tee}, TCB info for ${tcbInfo.tee}`) // 6

  const certificates: readonly Dated[] = [
    datesOf(root, 'root'),
    datesOf(pckCa, 'PCK CRL issuer'),
    datesOf(tcb.signer, 'TCB signing certificate'),
    datesOf(qe.signer, 'TCB signing certificate'),
  ]
  const published: readonly Dated[] = [
    { name: 'root CRL', from: rootCrl.thisUpdate, until: rootCrl.nextUpdate },
    { name: 'PCK CRL', from: pckCrl.thisUpdate, until: pckCrl.nextUpdate },
    { name: 'TCB info', from: tcbInfo.issueDate, until: tcbInfo.nextUpdate },
    { name: 'QE identity', from: qeIdentity.issueDate, until: qeIdentity.nextUpdate },
  ]
  return { root, pckCa, rootCrl, pckCrl, tcbInfo, qeIdentity, certificates, published }
}

/** The trust anchor, which may sign certificates and revocation lists. Throws as verifyCollateral. */
export function readAnchor(der: Uint8Array): Certificate {
  const root = readCertificate(der)
  requireRoot(root)
  requireCrlSigner(root, 'root')
  return root
}

/** Step 2 alone. Throws as verifyCollateral. @param root what readAnchor gave, here and below */
export function verifyRootCrl(bytes: Uint8Array, root: Certificate): Crl {
  const crl = readCrl(bytes, 'root CRL')
  requireIssuedBy(crl, root, 'root CRL')
  return crl
}

/** Steps 3 and 4 alone. Throws as verifyCollateral. @param chain PEM */
export function verifyPckCrl(
  bytes: Uint8Array,
  chain: Uint8Array,
  root: Certificate,
  rootCrl: Crl,
): { readonly pckCa: Certificate; readonly pckCrl: Crl } {
  const pckCa = readSigner(chain, 'PCK CRL issuer chain', root)
  requireLink(pckCa, stations.crlCa, root, stations.root)
  requireCrlSigner(pckCa, 'PCK CRL issuer')
  requireNotRevoked(rootCrl, pckCa, 'PCK CRL issuer')
  const pckCrl = readCrl(bytes, 'PCK CRL')
  requireIssuedBy(pckCrl, pckCa, 'PCK CRL')
  return { pckCa, pckCrl }
}

/** Step 5 for TCB info alone. Throws as verifyCollateral. @param chain PEM */
export function verifyTcbInfo(
  bytes: Uint8Array,
  chain: Uint8Array,
  root: Certificate,
  rootCrl: Crl,
): { readonly tcbInfo: TcbInfo; readonly signer: Certificate } {
  const tcbInfo = readTcbInfo(bytes)
  return { tcbInfo, signer: verifyDocument(tcbInfo.signed, chain, 'TCB info', root, rootCrl) }
}

/** Step 5 for the QE identity alone. Throws as verifyCollateral. @param chain PEM */
export function verifyQeIdentity(
  bytes: Uint8Array,
  chain: Uint8Array,
  root: Certificate,
  rootCrl: Crl,
): { readonly qeIdentity: QeIdentity; readonly signer: Certificate } {
  const qeIdentity = readQeIdentity(bytes)
  return { qeIdentity, signer: verifyDocument(qeIdentity.signed, chain, 'QE identity', root, rootCrl) }
}

/**
 * The one of several that is for the quote's platform. Nothing of the quote is believed for it: verifyQuote compares
 * again.
 * @throws Fault 'collateral-missing' where there is none; whatever verifyCollateral throws
 */
export function chooseCollateral(quote: Quote, all: readonly IntelCollateral[], root: Uint8Array): IntelCollateral {
  const leaf = readCertificate(quote.pckChain[0])
  const { fmspc } = readPlatform(leaf)
  const found = all.find(each => {
    const { tcbInfo, pckCa } = verifyCollateral(each, root)
    return tcbInfo.tee === quote.tee && tcbInfo.fmspc === fmspc && equalBytes(pckCa.subject, leaf.issuer)
  })
  if (found === undefined) throw new Fault('collateral-missing', `collateral: none for ${quote.tee}, FMSPC ${fmspc}`)
  return found
}

/** The first of two certificates, the second of which must be the root, byte for byte. */
function readSigner(pem: Uint8Array, name: string, root: Certificate): Certificate {
  const [signer, rootDer] = readPemChain(pem, 2, 'collateral-malformed', name)
  if (!signer || !rootDer || !equalBytes(rootDer, root.der)) {
    throw new Fault(code, `${name}: its root is not the pinned root`)
  }
  return readCertificate(signer)
}

/** @returns the certificate whose key signed the document */
function verifyDocument(
  document: SignedJson,
  pem: Uint8Array,
  name: string,
  root: Certificate,
  rootCrl: Crl,
): Certificate {
  const signer = readSigner(pem, `${name} issuer chain`, root)
  requireLink(signer, stations.tcbSigning, root, stations.root)
  requireNotRevoked(rootCrl, signer, 'TCB signing certificate')
  const key = { key: signer.publicKey, dsaEncoding: 'ieee-p1363' } as const
  if (!verify('sha256', document.signedBytes, key, document.signature)) {
    throw new Fault(code, `${name}: not signed by the TCB signing certificate`)
  }
  return signer
}

function requireCrlSigner(certificate: Certificate, name: string): void {
  if (!authorityOf(certificate).crlSign) throw new Fault(code, `${name}: may not sign revocation lists`)
}
