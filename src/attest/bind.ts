// What a quote vouches for. The only makers of ReportData, and the claims map whose hash it is.
//
// Everything that this enclave ever has quoted is SHA-256 of a claims map, of a public key for the legacy extension, or
// SHA-512 of a certificate of ours for a login; never bytes that somebody else chose. Claims: interoperable RA-TLS (CCC attestation SIG), plus `postern-*` of our own;
// key hash algorithms: IANA "Named Information Hash Algorithm Registry".

import { createHash } from 'node:crypto'
import { concat, equalBytes } from '../base/bytes.ts'
import { type Cbor, decodeCbor, encodeCbor, isMap } from '../base/cbor.ts'
import { Fault } from '../base/errors.ts'

declare const made: unique symbol

/** 64 bytes of report data. Branded: the functions below that begin with bind are its only makers. */
export type ReportData = Uint8Array & { readonly [made]: 'ReportData' }

export const uses = ['tls', 'csr', 'challenge', 'seal'] as const
export const roles = ['proxy', 'workload', 'provision'] as const

/** What the bound key is for; evidence made for one use counts for no other. */
export type Use = (typeof uses)[number]
/** Which part of a deployment the enclave plays. */
export type Role = (typeof roles)[number]

/** What only postern's own evidence says. */
export interface PosternClaims {
  readonly use: Use
  readonly role: Role
  /** SHA-256 over the policy in force, 32 bytes. */
  readonly policyDigest: Uint8Array
  /** SPIFFE ID of the service; undefined where the policy names none. */
  readonly service: string | undefined
}

export interface OwnClaims extends PosternClaims {
  /** DER SubjectPublicKeyInfo of the key to be bound. */
  readonly spki: Uint8Array
  /** Connections that the evidence is made for: TLS exporter values of 32 bytes, at most `maxChannels`. */
  readonly channels?: readonly Uint8Array[]
}

/** A peer's claims. `postern` is undefined for a foreign peer, which makes no claim of ours. */
export interface PeerClaims {
  readonly keyHash: { readonly algorithm: 'sha256' | 'sha384' | 'sha512'; readonly hash: Uint8Array }
  readonly postern: PosternClaims | undefined
  /** Connections that the evidence was made for; empty for evidence that is not about any. */
  readonly channels: readonly Uint8Array[]
}

/** As many connections share one quote at most. */
export const maxChannels = 64

const code = 'evidence-malformed'
const names = {
  key: 'pubkey-hash',
  use: 'postern-use',
  role: 'postern-role',
  policy: 'postern-policy',
  service: 'postern-service',
  channel: 'postern-channel',
} as const
const channelBytes = 32
const sha256Id = 1
const hashes: ReadonlyMap<Cbor, { readonly algorithm: 'sha256' | 'sha384' | 'sha512'; readonly bytes: number }> =
  new Map([
    [sha256Id, { algorithm: 'sha256', bytes: 32 }],
    [7, { algorithm: 'sha384', bytes: 48 }],
    [8, { algorithm: 'sha512', bytes: 64 }],
  ])
const maxServiceBytes = 2048
const serviceForm = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[A-Za-z0-9._-]+)+$/
const ascii = new TextEncoder()
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** SHA-256 of the claims exactly as sent, then 32 zero bytes. */
export function bindClaims(claims: Uint8Array): ReportData {
  return reportData(claims)
}

/** SHA-256 of the DER SubjectPublicKeyInfo, then 32 zero bytes: what Gramine's legacy extension quotes. */
export function bindLegacyKey(spki: Uint8Array): ReportData {
  return reportData(spki)
}

/**
 * SHA-512 of a DER certificate: what enclaive's `sgx-auth` login of Vault wants quoted. It fills all 64 bytes, and what is
 * hashed is one certificate of ours, so it stands for nothing else.
 */
export function bindCertificate(der: Uint8Array): ReportData {
  return new Uint8Array(createHash('sha512').update(der).digest()) as ReportData
}

function reportData(bytes: Uint8Array): ReportData {
  return concat(sha256(bytes), new Uint8Array(32)) as ReportData
}

/**
 * The claims map as sent, in deterministic CBOR; every value is a byte string, which foreign verifiers skip in peace.
 * @throws Fault 'internal' where the digest is not 32 bytes, the service no SPIFFE ID, or a channel no exporter value:
 *   they come from a parsed policy and from our own TLS
 */
