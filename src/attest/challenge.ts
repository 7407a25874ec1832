// Fresh evidence, made for one connection: whoever opens it asks, whoever answers has its enclave quoted again, over the
// key of the certificate that the connection was opened with and over what only the two ends of it can compute.
//
// The channel is the TLS exporter's (RFC 8446 §7.5) over the asker's nonce and the answerer's certificate: a TLS 1.3
// exporter covers both sides' randoms, so an answer recorded or made elsewhere is for another channel. The nonce enters
// through it; nothing that the asker sends is quoted as such, and the claims say `challenge`, so that an answer counts for
// nothing else. Answers to several connections may share one quote: each finds its own channel in the list.

import { createHash } from 'node:crypto'
import { concat, equalBytes } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'
import { bindClaims, encodeClaims, type OwnClaims } from './bind.ts'
import type { Certificate } from './certificate.ts'
import type { QuoteSource, Reason } from './evidence.ts'
import { readTagged, type TaggedEvidence, writeTagged } from './ratls.ts'

/** Where it is asked: POST, with what writeChallenge makes. */
export const challengePath = '/.well-known/postern/attest'
export const challengeType = 'application/cbor'
/** RFC 5705 leaves labels that begin so to private use. */
export const exporterLabel = 'EXPERIMENTAL postern attest v1'
/** Of the nonce and of the channel. */
export const exporterBytes = 32
/** Of an answer: a quote of at most 8 KiB, and claims. */
export const maxAnswerBytes = 16 * 1024

const code = 'evidence-malformed'
const nonceBytes = 32
// {1: nonce, 2: "challenge"} in deterministic CBOR has one spelling, so both ends compare bytes.
const before = Uint8Array.of(0xa2, 0x01, 0x58, nonceBytes)
const after = concat(Uint8Array.of(0x02, 0x69), new TextEncoder().encode('challenge'))
/** A challenge has exactly so many. */
export const challengeBytes = before.length + nonceBytes + after.length

/** @param nonce 32 random bytes */
export function writeChallenge(nonce: Uint8Array): Uint8Array {
  return concat(before, nonce, after)
}

/** The nonce of a challenge. @throws Fault 'evidence-malformed' for anything but what writeChallenge makes */
export function readChallenge(bytes: Uint8Array): Uint8Array {
  const nonce = bytes.slice(before.length, before.length + nonceBytes)
  if (bytes.length !== challengeBytes || !equalBytes(bytes, writeChallenge(nonce))) {
    throw new Fault(code, `challenge: want {1: ${nonceBytes} bytes, 2: "challenge"} and nothing else`)
  }
  return nonce
}

/** What the exporter of either end is asked about. @param leaf the answerer's certificate, DER */
export function channelContext(nonce: Uint8Array, leaf: Uint8Array): Buffer {
  return createHash('sha256').update(nonce).update(createHash('sha256').update(leaf).digest()).digest()
}

/**
 * Fresh evidence for some connections.
 * @param own what the certificate's evidence says as well; `channels`: those of the connections
 * @throws Fault 'tee-unavailable' where there is no quote
 */
export async function makeAnswer(
  source: QuoteSource,
  own: Omit<OwnClaims, 'use'> & { readonly channels: readonly Uint8Array[] },
): Promise<Uint8Array> {
  const claims = encodeClaims({ ...own, use: 'challenge' })
  return writeTagged({ quote: await source.quote(bindClaims(claims)), claims })
}

/** The connection that an answer has to be for. */
export interface AnswerFor {
  /** The certificate that it was opened with, DER. */
  readonly leaf: Uint8Array
  /** What its exporter gave, 32 bytes. */
  readonly channel: Uint8Array
}

/**
 * Reads an answer and checks that its claims are about the certificate's key.
 * @returns the evidence, not verified yet, and why it is not for this channel
 * @throws Fault 'evidence-malformed', 'evidence-unbound'
 */
export function readAnswer(
  bytes: Uint8Array,
  leaf: Certificate,
  channel: Uint8Array,
): { readonly evidence: TaggedEvidence; readonly reasons: readonly Reason[] } {
  if (bytes.length > maxAnswerBytes) {
    throw new Fault(code, `answer: want at most ${maxAnswerBytes} bytes, got ${bytes.length}`)
  }
  const evidence = readTagged(bytes, leaf.spki)
  if (evidence.channels.some(each => equalBytes(each, channel))) return { evidence, reasons: [] }
  const got = evidence.channels.length === 0 ? 'for none' : 'for another'
  return { evidence, reasons: [{ rule: 'channel', want: 'evidence made for this connection', got }] }
}
