// The one way in which evidence code reads an X.509 certificate (RFC 5280).
//
// It must never hand DER to `new X509Certificate`: OpenSSL looks for PEM first, an RA-TLS certificate carries a quote,
// a quote carries a PEM chain, and so the wrong certificate (Intel's CA) comes back. Wrapped into PEM it cannot, and what
// comes back is compared with what went in. The outline is read by our own strict DER reader, so that two parsers have
// to agree before anything is believed.

import { createHash, type KeyObject, X509Certificate } from 'node:crypto'
import { equalBytes, toHex } from '../base/bytes.ts'
import { DerReader, tag } from '../base/der.ts'
import { describe, Fault } from '../base/errors.ts'

export interface Extension {
  readonly oid: string
  readonly critical: boolean
  /** Content of the extnValue OCTET STRING. */
  readonly value: Uint8Array
}

/** Elliptic curves of TLS keys that RA-TLS knows. */
export type Curve = 'P-256' | 'P-384'

/** Byte strings are copies. Nothing is verified but the form. */
export interface Certificate {
  readonly der: Uint8Array
  /** SHA-256 of `der`, lower-case hex. */
  readonly sha256: string
  /** Hex, without the sign byte. */
  readonly serial: string
  readonly signatureAlgorithm: string
  /** DER Name. */
  readonly issuer: Uint8Array
  /** DER Name. */
  readonly subject: Uint8Array
  /** Undefined where the subject has none or more than one. */
  readonly commonName: string | undefined
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  /** Milliseconds since the epoch. */
  readonly notAfter: number
  /** DER SubjectPublicKeyInfo, exactly as in the certificate. */
  readonly spki: Uint8Array
  /** Set only for a named curve and an uncompressed point: the one encoding whose hash is unambiguous. */
  readonly curve: Curve | undefined
  readonly publicKey: KeyObject
  readonly selfIssued: boolean
  readonly extensions: readonly Extension[]
  /** Node's view of exactly these bytes. */
  readonly x509: X509Certificate
}

const code = 'certificate-malformed'
const maxBytes = 65_536
const extensionsTag = 0xa3
const commonNameOid = '2.5.4.3'

// SubjectPublicKeyInfo up to and including the 04 of an uncompressed point (RFC 5480), and the length of it all.
const keyForms: readonly { readonly curve: Curve; readonly length: number; readonly prefix: string }[] = [
  { curve: 'P-256', length: 91, prefix: '3059301306072a8648ce3d020106082a8648ce3d03010703420004' },
  { curve: 'P-384', length: 120, prefix: '3076301006072a8648ce3d020106052b8104002203620004' },
]

/**
 * Reads one X.509 v3 certificate.
 * @param der the certificate and nothing else, at most 64 KiB
 * @throws Fault 'certificate-malformed'
 */
export function readCertificate(der: Uint8Array): Certificate {
  if (der.length > maxBytes) throw new Fault(code, `certificate: ${der.length} bytes, want at most ${maxBytes}`)
  const outline = readOutline(der)
  const x509 = openCertificate(der)
  return {
    ...outline,
    der: new Uint8Array(der),
    sha256: createHash('sha256').update(der).digest('hex'),
    commonName: commonNameOf(outline.subject),
    curve: curveOf(outline.spki),
    publicKey: keyOf(x509),
    selfIssued: equalBytes(outline.issuer, outline.subject),
    x509,
  }
}

/** True where `issuer`'s key made the signature on `certificate`. Says nothing about names, dates or CA flags. */
export function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  try {
    return certificate.x509.verify(issuer.publicKey)
  } catch {
    return false // a key of another kind than the signature algorithm
  }
}

/** What the certificate may sign: BasicConstraints and KeyUsage (RFC 5280 §4.2.1.3, §4.2.1.9). */
export interface Authority {
  readonly ca: boolean
  /** How many CA certificates may follow below this one; undefined for any number. */
  readonly pathLength: number | undefined
  readonly digitalSignature: boolean
  readonly keyCertSign: boolean
  readonly crlSign: boolean
}

// KeyUsage is a BIT STRING whose bits count from the most significant one.
const usageBits = { digitalSignature: 0x80, keyCertSign: 0x04, crlSign: 0x02 } as const

/** @throws Fault 'certificate-malformed' where either extension is not DER */
export function authorityOf(certificate: Certificate): Authority {
  const constraints = certificate.extensions.find(({ oid }) => oid === '2.5.29.19')
  const usages = keyUsage(certificate)
  const usage = {
    digitalSignature: (usages & usageBits.digitalSignature) !== 0,
    keyCertSign: (usages & usageBits.keyCertSign) !== 0,
    crlSign: (usages & usageBits.crlSign) !== 0,
  }
  if (constraints === undefined) return { ca: false, pathLength: undefined, ...usage }
  const outer = new DerReader(constraints.value, code)
  const fields = outer.enter(tag.sequence, 'basicConstraints')
  outer.end('basicConstraints')
  const ca = fields.peek() === tag.boolean && fields.boolean('cA')
  const pathLength = fields.peek() === tag.integer ? fields.smallUnsigned('pathLenConstraint') : undefined
  fields.end('basicConstraints')
  return { ca, pathLength, ...usage }
}

/** First byte of the KeyUsage bits; 0 where the extension is absent. */
function keyUsage(certificate: Certificate): number {
  const usage = certificate.extensions.find(({ oid }) => oid === '2.5.29.15')
  if (usage === undefined) return 0
  const outer = new DerReader(usage.value, code)
  const [unused, first] = outer.content(tag.bitString, 'keyUsage')
  outer.end('keyUsage')
  return unused !== undefined && unused < 8 && first !== undefined ? first : 0
}