export function encodeClaims(own: OwnClaims): Uint8Array {
  if (own.policyDigest.length !== 32) throw new Fault('internal', 'claims: want a policy digest of 32 bytes')
  const claims = new Map<string, Cbor>([
    [names.key, encodeCbor([sha256Id, sha256(own.spki)])],
    [names.use, ascii.encode(own.use)],
    [names.role, ascii.encode(own.role)],
    [names.policy, encodeCbor([sha256Id, own.policyDigest])],
  ])
  if (own.service !== undefined) {
    if (!isServiceId(own.service)) throw new Fault('internal', 'claims: want a SPIFFE ID with a path as service')
    claims.set(names.service, ascii.encode(own.service))
  }
  if (own.channels) {
    const channels = concat(...own.channels)
    if (!areChannels(channels)) {
      throw new Fault('internal', `claims: want 1 to ${maxChannels} channels of ${channelBytes} bytes`)
    }
    claims.set(names.channel, channels)
  }
  return encodeCbor(claims)
}

/**
 * Reads a claims map. Unknown claims are skipped; exactly one pubkey-hash is required; if one claim is ours, all of
 * use, role and policy must be there and well formed.
 * @throws Fault 'evidence-malformed'
 */
export function decodeClaims(bytes: Uint8Array): PeerClaims {
  const map = decodeCbor(bytes, code)
  if (!isMap(map)) throw new Fault(code, 'claims: want a CBOR map')
  return { keyHash: readKeyHash(map), postern: readPostern(map), channels: readChannels(map) }
}

/** True where the claims' pubkey-hash is the hash of this DER SubjectPublicKeyInfo. */
export function bindsKey(claims: PeerClaims, spki: Uint8Array): boolean {
  const { algorithm, hash } = claims.keyHash
  return equalBytes(hash, createHash(algorithm).update(spki).digest())
}

function readKeyHash(map: ReadonlyMap<string, Cbor>): PeerClaims['keyHash'] {
  const { algorithm, hash } = readHash(map, names.key)
  return { algorithm, hash }
}

function readPostern(map: ReadonlyMap<string, Cbor>): PosternClaims | undefined {
  const ours = [names.use, names.role, names.policy, names.service, names.channel]
  if (!ours.some(name => map.has(name))) return undefined
  const said = { use: readText(map, names.use), role: readText(map, names.role) }
  const use = uses.find(known => known === said.use)
  const role = roles.find(known => known === said.role)
  if (use === undefined || role === undefined) throw new Fault(code, 'claims: unknown postern-use or postern-role')
  const policy = readHash(map, names.policy)
  if (policy.algorithm !== 'sha256') throw new Fault(code, 'claims: want a postern-policy of sha-256')
  const service = map.has(names.service) ? readText(map, names.service) : undefined
  if (service !== undefined && !isServiceId(service)) throw new Fault(code, 'claims: postern-service is no SPIFFE ID')
  return { use, role, policyDigest: policy.hash, service }
}

function readChannels(map: ReadonlyMap<string, Cbor>): Uint8Array[] {
  if (!map.has(names.channel)) return []
  const bytes = readBytes(map, names.channel)
  if (!areChannels(bytes))
    throw new Fault(code, `claims: want 1 to ${maxChannels} times ${channelBytes} bytes as channel`)
  const count = bytes.length / channelBytes
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * channelBytes, (i + 1) * channelBytes))
}

function areChannels({ length }: Uint8Array): boolean {
  return length > 0 && length % channelBytes === 0 && length <= maxChannels * channelBytes
}

/** A byte string that holds the CBOR array [algorithm id, hash]. */
function readHash(map: ReadonlyMap<string, Cbor>, name: string): PeerClaims['keyHash'] {
  const pair = decodeCbor(readBytes(map, name), code)
  const [id, hash, ...rest] = Array.isArray(pair) ? (pair as readonly Cbor[]) : []
  const form = id === undefined ? undefined : hashes.get(id)
  if (form === undefined || !(hash instanceof Uint8Array) || hash.length !== form.bytes || rest.length > 0) {
    throw new Fault(code, `claims: want [1 | 7 | 8, hash of that length] in ${name}`)
  }
  return { algorithm: form.algorithm, hash }
}

function readText(map: ReadonlyMap<string, Cbor>, name: string): string {
  try {
    return utf8.decode(readBytes(map, name))
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault(code, `claims: ${name} is not UTF-8`, { cause })
  }
}

function readBytes(map: ReadonlyMap<string, Cbor>, name: string): Uint8Array {
  const value = map.get(name)
  if (!(value instanceof Uint8Array)) throw new Fault(code, `claims: want a byte string as ${name}`)
  return value
}

/** SPIFFE-ID §2: trust domain and at least one path segment; `.` and `..` are no segments. */
function isServiceId(text: string): boolean {
  return text.length <= maxServiceBytes && serviceForm.test(text) && !/\/\.{1,2}(?:\/|$)/.test(text)
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}
