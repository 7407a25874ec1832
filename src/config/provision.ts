// From the bytes of the attesting CA's documents to frozen values. Every complaint comes at once.

import { X509Certificate } from 'node:crypto'
import { Fault } from '../base/errors.ts'
import { JsonError, readJson } from '../base/json.ts'
import type { CollateralRules } from '../collateral/open.ts'
import { collateralOf } from './collateral-rules.ts'
import { freeze } from './freeze.ts'
import { type Peers, peersOf } from './policy-rules.ts'
import {
  type PolicySet,
  type ProvisionDocument,
  policySetShape,
  provisionShape,
  type RevocationSet,
  revocationSetShape,
} from './provision-shape.ts'
import { type Complaint, type Shape, show, told, unfit } from './shape.ts'

/** Where the CA's key is kept. */
export interface KeyPlace {
  /** Absolute. */
  readonly folder: string
  readonly sealedTo: 'mrenclave' | 'mrsigner'
  readonly dangerPlainFile: boolean
}

export interface ProvisionOptions {
  readonly name: string
  readonly trustDomain: string
  readonly operators: ProvisionDocument['operators']
  readonly lifetimeMs: number
  /** How long a statement counts. */
  readonly unlockedMs: number
  readonly peers: ReadonlyMap<string, Peers>
  /** Undefined: in memory alone. */
  readonly key: KeyPlace | undefined
  /** DER of the root that signs for the CA; undefined: it signs for itself. */
  readonly root: Uint8Array | undefined
  readonly collateral: CollateralRules
  /** DER of the root of synthetic evidence. */
  readonly dangerSyntheticRoot: Uint8Array | undefined
}

export const maxOptionsBytes = 1024 * 1024
/** Of either set. */
export const maxSetBytes = 1024 * 1024
/** Certificates live for a day at most, and the list of them goes along with each answer. */
const maxRevokedCertificates = 4096
/** Shorter ones leave no time for a renewal that fails at first; whoever looks at a rotation has them shorter. */
const leastLifetimeSeconds = 60

/**
 * @param from the file, for messages
 * @throws Fault 'options-invalid', one sentence with every complaint
 */
export function readProvisionOptions(bytes: Uint8Array, from: string): ProvisionOptions {
  const complaints: Complaint[] = []
  const document = read(bytes, from, provisionShape, maxOptionsBytes)
  const { name, operators, peers, lifetimeSeconds, dangerSyntheticRoot } = document
  if (operators.length === 0) complaints.push({ path: '/operators', want: 'somebody who may unlock it', got: 'nobody' })
  for (const [i, { kid }] of operators.entries()) {
    if (operators.findIndex(each => each.kid === kid) === i) continue
    complaints.push({ path: `/operators/${i}/kid`, want: 'a name of its own', got: show(kid) })
  }
  if (dangerSyntheticRoot !== undefined && name !== 'demo') {
    complaints.push({ path: '/dangerSyntheticRoot', want: 'nothing, as the options are not named demo', got: 'a root' })
  }
  if (dangerSyntheticRoot === undefined && lifetimeSeconds < leastLifetimeSeconds) {
    const want = `at least ${leastLifetimeSeconds}, as evidence is not synthetic`
    complaints.push({ path: '/lifetimeSeconds', want, got: show(lifetimeSeconds) })
  }
  const { source, ...place } = document.key
  if (place.dangerPlainFile && (source !== 'sealed' || dangerSyntheticRoot === undefined)) {
    const want = 'false, but for source "sealed" in options named demo with a dangerSyntheticRoot'
    complaints.push({ path: '/key/dangerPlainFile', want, got: 'true' })
  }
  const collateral = collateralOf(document.collateral, complaints)
  const der = (name: 'root' | 'dangerSyntheticRoot'): Uint8Array | undefined =>
    document[name] === undefined ? undefined : derOf(document[name], `/${name}`, complaints)
  const [root, synthetic] = [der('root'), der('dangerSyntheticRoot')]
  if (synthetic === undefined && collateral.sources.length === 0) {
    complaints.push({ path: '/collateral/sources', want: 'where collateral comes from', got: 'nothing' })
  }
  if (complaints.length > 0) throw invalid(from, complaints.map(told).join('; '))
  return freeze({
    name,
    trustDomain: document.trustDomain,
    operators,
    lifetimeMs: lifetimeSeconds * 1000,
    unlockedMs: document.unlockedSeconds * 1000,
    peers: new Map(Object.entries(peers).map(([key, peer]) => [key, freeze(peersOf(peer))])),
    key: source === 'sealed' ? place : undefined,
    root,
    collateral,
    dangerSyntheticRoot: synthetic,
  })
}

/** @throws Fault 'options-invalid' */
export function readPolicySet(bytes: Uint8Array, from: string, options: ProvisionOptions): PolicySet {
  const set = read(bytes, from, policySetShape, maxSetBytes)
  const complaints = set.policies.flatMap(({ digest, role, service, accept }, i): Complaint[] => [
    ...(set.policies.findIndex(each => each.digest === digest && each.role === role) === i
      ? []
      : [{ path: `/policies/${i}/digest`, want: 'each policy and role once', got: show(digest) }]),
    ...(service.id.startsWith(`spiffe://${options.trustDomain}/`)
      ? []
      : [{ path: `/policies/${i}/service`, want: `a service of ${options.trustDomain}`, got: show(service.id) }]),
    ...(options.peers.has(accept)
      ? []
      : [{ path: `/policies/${i}/accept`, want: 'a key of peers in the options', got: show(accept) }]),
  ])
  if (complaints.length > 0) throw invalid(from, complaints.map(told).join('; '))
  return freeze(set)
}

/** @throws Fault 'options-invalid' */
export function readRevocationSet(bytes: Uint8Array, from: string): RevocationSet {
  const set = read(bytes, from, revocationSetShape, maxSetBytes)
  const { length } = set.certificates
  if (length <= maxRevokedCertificates) return freeze(set)
  const want = `at most ${maxRevokedCertificates}: those that have ended need not be listed`
  throw invalid(from, told({ path: '/certificates', want, got: String(length) }))
}

function read<T>(bytes: Uint8Array, from: string, shape: Shape<T>, most: number): T {
  if (bytes.length > most) throw invalid(from, `want at most ${most} bytes, got ${bytes.length}`)
  const complaints: Complaint[] = []
  const value = shape.read(parse(bytes, from), '', complaints)
  if (value === unfit) throw invalid(from, complaints.map(told).join('; '))
  return value
}

function parse(bytes: Uint8Array, from: string): unknown {
  try {
    return readJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (cause) {
    throw invalid(from, cause instanceof JsonError ? `not JSON: ${cause.message}` : 'not valid UTF-8', cause)
  }
}

function derOf(pem: string, path: string, complaints: Complaint[]): Uint8Array | undefined {
  try {
    return new Uint8Array(new X509Certificate(pem).raw)
  } catch {
    complaints.push({ path, want: 'a certificate in PEM', got: 'none' })
    return undefined
  }
}

function invalid(from: string, what: string, cause?: unknown): Fault {
  return new Fault('options-invalid', `${from}: ${what}`, { cause })
}
