// What we show to a peer: a certificate chain and its key, where both come from, and whether they belong together.
//
// A private key leaves its KeyObject in one place only, withKeyPem, because tls takes no KeyObject and no DER: it
// passes as a PEM Buffer, never as a string, and is zeroed before the function returns.

import { createPublicKey, type KeyObject } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { type Certificate, isSignedBy, readCertificate } from '../attest/certificate.ts'
import { describe, Fault } from '../base/errors.ts'

export interface Credential {
  /** DER, leaf first. */
  readonly chain: readonly [leaf: Uint8Array, ...rest: Uint8Array[]]
  readonly key: KeyObject
  /** Where the private key was born. Anything but 'enclave' needs the policy's dangerAcceptForeignKey. */
  readonly keyOrigin: 'enclave' | 'agent' | 'file'
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  /** Milliseconds since the epoch. */
  readonly notAfter: number
}

export interface CertificateSource {
  readonly name: string
  /**
   * True where nobody gets such a certificate without evidence of an enclave: none of the host's secrets is enough. A
   * certificate of any other source counts with peers only for the evidence in its leaf.
   */
  readonly attested: boolean
  /**
   * Now, and again whenever due. Ends when the signal aborts.
   * @param failed told of every attempt that gave no credential; the source goes on by itself
   */
  credentials(signal: AbortSignal, failed: (fault: Fault) => void): AsyncIterable<Credential>
}

export type Standing =
  | { readonly phase: 'empty' }
  | { readonly phase: 'ready'; readonly credential: Credential }
  | { readonly phase: 'stale'; readonly credential: Credential; readonly fault: Fault }
  | { readonly phase: 'expired'; readonly fault: Fault }

const maxChain = 8

/**
 * Throws unless the credential can be shown: the key fits the leaf, every certificate is valid at `at`, each is signed
 * by the next, and OpenSSL takes the whole.
 * @param at milliseconds since the epoch
 * @throws Fault 'credential-invalid' that names the first rule broken
 */
export function checkCredential(credential: Credential, at: number): void {
  if (credential.chain.length > maxChain)
    throw invalid(`chain: want at most ${maxChain}, got ${credential.chain.length}`)
  const chain = credential.chain.map(read)
  const [leaf] = chain
  if (leaf === undefined) throw invalid('chain: no certificate')

  if (credential.key.type !== 'private') throw invalid(`key: want a private key, got a ${credential.key.type} one`)
  // Both sides through the same encoder, so equal keys give equal bytes.
  if (!spkiOf(createPublicKey(credential.key)).equals(spkiOf(leaf.publicKey)))
    throw invalid('key does not fit the leaf')

  if (credential.notBefore !== leaf.notBefore || credential.notAfter !== leaf.notAfter) {
    throw invalid('dates are not those of the leaf')
  }
  for (const [index, certificate] of chain.entries()) {
    if (!(at >= certificate.notBefore))
      throw invalid(`certificate ${index} is not valid before ${iso(certificate.notBefore)}`)
    if (!(at < certificate.notAfter)) throw invalid(`certificate ${index} expired at ${iso(certificate.notAfter)}`)
    const next = chain[index + 1]
    if (next && !(certificate.x509.checkIssued(next.x509) && isSignedBy(certificate, next))) {
      throw invalid(`certificate ${index} is not signed by certificate ${index + 1}`)
    }
  }
  // OpenSSL has opinions of its own (key sizes, digests); better now than when a listener takes the credential up.
  try {
    withKeyPem(credential, ({ key, cert }) => createSecureContext({ key, cert }))
  } catch (error) {
    throw invalid('the TLS library refuses it', error)
  }
}

/** A credential from chain and key, with the dates of the leaf. @throws Fault 'credential-invalid' where it is no X.509 */
export function toCredential(
  chain: Credential['chain'],
  key: KeyObject,
  keyOrigin: Credential['keyOrigin'],
): Credential {
  const leaf = read(chain[0])
  return { chain, key, keyOrigin, notBefore: leaf.notBefore, notAfter: leaf.notAfter }
}

/**
 * Lends the key as PKCS#8 PEM, with the chain as PEM, for the time of one synchronous call: for tls.createServer,
 * setSecureContext and createSecureContext, which read both before they return. The key is zeroed afterwards, whatever
 * happens, so `use` must not keep it.
 */
export function withKeyPem<T>(credential: Credential, use: (pem: { key: Buffer; cert: string }) => T): T {
  const der = credential.key.export({ type: 'pkcs8', format: 'der' })
  const key = keyPem(der)
  try {
    return use({ key, cert: chainPem(credential.chain) })
  } finally {
    der.fill(0)
    key.fill(0)
  }
}

/** Certificates as concatenated PEM, in the order given. */
export function chainPem(chain: readonly Uint8Array[]): string {
  return chain.map(der => toPem(der)).join('')
}

/** A request for a certificate (PKCS#10) as PEM. */
export function requestPem(der: Uint8Array): string {
  return toPem(der, 'CERTIFICATE REQUEST')
}

function read(der: Uint8Array): Certificate {
  try {
    return readCertificate(der)
  } catch (error) {
    throw invalid('not a certificate', error)
  }
}

function toPem(der: Uint8Array, label = 'CERTIFICATE'): string {
  const text = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')
  return `-----BEGIN ${label}-----\n${text.replace(/.{64}(?!$)/g, '$&\n')}\n-----END ${label}-----\n`
}

const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')
const head = '-----BEGIN PRIVATE KEY-----\n'
const foot = '\n-----END PRIVATE KEY-----\n'

/** PEM without a detour over a JavaScript string, which could not be wiped. Lines are 64 characters (RFC 7468 §2). */
function keyPem(der: Buffer): Buffer {
  const length = Math.ceil(der.length / 3) * 4
  const pem = Buffer.alloc(head.length + length + Math.floor((length - 1) / 64) + foot.length)
  let at = pem.write(head, 'latin1')
  for (let from = 0; from < der.length; from += 3) {
    if (from > 0 && from % 48 === 0) at = pem.writeUInt8(0x0a, at)
    const left = Math.min(3, der.length - from)
    const bits = der.readUIntBE(from, left) << (8 * (3 - left))
    for (let digit = 0; digit < 4; digit += 1) {
      const code = digit <= left ? alphabet.readUInt8((bits >>> (18 - 6 * digit)) & 63) : 0x3d
      at = pem.writeUInt8(code, at)
    }
  }
  pem.write(foot, at, 'latin1')
  return pem
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

function invalid(text: string, cause?: unknown): Fault {
  const why = cause === undefined ? '' : ` (${describe(cause)})`
  return new Fault('credential-invalid', `credential: ${text}${why}`, { cause })
}
