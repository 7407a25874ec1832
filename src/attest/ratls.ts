// Evidence in a certificate (RA-TLS), both ways. Extensions: TCG DICE tagged evidence 2.23.133.5.4.9 as interoperable
// RA-TLS (CCC attestation SIG) and Gramine write it, Gramine's older bare quote, and that of Intel's SGX SDK.
//
// It must never fall back: where tagged evidence is present and bad, the certificate is refused, or an attacker would
// choose the weaker format by spoiling the stronger. Reading says what a certificate claims; only together with
// verifyQuote and requireBound does it mean anything.

import { equalBytes } from '../base/bytes.ts'
import { decodeCbor, encodeCbor, isTagged } from '../base/cbor.ts'
import { tag } from '../base/der.ts'
import { Fault } from '../base/errors.ts'
import { bindClaims, bindLegacyKey, bindsKey, decodeClaims, type PosternClaims, type ReportData } from './bind.ts'
import type { Certificate, Extension } from './certificate.ts'

export const taggedEvidenceOid = '2.23.133.5.4.9'
/**
 * Gramine hands a whole TLV (06 09 2A 86 48 86 F8 4D 8A 39 06) to a function that wants an identifier's content, so its
 * certificates say 06 0B 06 09 2A 86 48 86 F8 4D 8A 39 06. In dotted form that is this; @peculiar/x509 encodes this
 * dotted form to exactly those bytes, so no raw DER is needed.
 */
export const legacyOid = '0.6.9.42.840.113741.1337.6'
/** What Gramine documents; other makers write it. Read, never written. */
export const documentedLegacyOid = '1.2.840.113741.1337.6'

/**
 * Intel's SGX SDK (tee_get_certificate_with_evidence) writes its bare quote under the identifier that the SGX extension of
 * a PCK certificate has. Read, never written; never read in a PCK certificate.
 */
export const sdkOid = '1.2.840.113741.1.13.1'

// Gramine's verifier takes only the length form 04 82 hi lo, and no more than its largest quote.
const minValueBytes = 256
const maxValueBytes = 8192
const quoteTag = 60_000
const code = 'evidence-malformed'

/** Evidence as a certificate carries it. */
export interface Evidence {
  readonly format: 'tagged' | 'legacy' | 'sdk'
  readonly quote: Uint8Array
  /** What the quote's report data must be, all 64 bytes. */
  readonly reportData: ReportData
  readonly postern: PosternClaims | undefined
}

/** Evidence with claims. */
export interface TaggedEvidence extends Evidence {
  readonly format: 'tagged'
  /** Connections that it was made for. */
  readonly channels: readonly Uint8Array[]
}

/** What goes over the wire: CBOR tag 60000 over quote and claims. */
export function writeTagged({
  quote,
  claims,
}: {
  readonly quote: Uint8Array
  readonly claims: Uint8Array
}): Uint8Array {
  return encodeCbor({ tag: quoteTag, value: [quote, claims] })
}

/**
 * Extensions, none of them critical, for a certificate over the key that the claims bind.
 * @param tagged a quote over bindClaims(claims), and those claims as encodeClaims made them
 * @param legacyQuote a second quote, over bindLegacyKey(spki), where old Gramine peers have to understand it
 * @throws Fault 'evidence-malformed' where a value is not of 256 to 8192 bytes
 */
export function evidenceExtensions(
  tagged: { readonly quote: Uint8Array; readonly claims: Uint8Array },
  legacyQuote?: Uint8Array,
): { readonly oid: string; readonly value: Uint8Array }[] {
  const extensions = [{ oid: taggedEvidenceOid, value: writeTagged(tagged) }]
  if (legacyQuote) extensions.unshift({ oid: legacyOid, value: legacyQuote }) // Gramine's order: legacy first
  for (const extension of extensions) requireSize(extension.oid, extension.value)
  return extensions
}

/**
 * Takes the evidence out of a certificate and checks that its claims are about the certificate's own key.
 * @throws Fault 'evidence-missing' where there is none, 'evidence-malformed' where its form is wrong, 'evidence-unbound'
 *   where it is about another key
 */
export function readEvidence(certificate: Certificate): Evidence {
  const extension = findExtension(certificate)
  if (certificate.curve === undefined) throw new Fault(code, 'certificate key: want P-256 or P-384, a named curve')
  if (extension.critical) throw new Fault(code, `extension ${extension.oid}: must not be critical`)
  requireSize(extension.oid, extension.value)
  if (extension.oid === taggedEvidenceOid) return readTagged(extension.value, certificate.spki)
  return {
    format: extension.oid === sdkOid ? 'sdk' : 'legacy',
    quote: extension.value,
    reportData: bindLegacyKey(certificate.spki),
    postern: undefined,
  }
}

/**
 * All 64 bytes, in constant time: bytes 32 to 63 are zero or the quote says something that nobody reads.
 * @throws Fault 'evidence-unbound'
 */
export function requireBound(evidence: Evidence, quoted: Uint8Array): void {
  if (equalBytes(evidence.reportData, quoted)) return
  const what = evidence.format === 'tagged' ? 'these claims' : "the certificate's key"
  throw new Fault('evidence-unbound', `quote: its report data is not for ${what}`)
}

/** Tagged evidence wherever there is some, good or bad; else the legacy quote; else the SDK's. */
function findExtension(certificate: Certificate): Extension {
  const { extensions } = certificate
  const tagged = extensions.find(({ oid }) => oid === taggedEvidenceOid)
  if (tagged) return tagged
  const [legacy, second] = extensions.filter(({ oid }) => oid === legacyOid || oid === documentedLegacyOid)
  if (second) throw new Fault(code, 'certificate: legacy evidence under both identifiers')
  const found = legacy ?? (isPck(certificate) ? undefined : extensions.find(({ oid }) => oid === sdkOid))
  if (!found) throw new Fault('evidence-missing', 'certificate: no evidence extension')
  return found
}

/** A PCK certificate describes a platform under the SDK's identifier, in DER; a quote begins with its version. */
function isPck({ commonName, extensions }: Certificate): boolean {
  const value = extensions.find(({ oid }) => oid === sdkOid)?.value
  return value?.[0] === tag.sequence || /SGX PCK/.test(commonName ?? '')
}

/**
 * Reads tagged evidence and checks that its claims are about this key.
 * @param spki DER SubjectPublicKeyInfo
 * @throws Fault 'evidence-malformed', 'evidence-unbound'
 */
export function readTagged(value: Uint8Array, spki: Uint8Array): TaggedEvidence {
  const item = decodeCbor(value, code)
  if (!isTagged(item) || item.tag !== quoteTag) throw new Fault(code, `evidence: want CBOR tag ${quoteTag}`)
  const [quote, claims, ...rest] = Array.isArray(item.value) ? item.value : []
  if (!(quote instanceof Uint8Array) || !(claims instanceof Uint8Array) || rest.length > 0) {
    throw new Fault(code, 'evidence: want an array of two byte strings, quote and claims')
  }
  const peer = decodeClaims(claims)
  if (!bindsKey(peer, spki)) {
    throw new Fault('evidence-unbound', "claims: pubkey-hash is not the hash of the certificate's key")
  }
  const { postern, channels } = peer
  return { format: 'tagged', quote, reportData: bindClaims(claims), postern, channels }
}

function requireSize(oid: string, value: Uint8Array): void {
  if (value.length >= minValueBytes && value.length <= maxValueBytes) return
  throw new Fault(code, `extension ${oid}: want ${minValueBytes} to ${maxValueBytes} bytes, got ${value.length}`)
}
