// Certificate revocation lists (RFC 5280 §5), as far as Intel's are made: complete lists of one CA, version 2, with CRL
// number and authority key identifier.
//
// It must never take silence for innocence: a list that is missing, empty, partial, unsigned, of another issuer or out of
// date is a Fault, since each of those is what a host would show instead of the list that names its platform.

import { type KeyObject, verify } from 'node:crypto'
import { equalBytes, fromHex, toHex } from '../base/bytes.ts'
import { DerReader, tag } from '../base/der.ts'
import { Fault } from '../base/errors.ts'
import { type Certificate, type Extension, readExtensions, subjectKeyId } from './certificate.ts'
import { readBase64 } from './pem.ts'

const code = 'collateral-malformed'
const maxBytes = 1_048_576
const crlNumberOid = '2.5.29.20'
const authorityKeyIdOid = '2.5.29.35'
const explicitExtensions = 0xa0
const implicitKeyId = 0x80
const ecdsaWithSha256 = '1.2.840.10045.4.3.2'

/** A list as read. Nothing is verified but the form. */
export interface Crl {
  /** The bytes that the issuer signed: tbsCertList. */
  readonly signedBytes: Uint8Array
  /** DER of the ECDSA signature. */
  readonly signature: Uint8Array
  /** DER Name. */
  readonly issuer: Uint8Array
  /** Milliseconds since the epoch. */
  readonly thisUpdate: number
  /** Milliseconds since the epoch. */
  readonly nextUpdate: number
  readonly number: bigint
  readonly authorityKeyId: Uint8Array
  /** Serial numbers, hex without the sign byte. */
  readonly revoked: ReadonlySet<string>
}

/**
 * Reads a list as Intel (DER, PEM) or a PCCS (hex text of the DER) gives it.
 * @param name for messages
 * @throws Fault 'collateral-malformed'
 */
export function readCrl(bytes: Uint8Array, name: string): Crl {
  if (bytes.length > maxBytes) throw new Fault(code, `${name}: ${bytes.length} bytes, want at most ${maxBytes}`)
  const outer = new DerReader(derOf(bytes, name), code)
  const list = outer.enter(tag.sequence, name)
  outer.end(name)
  const signedBytes = list.raw(tag.sequence, 'tbsCertList')
  const algorithm = list.raw(tag.sequence, 'signatureAlgorithm')
  const [unused, ...signature] = list.content(tag.bitString, 'signatureValue')
  list.end(name)
  if (unused !== 0) throw new Fault(code, `${name}: want a signature of whole bytes`)

  const tbs = new DerReader(signedBytes, code).enter(tag.sequence, 'tbsCertList')
  if (tbs.smallUnsigned('version') !== 1) throw new Fault(code, `${name}: want version 2`)
  const inner = tbs.raw(tag.sequence, 'signature')
  // Not signed outside, signed inside: they must be the same (§5.1.1.2).
  if (!equalBytes(inner, algorithm)) throw new Fault(code, `${name}: two different signature algorithms`)
  const oid = new DerReader(inner, code).enter(tag.sequence, 'signature').oid('signature algorithm')
  if (oid !== ecdsaWithSha256) throw new Fault(code, `${name}: want ECDSA with SHA-256`)
  const issuer = tbs.raw(tag.sequence, 'issuer')
  const thisUpdate = tbs.time('thisUpdate')
  const nextUpdate = tbs.time('nextUpdate')
  const revoked =
    tbs.peek() === tag.sequence ? readRevoked(tbs.enter(tag.sequence, 'revokedCertificates')) : new Set<string>()
  const extensions = readExtensions(tbs.enter(explicitExtensions, 'crlExtensions'))
  tbs.end('tbsCertList')
  return {
    signedBytes,
    signature: Uint8Array.from(signature),
    issuer,
    thisUpdate,
    nextUpdate,
    revoked,
    ...readMarks(extensions, name),
  }
}

