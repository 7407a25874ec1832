// A request for a certificate (PKCS#10, RFC 2986), and the evidence that goes with it: over the key of the request, for the
// one connection that it is sent on.
//
// The channel is the TLS exporter's (RFC 8446 §7.5) over the hash of the request, so that evidence recorded, reflected or
// made for another request is for another channel, and nobody has to keep a table of nonces. Of a request only the key
// counts: the names that it asks for are read by nobody.

import { createHash, createPublicKey, verify } from 'node:crypto'
import { equalBytes } from '../base/bytes.ts'
import { DerReader, tag } from '../base/der.ts'
import { describe, Fault } from '../base/errors.ts'
import { bindClaims, encodeClaims, type OwnClaims } from './bind.ts'
import { curveOf } from './certificate.ts'
import type { QuoteSource, Reason } from './evidence.ts'
import { readTagged, type TaggedEvidence, writeTagged } from './ratls.ts'

/** Byte strings are copies. */
export interface CertificateRequest {
  readonly der: Uint8Array
  /** SHA-256 of `der`, lower-case hex. */
  readonly sha256: string
  /** DER SubjectPublicKeyInfo of a P-256 key, whose owner has signed the request. */
  readonly spki: Uint8Array
}

export const maxRequestBytes = 16 * 1024
/** Of evidence: a quote of at most 8 KiB, and claims; what fits into a certificate. */
export const maxEvidenceBytes = 8192

const code = 'evidence-malformed'
/** ecdsa-with-SHA256, without parameters (RFC 5758 §3.2). */
const ecdsaWithSha256 = Buffer.from('300a06082a8648ce3d040302', 'hex')
const attributesTag = 0xa0

/**
 * Reads a request and checks that it was signed by the key that it is for.
 * @param der the request and nothing else
 * @throws Fault 'evidence-malformed'
 */
export function readRequest(der: Uint8Array): CertificateRequest {
  if (der.length > maxRequestBytes) {
    throw new Fault(code, `request: ${der.length} bytes, want at most ${maxRequestBytes}`)
  }
  const outer = new DerReader(der, code)
  const whole = outer.enter(tag.sequence, 'request')
  outer.end('request')
  const info = whole.raw(tag.sequence, 'certificationRequestInfo')
  const algorithm = whole.raw(tag.sequence, 'signatureAlgorithm')
  const [unused, ...signature] = whole.content(tag.bitString, 'signature')
  whole.end('request')
  const inner = new DerReader(info, code).enter(tag.sequence, 'certificationRequestInfo')
  if (inner.smallUnsigned('version') !== 0) throw new Fault(code, 'request: want version 1')
  inner.raw(tag.sequence, 'subject')
  const spki = inner.raw(tag.sequence, 'subjectPublicKeyInfo')
  inner.raw(attributesTag, 'attributes')
  inner.end('certificationRequestInfo')
  if (curveOf(spki) !== 'P-256') throw new Fault(code, 'request: want a P-256 key, a named curve')
  if (!equalBytes(algorithm, ecdsaWithSha256)) throw new Fault(code, 'request: want a signature of ecdsa-with-SHA256')
  if (unused !== 0 || !isSigned(info, spki, Buffer.from(signature))) {
    throw new Fault('evidence-unbound', 'request: it is not signed by the key that it is for')
  }
  return { der: new Uint8Array(der), sha256: createHash('sha256').update(der).digest('hex'), spki }
}

function isSigned(info: Uint8Array, spki: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    return verify('sha256', info, key, signature)
  } catch (cause) {
    throw new Fault(code, `request: its key is none (${describe(cause)})`, { cause })
  }
}

/** What the exporter of either end is asked about. @param der the request */
export function requestContext(der: Uint8Array): Buffer {
  return createHash('sha256').update(der).digest()
}

/**
 * Evidence to send with a request.
 * @param own about the request's key; `channels`: that of the connection alone
 * @throws Fault 'tee-unavailable' where there is no quote
 */
export async function makeRequestEvidence(
  source: QuoteSource,
  own: Omit<OwnClaims, 'use'> & { readonly channels: readonly [Uint8Array] },
): Promise<Uint8Array> {
  const claims = encodeClaims({ ...own, use: 'csr' })
  return writeTagged({ quote: await source.quote(bindClaims(claims)), claims })
}

/**
 * Reads what came with a request and checks that its claims are about the request's key.
 * @returns the evidence, not verified yet, and why it is not for this channel
 * @throws Fault 'evidence-malformed', 'evidence-unbound'
 */
export function readRequestEvidence(
  bytes: Uint8Array,
  spki: Uint8Array,
  channel: Uint8Array,
): { readonly evidence: TaggedEvidence; readonly reasons: readonly Reason[] } {
  if (bytes.length > maxEvidenceBytes) {
    throw new Fault(code, `evidence: want at most ${maxEvidenceBytes} bytes, got ${bytes.length}`)
  }
  const evidence = readTagged(bytes, spki)
  // One and no other: it goes into a certificate, where others would find the connections that it was made for.
  const [only, ...others] = evidence.channels
  if (only !== undefined && others.length === 0 && equalBytes(only, channel)) return { evidence, reasons: [] }
  const got = only === undefined ? 'for none' : others.length > 0 ? 'for several' : 'for another'
  return { evidence, reasons: [{ rule: 'channel', want: 'evidence made for this connection and request', got }] }
}
