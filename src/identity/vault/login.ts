// How we show Vault or OpenBao who we are. Each way makes one request; what it answers is a token with a lease.
//
// A service account's token, any JWT, and a key in a file are the host's to read: whoever holds them can log in and have
// a key of his own certified. Only enclaive's plug-in verifies a quote. API: "TLS certificates auth method", "JWT/OIDC
// auth method", "Kubernetes auth method"; enclaive's `sgx-auth`: as its public plug-in and premain send and read it.

import { bindCertificate } from '../../attest/bind.ts'
import type { QuoteSource } from '../../attest/evidence.ts'
import type { Clock } from '../../base/clock.ts'
import { describe, Fault } from '../../base/errors.ts'
import { type Credential, toCredential } from '../credential.ts'
import { readBounded, readCredential } from '../sources/files.ts'
import { generateKey, selfSigned } from '../x509.ts'
import type { VaultCall } from './call.ts'

/** `mount`: the auth method's path below `auth/`. */
export type VaultLogin =
  /** `folder` holds tls.crt and tls.key; `role`: one entry of the method, else any that fits. */
  | { readonly kind: 'certificate'; readonly mount: string; readonly role: string | undefined; readonly folder: string }
  /** `file` holds the token. */
  | { readonly kind: 'jwt' | 'kubernetes'; readonly mount: string; readonly role: string; readonly file: string }
  /** `id`: the name under which the enclave's measurement is registered. */
  | { readonly kind: 'sgx'; readonly mount: string; readonly id: string; readonly quotes: QuoteSource }

/** True where the login proves an enclave, and not only what its host knows too. */
export function provesEnclave(login: VaultLogin): boolean {
  return login.kind === 'sgx'
}

const minute = 60_000

/**
 * The request that logs in.
 * @throws Fault 'credential-invalid' where a file is not there or not what it should be, 'tee-unavailable'
 */
export async function loginCall(login: VaultLogin, clock: Clock): Promise<VaultCall> {
  const path = `auth/${login.mount}/login`
  if (login.kind === 'certificate') {
    const credential = readCredential(login.folder, clock.now())
    return { path, body: login.role === undefined ? {} : { name: login.role }, credential }
  }
  if (login.kind === 'sgx') return { path, ...(await withQuote(login.id, login.quotes, clock)) }
  const jwt = readToken(login.file)
  return { path, body: { role: login.role, jwt }, secrets: [jwt] }
}

function readToken(file: string): string {
  const token = tokenIn(file)
  if (!/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(token)) {
    throw new Fault('credential-invalid', `${file}: want a JWT in its compact form`)
  }
  return token
}

function tokenIn(file: string): string {
  try {
    const bytes = readBounded(file)
    const token = bytes.toString('latin1').trim()
    bytes.fill(0)
    return token
  } catch (error) {
    throw new Fault('credential-invalid', `${file}: ${describe(error)}`)
  }
}

/** The plug-in hashes the certificate of the connection and compares with what the quote vouches for. */
async function withQuote(
  id: string,
  quotes: QuoteSource,
  clock: Clock,
): Promise<{ body: VaultCall['body']; credential: Credential }> {
  const key = generateKey()
  const now = clock.now()
  const certificate = await selfSigned({
    key,
    subject: { commonName: id },
    dnsNames: ['localhost'],
    notBefore: now - 5 * minute,
    notAfter: now + 10 * minute,
  })
  const quote = await quotes.quote(bindCertificate(certificate))
  const attestation = JSON.stringify({ Name: id, Quote: Buffer.from(quote).toString('base64') })
  return {
    body: { id, attestation: Buffer.from(attestation).toString('base64') },
    credential: toCredential([certificate], key.privateKey, 'enclave'),
  }
}
