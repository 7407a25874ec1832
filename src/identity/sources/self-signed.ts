// RA-TLS without an authority: a certificate that signs itself and carries the enclave's quote over its own key.
//
// A new key for each certificate, born here and never exported. What the quote vouches for (use, role, policy, service)
// comes from the measured policy, never from the host. A certificate without hardware behind it says so in its subject,
// for everything that shows certificates. Rules: interoperable RA-TLS (CCC attestation SIG); src/attest/ratls.ts.

import type { KeyObject } from 'node:crypto'
import { bindClaims, bindLegacyKey, encodeClaims, type Role } from '../../attest/bind.ts'
import type { QuoteSource } from '../../attest/evidence.ts'
import { evidenceExtensions } from '../../attest/ratls.ts'
import type { Clock } from '../../base/clock.ts'
import type { PhaseDone } from '../../base/startup.ts'
import { type CertificateSource, type Credential, toCredential } from '../credential.ts'
import { rotate } from '../rotate.ts'
import { type Extension, generateKey, type Subject, selfSigned } from '../x509.ts'

/** What a quote over a key vouches for besides the key. */
export interface EvidenceOptions {
  readonly source: QuoteSource
  readonly role: Role
  /** SHA-256 over the policy in force, 32 bytes. */
  readonly policyDigest: Uint8Array
  /** SPIFFE ID of the service; undefined where the policy names none. */
  readonly service: string | undefined
  /** Also Gramine's older extension, for peers that know no other. Costs a second quote and doubles the certificate. */
  readonly legacyExtension?: boolean
}

export interface RatlsOptions extends EvidenceOptions {
  /** Subject alternative names: for peers that check names as well. */
  readonly dnsNames: readonly string[]
  readonly lifetimeMs: number
  readonly clock: Clock
  /** Told where the time goes. */
  readonly done?: PhaseDone | undefined
}

/** Organisation in the subject of a certificate whose quote nothing but software has signed. */
export const syntheticMark = 'SYNTHETIC, NOT ATTESTED'

const longestBackdateMs = 300_000

/**
 * One RA-TLS credential with a fresh P-256 key, for TLS and nothing else.
 * @throws Fault 'tee-unavailable' where there is no quote, 'evidence-malformed' where it does not fit a certificate,
 *   'internal' where digest or service are malformed, 'credential-invalid' where the certificate cannot be made
 */
export async function makeRatlsCredential(options: RatlsOptions): Promise<Credential> {
  const { source, dnsNames, lifetimeMs, clock, done } = options
  const key = generateKey()
  done?.('key')
  const extensions = await evidenceOver(key.publicKey, options)
  done?.('quote')
  const subject: Subject = {
    commonName: 'postern',
    ...(source.synthetic ? { organization: syntheticMark } : {}),
  }
  // After the quotes, which take their time. Backdated, since the peer's clock may be behind ours.
  const now = clock.now()
  const certificate = await selfSigned({
    key,
    subject,
    dnsNames,
    notBefore: now - Math.min(longestBackdateMs, lifetimeMs / 10),
    notAfter: now + lifetimeMs,
    extensions,
  })
  done?.('certificate')
  return toCredential([certificate], key.privateKey, 'enclave')
}

/**
 * Extensions with evidence over a key that TLS is to show.
 * @throws Fault 'tee-unavailable', 'evidence-malformed' and 'internal' as makeRatlsCredential
 */
export async function evidenceOver(publicKey: KeyObject, options: EvidenceOptions): Promise<Extension[]> {
  const { source, role, policyDigest, service, legacyExtension = false } = options
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const claims = encodeClaims({ spki, use: 'tls', role, policyDigest, service })
  const quote = await source.quote(bindClaims(claims))
  const legacyQuote = legacyExtension ? await source.quote(bindLegacyKey(spki)) : undefined
  return evidenceExtensions({ quote, claims }, legacyQuote)
}

/** RA-TLS credentials, renewed at two thirds of their life. */
export function selfSignedSource(options: RatlsOptions): CertificateSource {
  return {
    name: 'self-signed',
    attested: true,
    credentials(signal, failed) {
      const issue = () => makeRatlsCredential(options)
      return rotate({ issue, clock: options.clock, signal, failed })
    },
  }
}