/** SubjectKeyIdentifier (RFC 5280 §4.2.1.2); undefined where there is none. @throws Fault 'certificate-malformed' */
export function subjectKeyId(certificate: Certificate): Uint8Array | undefined {
  const extension = certificate.extensions.find(({ oid }) => oid === '2.5.29.14')
  if (extension === undefined) return undefined
  const outer = new DerReader(extension.value, code)
  const id = outer.content(tag.octetString, 'subjectKeyIdentifier')
  outer.end('subjectKeyIdentifier')
  return id
}

/** Text of the only commonName of a DER Name; undefined where there is none, several, or no Unicode or ASCII text. */
export function commonNameOf(name: Uint8Array): string | undefined {
  const found: string[] = []
  const outer = new DerReader(name, code)
  const names = outer.enter(tag.sequence, 'name')
  outer.end('name')
  while (names.peek() !== undefined) {
    const set = names.enter(tag.set, 'relative distinguished name')
    while (set.peek() !== undefined) {
      const pair = set.enter(tag.sequence, 'attribute')
      const oid = pair.oid('attribute type')
      const value = pair.element('attribute value')
      pair.end('attribute')
      if (oid !== commonNameOid) continue
      if (value.tag !== tag.utf8String && value.tag !== tag.printableString) return undefined
      found.push(Buffer.from(value.content).toString('utf8'))
    }
  }
  return found.length === 1 ? found[0] : undefined
}

/** The curve of a SubjectPublicKeyInfo in its canonical form; undefined for any other key or form. */
export function curveOf(spki: Uint8Array): Curve | undefined {
  const hex = toHex(spki)
  return keyForms.find(form => spki.length === form.length && hex.startsWith(form.prefix))?.curve
}

type Outline = Pick<
  Certificate,
  'serial' | 'signatureAlgorithm' | 'issuer' | 'subject' | 'notBefore' | 'notAfter' | 'spki' | 'extensions'
>

/** RFC 5280 §4.1, in field order. */
function readOutline(der: Uint8Array): Outline {
  const outer = new DerReader(der, code)
  const certificate = outer.enter(tag.sequence, 'certificate')
  outer.end('certificate')
  const tbs = certificate.enter(tag.sequence, 'tbsCertificate')
  const outerAlgorithm = certificate.raw(tag.sequence, 'signatureAlgorithm')
  certificate.content(tag.bitString, 'signatureValue')
  certificate.end('certificate')

  const version = tbs.enter(0xa0, 'version')
  if (version.smallUnsigned('version') !== 2) throw tbs.fault('certificate: want version 3')
  version.end('version')
  const serial = toHex(tbs.unsigned('serialNumber'))
  const algorithm = tbs.raw(tag.sequence, 'signature')
  // Not signed outside, signed inside: they must be the same (§4.1.1.2).
  if (!equalBytes(algorithm, outerAlgorithm)) throw tbs.fault('certificate: two different signature algorithms')
  const signatureAlgorithm = new DerReader(algorithm, code).enter(tag.sequence, 'signature').oid('signature algorithm')
  const issuer = tbs.raw(tag.sequence, 'issuer')
  const validity = tbs.enter(tag.sequence, 'validity')
  const notBefore = validity.time('notBefore')
  const notAfter = validity.time('notAfter')
  validity.end('validity')
  const subject = tbs.raw(tag.sequence, 'subject')
  const spki = tbs.raw(tag.sequence, 'subjectPublicKeyInfo')
  const extensions = tbs.peek() === extensionsTag ? readExtensions(tbs.enter(extensionsTag, 'extensions')) : []
  tbs.end('tbsCertificate')
  return { serial, signatureAlgorithm, issuer, subject, notBefore, notAfter, spki, extensions }
}

/** The list of a certificate or a revocation list, inside its explicit tag. @throws Fault with the reader's code */
export function readExtensions(explicit: DerReader): Extension[] {
  const list = explicit.enter(tag.sequence, 'extensions')
  explicit.end('extensions')
  const extensions: Extension[] = []
  while (list.peek() !== undefined) {
    const extension = list.enter(tag.sequence, 'extension')
    const oid = extension.oid('extnID')
    const critical = extension.peek() === tag.boolean && extension.boolean('critical')
    const value = extension.content(tag.octetString, 'extnValue')
    extension.end('extension')
    // §4.2: at most one of a kind. Readers that take the first and readers that take the last would differ.
    if (extensions.some(other => other.oid === oid)) throw list.fault(`extension ${oid} is repeated`)
    extensions.push({ oid, critical, value })
  }
  return extensions
}

/** The PEM wrapping is the point: base64 cannot hold the marker that OpenSSL would look for inside the DER. */
function openCertificate(der: Uint8Array): X509Certificate {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')
  const lines = base64.match(/.{1,64}/g) ?? []
  let x509: X509Certificate
  try {
    x509 = new X509Certificate(`-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`)
  } catch (cause) {
    throw new Fault(code, `certificate: OpenSSL refuses it (${describe(cause)})`, { cause })
  }
  if (!equalBytes(x509.raw, der)) throw new Fault(code, 'certificate: OpenSSL read other bytes than were given')
  return x509
}

function keyOf(x509: X509Certificate): KeyObject {
  try {
    return x509.publicKey
  } catch (cause) {
    throw new Fault(code, `certificate: unusable public key (${describe(cause)})`, { cause })
  }
}
