// From a policy's exact bytes to the rules that the rooms run by. The policy is measured: it alone says whom to trust and
// what may leave. What a policy sets and this version does not do is refused by name; nothing in it is ever ignored.
// Knows no file system and no clock; reading is the caller's.

import { createHash } from 'node:crypto'
import { Fault, systemCode } from '../base/errors.ts'
import { type Json, JsonError, readJson } from '../base/json.ts'
import type { CollateralRules } from '../collateral/open.ts'
import { type Clients, clientsOf } from './clients.ts'
import { collateralOf } from './collateral-rules.ts'
import { freeze } from './freeze.ts'
import { type Issuer, issuerOf } from './issuer.ts'
import { shipped } from './policies.ts'
import { contradictions, type Peers, peersOf, type Trust, trustOf, unimplemented } from './policy-rules.ts'
import { type Observed, type PolicyDocument, policyShape } from './policy-shape.ts'
import { type Complaint, told, unfit } from './shape.ts'
import { applySigned, type Base } from './signed/apply.ts'
import { findSigned, type HostSide } from './signed/channels.ts'
import type { Delivered, SignedFacts, SignedPolicy, Signer } from './signed/payload.ts'
import { type VaultIssuer, vaultIssuerOf } from './vault.ts'

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

export type Upstream = Trust & {
  readonly protocol: 'mirror' | 'auto' | 'http/1.1' | 'h2'
  readonly clientCertificate: boolean
  readonly maxConnectionAgeMs: number
  /** Lower-case tokens; exactly ['*'] lets any become a tunnel. */
  readonly upgrades: readonly string[]
  readonly allowUnframed: boolean
  /** Path of the readiness request, from its slash on; undefined: a handshake is enough. */
  readonly probePath: string | undefined
}

/** Frozen. Only what this version does is here. */
export interface Policy {
  readonly name: string
  readonly service: { readonly id: string; readonly namespace: string; readonly name: string } | undefined
  readonly hosts: readonly string[]
  /** Ceiling of requests in the container at once; undefined: none. */
  readonly maxConcurrency: number | undefined
  readonly inbound: {
    readonly plaintext: 'probes-only' | 'serve'
    /** Whether clients of HTTP/2 may open tunnels (RFC 8441). */
    readonly extendedConnect: boolean
    /** Lower-case header names. */
    readonly strip: readonly string[]
    /** Undefined where no client is asked for a certificate. */
    readonly clients: Clients | undefined
    /** Field that tells the container who calls. */
    readonly identityHeader: string | undefined
    /** Lowest TLS version on our ports. */
    readonly tlsFloor: TlsVersion
  }
  readonly identity: {
    readonly source: 'self-signed' | 'provision' | 'vault' | 'files'
    /** Set with source `provision`. */
    readonly issuer: Issuer | undefined
    readonly lifetimeSeconds: number
    /** With source `vault`. */
    readonly vault: VaultIssuer | undefined
    readonly allowUnattestedIssuer: boolean
    readonly legacyExtension: boolean
    readonly dangerAcceptForeignKey: boolean
  }
  readonly upstream: Upstream
  readonly peers: Readonly<Record<string, Peers>>
  readonly collateral: CollateralRules
  /** What may be remembered of a request; ['*']: anything. */
  readonly observe: readonly Observed[]
  /** Undefined where nobody may sign a part of it. */
  readonly signed:
    | {
        readonly required: boolean
        readonly signers: readonly Omit<Signer, 'jwk'>[]
        readonly part: SignedFacts | undefined
      }
    | undefined
  /** DER of the root of synthetic evidence. */
  readonly dangerSyntheticRoot: Uint8Array | undefined
}

const maxBytes = 1024 * 1024

export interface LoadedPolicy {
  readonly policy: Policy
  /** What it was read from. */
  readonly bytes: Uint8Array
  /** 32 bytes over these and what was signed; what evidence names. */
  readonly digest: Uint8Array
  /** The policy in force as a document, what was signed in its place. */
  readonly written: Json
}

