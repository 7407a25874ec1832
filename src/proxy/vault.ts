// The policy's Vault or OpenBao as the source of our certificate: the connection by the same dialer and judges as the
// container's, so that nothing secret is sent before its other end was judged.

import type { Socket } from 'node:net'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { QuoteSource } from '../attest/evidence.ts'
import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/errors.ts'
import { authorityOf } from '../config/origin.ts'
import type { VaultIssuer } from '../config/vault.ts'
import { type Decide, makeDialer } from '../engine/dial.ts'
import { TrustBundle } from '../identity/bundle.ts'
import { type CertificateSource, type Credential, chainPem, withKeyPem } from '../identity/credential.ts'
import type { EvidenceOptions } from '../identity/sources/self-signed.ts'
import { vaultSource } from '../identity/sources/vault.ts'
import type { VaultServer } from '../identity/vault/call.ts'
import type { VaultLogin } from '../identity/vault/login.ts'
import { connectTo } from './issued.ts'
import { tls13Ciphers } from './listeners.ts'
import { chained, pemToDer } from './upstream.ts'

export interface VaultWiring {
  readonly issuer: VaultIssuer
  /** Judges by evidence, for a key of the policy's `peers`. */
  readonly evidenceOf: (accept: string) => Decide
  readonly clock: Clock
  /** Undefined where there is no TEE. */
  readonly tee: QuoteSource | undefined
  /** What our own evidence says. */
  readonly own: Omit<EvidenceOptions, 'source'>
  /** Where the policy names none. */
  readonly names: readonly string[]
  readonly lifetimeMs: number
}

const uriForm = /^spiffe:/

/** @throws Fault 'tee-unavailable' where the policy wants a quote and there is no TEE */
export function openVault(wiring: VaultWiring): CertificateSource {
  const { issuer, tee, own, lifetimeMs } = wiring
  const { pki } = issuer
  const names = pki.names ?? wiring.names
  return vaultSource({
    server: vaultServer(wiring),
    login: loginOf(issuer.login, tee),
    mount: pki.mount,
    role: pki.role,
    dnsNames: names.filter(name => !uriForm.test(name)),
    uris: names.filter(name => uriForm.test(name)),
    lifetimeMs,
    evidence: pki.evidence ? { source: quoting(tee), ...own } : undefined,
  })
}

function quoting(tee: QuoteSource | undefined): QuoteSource {
  if (tee) return tee
  throw new Fault('tee-unavailable', 'identity.vault wants evidence (pki.evidence or login sgx), and there is no TEE')
}

function loginOf(login: VaultIssuer['login'], tee: QuoteSource | undefined): VaultLogin {
  if ('sgx' in login) return { kind: 'sgx', ...login.sgx, quotes: quoting(tee) }
  if ('certificate' in login) return { kind: 'certificate', ...login.certificate }
  return 'jwt' in login ? { kind: 'jwt', ...login.jwt } : { kind: 'kubernetes', ...login.kubernetes }
}

/** The server that the policy means, each connection judged. */
export function vaultServer({ issuer, evidenceOf, clock }: VaultWiring): VaultServer {
  const { host, port, namespace, server } = issuer
  const bundle = 'bundle' in server ? new TrustBundle(clock, server.bundle.map(pemToDer)) : undefined
  const decide = 'bundle' in server && bundle ? chained(bundle, server.san) : undefined
  const judged = decide ?? evidenceOf('accept' in server ? server.accept : '')
  const authority = authorityOf({ host, port })

  function connect(credential: Credential | undefined, signal: AbortSignal): Promise<Socket> {
    const dialer = makeDialer({
      host,
      port,
      servername: host,
      clock,
      judge: {
        judge: async chain => judged(chain, clock.now()),
        secureContext: () => contextOf(bundle, credential),
        chainToContext: bundle !== undefined,
        policyDigest: '',
        collateralGeneration: () => 0,
      },
      // The fault says it all, and goes to whoever follows the source.
      refused: () => {},
    })
    return connectTo(dialer, `vault: ${authority}`, signal)
  }

  return { authority, namespace, clock, connect }
}

function contextOf(bundle: TrustBundle | undefined, credential: Credential | undefined): SecureContext {
  const common = {
    ciphers: tls13Ciphers,
    minVersion: 'TLSv1.3',
    ...(bundle && { ca: chainPem(bundle.anchors) }),
  } as const
  return credential
    ? withKeyPem(credential, pem => createSecureContext({ ...common, ...pem }))
    : createSecureContext(common)
}
