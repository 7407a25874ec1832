// Vault and OpenBao's PKI as the issuer: a key is born here, a request for a certificate is signed there. Never `issue`,
// which would make the key there.
//
// Names come from the policy. What comes back is looked at: a certificate for another key, for more or fewer names, or
// without the evidence that was asked for is a failed renewal. API: "PKI secrets engine", sign and sign-verbatim.

import { type Certificate, isSignedBy, readCertificate } from '../../attest/certificate.ts'
import { readPemChain } from '../../attest/pem.ts'
import { equalBytes } from '../../base/bytes.ts'
import { Fault } from '../../base/errors.ts'
import type { Json, JsonObject } from '../../base/json.ts'
import { type CertificateSource, type Credential, requestPem, toCredential } from '../credential.ts'
import { rotate } from '../rotate.ts'
import { accepted, malformed, objectIn, type VaultServer } from '../vault/call.ts'
import { provesEnclave, type VaultLogin } from '../vault/login.ts'
import { VaultSession } from '../vault/session.ts'
import { certificateRequest, type Extension, generateKey } from '../x509.ts'
import { type EvidenceOptions, evidenceOver } from './self-signed.ts'

export interface VaultOptions {
  readonly server: VaultServer
  readonly login: VaultLogin
  /** Path of the PKI secrets engine. */
  readonly mount: string
  readonly role: string
  /** The first is the common name too. */
  readonly dnsNames: readonly string[]
  readonly uris: readonly string[]
  readonly lifetimeMs: number
  /** Evidence that the certificate is to carry; undefined where it carries none. Takes `sign-verbatim`. */
  readonly evidence: EvidenceOptions | undefined
}

const maxChain = 8

/** Certificates of Vault's or OpenBao's PKI, renewed at two thirds of their life. */
export function vaultSource(options: VaultOptions): CertificateSource {
  const { server, login } = options
  const session = new VaultSession(server, login)
  return {
    name: 'vault',
    attested: provesEnclave(login),
    credentials: (signal, failed) =>
      rotate({ issue: stopped => issueOne(options, session, stopped), clock: server.clock, signal, failed }),
  }
}

async function issueOne(options: VaultOptions, session: VaultSession, signal: AbortSignal): Promise<Credential> {
  const { mount, role, dnsNames, uris, lifetimeMs, evidence } = options
  const key = generateKey()
  const extensions = evidence ? await evidenceOver(key.publicKey, evidence) : []
  const commonName = dnsNames[0] ?? 'postern'
  const csr = await certificateRequest({ key, subject: { commonName }, dnsNames, uris, extensions })
  const path = `${mount}/${evidence ? 'sign-verbatim' : 'sign'}/${role}`
  const body = {
    csr: requestPem(csr),
    // For roles that take names from here instead of from the request.
    common_name: commonName,
    alt_names: dnsNames.join(','),
    uri_sans: uris.join(','),
    exclude_cn_from_sans: true,
    ttl: `${Math.floor(lifetimeMs / 1000)}s`,
    // Of sign-verbatim alone, which else gives none.
    ...(evidence && { key_usage: 'DigitalSignature', ext_key_usage: 'ServerAuth,ClientAuth' }),
  }
  const data = objectIn(accepted(await session.ask({ path, body }, signal), path), 'data', path)
  const chain = chainOf(data, path)
  requireNames(chain[0], [...dnsNames.map(name => `DNS:${name}`), ...uris.map(uri => `URI:${uri}`)])
  requireExtensions(chain[0], extensions)
  return toCredential([chain[0].der, ...chain.slice(1).map(({ der }) => der)], key.privateKey, 'enclave')
}

/** Leaf first, each signed by the next, without the root, which whoever trusts it has. */
function chainOf(data: JsonObject, path: string): [Certificate, ...Certificate[]] {
  const { certificate, issuing_ca: issuer, ca_chain: more } = data
  if (certificate === undefined) throw malformed(path, 'no certificate')
  const pool = [...(Array.isArray(more) ? more : []), ...(issuer === undefined ? [] : [issuer])]
  if (pool.length > maxChain) throw malformed(path, `a chain of ${pool.length}`)
  const others = pool.map(each => parse(each, path))
  const leaf = parse(certificate, path)
  const chain: [Certificate, ...Certificate[]] = [leaf]
  let last = leaf
  for (;;) {
    const next = others.find(other => !chain.includes(other) && isIssuer(other, last))
    if (next === undefined && last === leaf) throw malformed(path, 'no issuer of its certificate')
    if (next === undefined || next.selfIssued) return chain
    chain.push(next)
    last = next
  }
}

function isIssuer(issuer: Certificate, certificate: Certificate): boolean {
  return certificate.x509.checkIssued(issuer.x509) && isSignedBy(certificate, issuer)
}

function parse(pem: Json, path: string): Certificate {
  if (typeof pem !== 'string') throw malformed(path, 'a certificate that is no text')
  const [der = new Uint8Array()] = readPemChain(Buffer.from(pem), 1, 'issuer-malformed', `vault: ${path}`)
  try {
    return readCertificate(der)
  } catch {
    throw malformed(path, 'a certificate that is none')
  }
}

/** Exactly these: a name more is somebody's whom we are not, a name fewer is an outage with those who look for it. */
function requireNames(leaf: Certificate, want: readonly string[]): void {
  const got = (leaf.x509.subjectAltName ?? '').split(', ').filter(name => name !== '')
  if (got.length === want.length && want.every(name => got.includes(name))) return
  throw new Fault(
    'credential-invalid',
    `vault: want a certificate for ${want.join(', ')}, got one for ${got.join(', ').slice(0, 512) || 'no name'}; ` +
      "the PKI role must allow these names, with use_csr_sans or the request's own",
  )
}

function requireExtensions(leaf: Certificate, want: readonly Extension[]): void {
  for (const { oid, value } of want) {
    if (leaf.extensions.some(each => each.oid === oid && equalBytes(each.value, value))) continue
    throw new Fault('credential-invalid', `vault: the certificate came without its evidence (${oid})`)
  }
}