type ReadFile = (path: string) => Uint8Array

/**
 * The part of a policy that a service brings itself. `nobody`: none can come, so that a policy which needs one is refused.
 * `later`: the base is looked at by itself, as tools do. `host`: looked for where Knative puts it. `given`: this one; with
 * `at` undefined its dates are not asked.
 */
export type Delivery =
  | { readonly kind: 'nobody' | 'later' }
  | ({ readonly kind: 'host'; readonly at: number } & HostSide)
  | ({ readonly kind: 'given'; readonly at: number | undefined } & Delivered)

const nobody: Delivery = { kind: 'nobody' }

/**
 * The policy that a name or a file stands for.
 * @param nameOrFile a shipped policy's name; anything else is a path
 * @param readFile gives a file's bytes or throws
 * @throws Fault 'policy-invalid', one sentence with every complaint
 */
export function loadPolicy(nameOrFile: string, readFile: ReadFile, delivery = nobody): LoadedPolicy {
  const text = Object.hasOwn(shipped, nameOrFile) ? shipped[nameOrFile] : undefined
  if (text !== undefined) return loaded(new TextEncoder().encode(text), nameOrFile, delivery)
  const otherwise = `neither shipped (${Object.keys(shipped).join(', ')}) nor a readable file`
  return loadPolicyFile(nameOrFile, readFile, delivery, otherwise)
}

/** The policy in a file, and nothing else: where no policy is shipped. Throws as loadPolicy. */
export function loadPolicyFile(
  path: string,
  readFile: ReadFile,
  delivery = nobody,
  otherwise = 'no readable file',
): LoadedPolicy {
  let bytes: Uint8Array
  try {
    // A copy: what is checked below is what is digested, whatever the caller does with its buffer.
    bytes = new Uint8Array(readFile(path))
  } catch (error) {
    throw invalid(path, `${otherwise} (${systemCode(error) ?? 'no reason given'})`, error)
  }
  return loaded(bytes, path, delivery)
}

function loaded(bytes: Uint8Array, from: string, delivery: Delivery): LoadedPolicy {
  const { policy, written, signed } = inForce(bytes, from, delivery)
  return { policy, bytes, digest: policyDigest(bytes, signed?.payload), written }
}

/**
 * SHA-256 over `postern policy v1`, a zero byte, the base policy's length (u32, big endian), its bytes, and the same of the
 * signed payload, which may be empty. Another signature over the same payload changes nothing.
 */
export function policyDigest(base: Uint8Array, payload: Uint8Array = new Uint8Array()): Uint8Array {
  const hash = createHash('sha256').update('postern policy v1\0')
  for (const part of [base, payload]) {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(part.length)
    hash.update(length).update(part)
  }
  return new Uint8Array(hash.digest())
}

/**
 * Reads a policy's bytes.
 * @param from the name or path, for messages
 * @throws Fault 'policy-invalid'
 */
export function readPolicy(bytes: Uint8Array, from: string, delivery = nobody): Policy {
  return inForce(bytes, from, delivery).policy
}

interface InForce {
  readonly policy: Policy
  readonly written: Json
  readonly signed: SignedPolicy | undefined
}

function inForce(bytes: Uint8Array, from: string, delivery: Delivery): InForce {
  if (bytes.length > maxBytes) throw invalid(from, `want at most ${maxBytes} bytes, got ${bytes.length}`)
  const complaints: Complaint[] = []
  const parsed = parse(bytes, from)
  const base = policyShape.read(parsed, '', complaints)
  if (base === unfit) throw invalid(from, complaints.map(told).join('; '))
  const { written, document, signed } = withSigned({ written: parsed, document: base }, from, delivery)
  complaints.push(...unimplemented(document), ...contradictions(document))
  const collateral = collateralOf(document.collateral, complaints)
  const issuer = issuerOf(document, complaints)
  const trust = trustOf(document, complaints)
  if (trust === undefined || complaints.length > 0) throw invalid(from, complaints.map(told).join('; '))
  checkSomebodyAccepted(document, trust, from, delivery)
  checkServiceNamed(document, trust, from, delivery)
  return { policy: freeze(build(document, { trust, issuer, collateral }, signed?.facts)), written, signed }
}

