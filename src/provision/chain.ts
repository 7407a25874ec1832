// The CA's own certificate, where somebody else signs it: what an operator brings for this very key, below the root that the
// options name. Looked at as whoever verifies a certificate of ours will look at it (RFC 5280 §6.1), but for names.

import { authorityOf, type Certificate, isSignedBy, readCertificate, subjectKeyId } from '../attest/certificate.ts'
import { readPemChain } from '../attest/pem.ts'
import { equalBytes } from '../base/bytes.ts'
import { describe, Fault } from '../base/errors.ts'
import { signatureOids } from '../identity/pki.ts'

export interface IssuerChain {
  /** DER: the CA's own certificate, and whatever stands between it and the root, which is not in it. */
  readonly certificates: readonly [Uint8Array, ...Uint8Array[]]
  /** Of the first that ends, the root among them; milliseconds since the epoch. */
  readonly notAfter: number
}

export interface ChainFor {
  /** DER SubjectPublicKeyInfo of the CA's key. */
  readonly spki: Uint8Array
  /** DER. */
  readonly root: Uint8Array
}

/** Ours and three more: what peers verify has a bound too. */
const most = 4
const purposes = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']
const anyPurpose = '2.5.29.37.0'
const code = 'credential-invalid'

/**
 * @param pem ours first, each signed by the next; the root may stand at the end
 * @param at milliseconds since the epoch
 * @throws Fault 'credential-invalid' that names what is wrong with which certificate
 */
export function readChain(pem: Uint8Array, { spki, root }: ChainFor, at: number): IssuerChain {
  const count = Buffer.from(pem).toString('latin1').split('-----END CERTIFICATE-----').length - 1
  const ders = readPemChain(pem, count, code, 'chain')
  const [first, ...rest] = ders.filter((der, i) => !(i > 0 && i === count - 1 && equalBytes(der, root)))
  if (first === undefined || rest.length >= most) throw invalid(`want 1 to ${most} certificates in PEM, got ${count}`)
  const path = [first, ...rest, root].map((der, i) => read(der, i))
  if (path[0] === undefined || !equalBytes(path[0].spki, spki)) {
    throw invalid("certificate 1: want one for this CA's key: postern ca csr asks for it")
  }
  for (const [i, certificate] of path.entries()) look(certificate, i, path[i + 1], at)
  return { certificates: [first, ...rest], notAfter: Math.min(...path.map(({ notAfter }) => notAfter)) }
}

function look(certificate: Certificate, i: number, issuer: Certificate | undefined, at: number): void {
  const wrong = (what: string): Fault => invalid(`${issuer ? `certificate ${i + 1}` : 'root'}: ${what}`)
  if (!(certificate.notBefore <= at && at < certificate.notAfter)) {
    const [from, to] = [certificate.notBefore, certificate.notAfter].map(ms => new Date(ms).toISOString())
    throw wrong(`want one that counts at ${new Date(at).toISOString()}, got one from ${from} to ${to}`)
  }
  const { ca, keyCertSign, crlSign, pathLength = most } = authorityOf(certificate)
  if (!ca || !keyCertSign) throw wrong('want basicConstraints CA:TRUE and keyUsage keyCertSign')
  if (i === 0 && !crlSign) throw wrong('want keyUsage cRLSign, for the revocation list')
  if (i === 0 && subjectKeyId(certificate) === undefined) throw wrong('want a subjectKeyIdentifier')
  if (issuer && !signatureOids.has(certificate.signatureAlgorithm)) {
    throw wrong('want a signature by ECDSA or RSA (PKCS#1), with SHA-256 or better')
  }
  if (pathLength < i) throw wrong(`want a pathlen of at least ${i}, got ${pathLength}`)
  const usages = certificate.x509.keyUsage
  if (usages && !usages.includes(anyPurpose) && !purposes.every(oid => usages.includes(oid))) {
    throw wrong('want no extendedKeyUsage, or serverAuth and clientAuth')
  }
  if (issuer && !(certificate.x509.checkIssued(issuer.x509) && isSignedBy(certificate, issuer))) {
    throw wrong('want one that is signed by the next, the last by the root of the options')
  }
}

function read(der: Uint8Array, i: number): Certificate {
  try {
    return readCertificate(der)
  } catch (error) {
    // OpenSSL makes a certificate of version 1 where nobody says what it is for.
    throw invalid(`certificate ${i + 1}: want X.509 v3, with extensions (${describe(error)})`)
  }
}

function invalid(what: string): Fault {
  return new Fault(code, `chain: ${what}`)
}