/**
 * Requires that `issuer` made this list: its name, its key identifier, its signature.
 * @throws Fault 'collateral-unverified'
 */
export function requireIssuedBy(crl: Crl, issuer: Certificate, name: string): void {
  const keyId = subjectKeyId(issuer)
  if (!equalBytes(crl.issuer, issuer.subject)) throw new Fault('collateral-unverified', `${name}: of another issuer`)
  if (keyId === undefined || !equalBytes(crl.authorityKeyId, keyId)) {
    throw new Fault('collateral-unverified', `${name}: names another key than its issuer's`)
  }
  if (!signed(crl, issuer.publicKey)) throw new Fault('collateral-unverified', `${name}: not signed by its issuer`)
}

/** @throws Fault 'quote-unverified' where the list names the certificate */
export function requireNotRevoked(crl: Crl, certificate: Certificate, name: string): void {
  if (crl.revoked.has(certificate.serial)) {
    throw new Fault('quote-unverified', `${name}: revoked, serial number ${certificate.serial}`)
  }
}

function signed(crl: Crl, key: KeyObject): boolean {
  return verify('sha256', crl.signedBytes, key, crl.signature)
}

/** One encoding of three. The first byte tells: DER is a SEQUENCE (30), PEM begins with a hyphen, the rest is hex. */
function derOf(bytes: Uint8Array, name: string): Uint8Array {
  if (bytes[0] === tag.sequence) return bytes
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .toString('latin1')
    .replace(/[\r\n]+$/, '')
  const pem = /^-----BEGIN X509 CRL-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END X509 CRL-----$/.exec(text)
  const der = pem?.[1] === undefined ? fromHex(text) : readBase64(pem[1])
  if (der === undefined || der.length === 0) throw new Fault(code, `${name}: want a revocation list in DER, PEM or hex`)
  return der
}

function readRevoked(list: DerReader): Set<string> {
  const serials = new Set<string>()
  while (list.peek() !== undefined) {
    const entry = list.enter(tag.sequence, 'revoked certificate')
    serials.add(toHex(entry.unsigned('serial number')))
    entry.time('revocation date')
    if (entry.peek() !== undefined) {
      // A critical one, such as certificateIssuer, would change whose certificate this is about.
      requireNoneCritical(readExtensionList(entry), 'revoked certificate')
    }
    entry.end('revoked certificate')
  }
  return serials
}

function readExtensionList(entry: DerReader): Extension[] {
  const raw = entry.raw(tag.sequence, 'crlEntryExtensions')
  return readExtensions(new DerReader(raw, code))
}

/** What every list of Intel's has; a critical extension would make it a partial or an indirect one. */
function readMarks(extensions: readonly Extension[], name: string): Pick<Crl, 'number' | 'authorityKeyId'> {
  requireNoneCritical(extensions, name)
  const number = extensions.find(({ oid }) => oid === crlNumberOid)
  const keyId = extensions.find(({ oid }) => oid === authorityKeyIdOid)
  if (number === undefined) throw new Fault(code, `${name}: no CRL number`)
  if (keyId === undefined) throw new Fault(code, `${name}: no authority key identifier`)
  const numberReader = new DerReader(number.value, code)
  const magnitude = numberReader.unsigned('CRL number')
  numberReader.end('CRL number')
  const keyIdReader = new DerReader(keyId.value, code)
  const authorityKeyId = keyIdReader
    .enter(tag.sequence, 'authority key identifier')
    .content(implicitKeyId, 'key identifier')
  keyIdReader.end('authority key identifier')
  return { number: BigInt(`0x${toHex(magnitude)}`), authorityKeyId }
}

function requireNoneCritical(extensions: readonly Extension[], name: string): void {
  const critical = extensions.find(extension => extension.critical)
  if (critical) throw new Fault(code, `${name}: critical extension ${critical.oid} is not understood`)
}