function withSigned(base: Base, from: string, delivery: Delivery): Base & { signed?: SignedPolicy } {
  try {
    const { signed } = base.document
    const delivered =
      delivery.kind === 'host' ? findSigned(signed.from, delivery) : delivery.kind === 'given' ? delivery : undefined
    if (delivered) return applySigned(base, delivered, 'at' in delivery ? delivery.at : undefined)
    if (!signed.required || delivery.kind === 'later') return base
    const places = signed.from.join(' or ')
    throw new Fault('policy-invalid', `/signed/required: want a signed policy by way of ${places}, and found none`)
  } catch (error) {
    throw error instanceof Fault ? invalid(from, error.message, error) : error
  }
}

function checkSomebodyAccepted({ signed }: PolicyDocument, trust: Trust, from: string, delivery: Delivery): void {
  if (trust.mode !== 'attested' || trust.accepted.enclaves.length > 0) return
  const path = `peers.${trust.accept}.enclaves`
  const signable = fillable(signed, path)
  if (signable && delivery.kind === 'later') return
  if (signable) throw invalid(from, `it accepts nobody until a signed policy sets ${path}`)
  throw invalid(from, `it accepts nobody: copy it, add measurements or signers under ${path}, start with --policy FILE`)
}

function checkServiceNamed({ service, signed }: PolicyDocument, trust: Trust, from: string, delivery: Delivery): void {
  if (trust.mode !== 'attested' || trust.trust !== 'service' || service !== null) return
  if (fillable(signed, 'service') && delivery.kind === 'later') return
  throw invalid(from, '/service: want a service, as /upstream/trust is "service" (the default), got null')
}

/** Whether a signed part may set what was left open here. */
function fillable({ signers }: PolicyDocument['signed'], path: string): boolean {
  return signers.some(({ may, narrowOnly }) => !narrowOnly && may.includes(path))
}

function invalid(from: string, what: string, cause?: unknown): Fault {
  return new Fault('policy-invalid', `policy ${from}: ${what}`, { cause })
}

function parse(bytes: Uint8Array, from: string): Json {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw invalid(from, 'not valid UTF-8', cause)
  }
  try {
    return readJson(text)
  } catch (cause) {
    throw cause instanceof JsonError ? invalid(from, `not JSON: ${cause.message}`, cause) : cause
  }
}

function build(
  document: PolicyDocument,
  { trust, issuer, collateral }: Readonly<{ trust: Trust; issuer: Issuer | undefined; collateral: CollateralRules }>,
  part: SignedFacts | undefined,
): Policy {
  const { name, identity, inbound, upstream, dangerSyntheticRoot } = document
  const peers: Record<string, Peers> = Object.create(null)
  for (const [key, peer] of Object.entries(document.peers)) peers[key] = peersOf(peer)
  return {
    name,
    service: document.service ?? undefined,
    hosts: document.hosts,
    maxConcurrency: document.limits.concurrency ?? undefined,
    inbound: {
      plaintext: inbound.plaintext,
      extendedConnect: inbound.http2.extendedConnect,
      strip: inbound.strip,
      clients: clientsOf(inbound.clients),
      identityHeader: inbound.identityHeader ?? undefined,
      // Knative lets an operator go down to 1.2; only the policy that promises Knative's behaviour follows.
      // A renegotiated TLS 1.2 could change who the client is.
      tlsFloor: name === 'compatible' && inbound.clients.mode === 'none' ? 'TLSv1.2' : 'TLSv1.3',
    },
    identity: {
      source: identity.source,
      issuer,
      vault: identity.vault && vaultIssuerOf(identity.vault),
      allowUnattestedIssuer: identity.allowUnattestedIssuer,
      lifetimeSeconds: identity.lifetimeSeconds,
      legacyExtension: identity.legacyExtension,
      dangerAcceptForeignKey: identity.dangerAcceptForeignKey,
    },
    upstream: {
      ...trust,
      protocol: upstream.protocol,
      clientCertificate: upstream.clientCertificate,
      maxConnectionAgeMs: upstream.maxConnectionAgeSeconds * 1000,
      upgrades: upstream.upgrade.allow,
      allowUnframed: upstream.allowUnframed,
      probePath: upstream.probe?.path,
    },
    peers,
    collateral,
    observe: document.observe.allow,
    signed: signedOf(document, part),
    dangerSyntheticRoot: dangerSyntheticRoot && new Uint8Array(dangerSyntheticRoot[0].raw),
  }
}

function signedOf({ signed }: PolicyDocument, part: SignedFacts | undefined): Policy['signed'] {
  if (signed.signers.length === 0) return undefined
  return { required: signed.required, signers: signed.signers.map(({ jwk: _, ...signer }) => signer), part }
}

/** Every danger switch that is on, as dotted paths. Found by name, so that a new one cannot be forgotten here. */
export function dangers(policy: Policy): readonly string[] {
  const found = new Set<string>()
  const visit = (value: object, path: string): void => {
    for (const [key, each] of Object.entries(value)) {
      const at = path === '' ? key : `${path}.${key}`
      if (key.startsWith('danger')) {
        if (each !== undefined && each !== false && each !== 0) found.add(at)
      } else if (key === 'profile') {
        if (String(each).startsWith('danger')) found.add(`${at}=${each}`)
      } else if (typeof each === 'object' && each !== null) visit(each, at)
    }
  }
  visit({ ...policy, upstream: undefined }, '')
  return [...found].sort()
}

/** Choices that are sound for their purpose and weaker than the strongest, as dotted paths with their value. */
export function weaknesses(policy: Policy): readonly string[] {
  const { inbound, upstream } = policy
  const accept = policy.identity.issuer?.accept ?? ''
  const table: readonly (readonly [boolean, string])[] = [
    [inbound.plaintext === 'serve', 'inbound.plaintext=serve'],
    [inbound.tlsFloor === 'TLSv1.2', 'inbound.tls>=1.2'],
    [policy.identity.allowUnattestedIssuer, 'identity.allowUnattestedIssuer'],
    [policy.service !== undefined && policy.hosts.length === 0, 'hosts=none'],
    [upstream.mode !== 'attested', `upstream.mode=${upstream.mode}`],
    [upstream.mode === 'attested' && upstream.trust === 'measurement', 'upstream.trust=measurement'],
    [upstream.mode === 'attested' && upstream.freshness === 'none', 'upstream.freshness=none'],
    ...Object.entries(policy.peers).map(
      ([name, { tcb }]) =>
        [tcb.profile === 'swHardeningOk', `peers.${name}.tcb.profile=swHardeningOk`] as [boolean, string],
    ),
    [upstream.upgrades.includes('*'), 'upstream.upgrade.allow=*'],
    [upstream.mode !== 'plaintext' && upstream.allowUnframed, 'upstream.allowUnframed'],
    [policy.observe.includes('*'), 'observe.allow=*'],
    [policy.signed?.required === false, 'signed.required=false'],
    [anyOptions(policy.peers[accept]), `peers.${accept}.policyDigests=any`],
  ]
  return table.filter(([on]) => on).map(([, name]) => name)
}

/** A CA whose signer alone is named may have been signed with any options, and those say who unlocks it. */
const anyOptions = (ca: Policy['peers'][string] | undefined): boolean =>
  ca?.policyDigests.length === 0 && !ca.enclaves.every(enclave => 'mrenclave' in enclave)
