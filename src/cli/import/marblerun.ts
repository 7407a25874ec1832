// A MarbleRun manifest: its Packages are sets of enclaves. The rest configures and connects what runs in them, which is not
// what a policy is about. Source: MarbleRun's "Defining a manifest", coordinator/quote/quote.go (v1.7). Member names match
// in any case, as Go's encoding/json reads them.

import { Fault } from '../../base/errors.ts'
import type { Json, JsonObject } from '../../base/json.ts'
import {
  hex32,
  type Imported,
  isObject,
  jsonOf,
  type Left,
  profileWithin,
  texts,
  type WrittenEnclave,
  type WrittenPeer,
} from './imported.ts'

/** Why a part of a manifest is left out. */
const parts: Readonly<Record<string, string>> = {
  infrastructures: 'set tcb and platforms of the peers instead',
  marbles: 'what a container is started with is for its own manifest and its Kubernetes objects',
  users: 'who may change a policy is said by signed.signers',
  clients: 'who may change a policy is said by signed.signers',
  roles: 'who may change a policy is said by signed.signers',
  secrets: 'a policy holds no secrets',
  recoverykeys: 'nothing is sealed that would have to be recovered',
  tls: 'all of the container’s traffic goes through postern',
}
const fields = [
  'debug',
  'uniqueid',
  'signerid',
  'productid',
  'securityversion',
  'acceptedtcbstatuses',
  'acceptedadvisories',
]

export function importMarbleRun(bytes: Uint8Array): Imported {
  const manifest = jsonOf(bytes)
  const packages = isObject(manifest) ? member(manifest, 'Packages') : undefined
  if (!isObject(manifest) || !isObject(packages))
    throw new Fault('usage', 'want a MarbleRun manifest in JSON, with Packages')
  const notCarried: Left[] = Object.keys(manifest)
    .filter(name => name.toLowerCase() !== 'packages')
    .map(name => ({ what: name, why: parts[name.toLowerCase()] ?? 'it has no counterpart in a policy' }))
  const peers: Record<string, WrittenPeer> = Object.create(null)
  for (const [name, fields] of Object.entries(packages)) {
    const peer = peerName(name)
    if (peers[peer] !== undefined) throw new Fault('usage', `two packages would both be called ${peer}`)
    const read = isObject(fields) ? packageOf(name, fields, notCarried) : undefined
    if (read !== undefined) peers[peer] = read
  }
  return { peers, notCarried }
}

function packageOf(name: string, given: JsonObject, notCarried: Left[]): WrittenPeer | undefined {
  const leave = (what: string, why: string): void => void notCarried.push({ what: `Packages.${name}${what}`, why })
  const enclave = enclaveOf(given)
  if (typeof enclave === 'string') {
    leave('', enclave)
    return undefined
  }
  const statuses = texts(member(given, 'AcceptedTCBStatuses'))
  if (statuses.length > 0 && !statuses.includes('UpToDate')) {
    leave('', 'it refuses platforms that are UpToDate, and every profile accepts them')
    return undefined
  }
  for (const each of Object.keys(given)) {
    if (!fields.includes(each.toLowerCase())) leave(`.${each}`, 'it has no counterpart in a policy')
  }
  const debug = member(given, 'Debug') === true
  if (debug) leave('.Debug', 'MarbleRun then wants a debug enclave; dangerAllowDebug takes others too. Take it out')
  return { enclaves: [enclave], tcb: tcbOf(given, statuses, leave), ...(debug && { dangerAllowDebug: true as const }) }
}

/** The entry, or why there is none. */
function enclaveOf(given: JsonObject): WrittenEnclave | string {
  const unique = member(given, 'UniqueID')
  const signer = member(given, 'SignerID')
  const product = member(given, 'ProductID')
  const version = member(given, 'SecurityVersion')
  if (typeof unique === 'string' && unique !== '') {
    return hex32.test(unique) ? { mrenclave: unique.toLowerCase() } : 'its UniqueID is not 64 hex digits'
  }
  if (typeof signer !== 'string' || !hex32.test(signer))
    return 'it has neither a UniqueID nor a SignerID of 64 hex digits'
  if (!isU16(product) || !isU16(version))
    return 'a policy names ProductID and SecurityVersion with a SignerID, as numbers up to 65535'
  return { mrsigner: signer.toLowerCase(), isvProdId: product, minIsvSvn: version }
}

function tcbOf(
  given: JsonObject,
  statuses: readonly string[],
  leave: (what: string, why: string) => void,
): NonNullable<WrittenPeer['tcb']> {
  const advisories = texts(member(given, 'AcceptedAdvisories'))
  if (statuses.length === 0) {
    leave('.AcceptedTCBStatuses', 'without them MarbleRun has a default of its own; here the profile is "strict"')
    return { profile: 'strict' }
  }
  const { profile, left } = profileWithin(statuses)
  if (left.length > 0) leave(`.AcceptedTCBStatuses ${left.join(', ')}`, `the profile "${profile}" refuses them`)
  if (profile !== 'swHardeningOk') {
    if (advisories.length > 0) leave('.AcceptedAdvisories', `the profile "${profile}" looks at none`)
    return { profile }
  }
  if (advisories.length > 0) return { profile, advisories }
  leave(
    '.AcceptedAdvisories',
    'MarbleRun takes any; name those that may apply under tcb.advisories, such as INTEL-SA-00615',
  )
  return { profile }
}

function member(object: JsonObject, name: string): Json | undefined {
  const key = Object.keys(object).findLast(each => each.toLowerCase() === name.toLowerCase())
  return key === undefined ? undefined : object[key]
}

function isU16(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff
}

/** A package's name as that of a peer: lower case, hyphens for what it may not hold. */
function peerName(name: string): string {
  const plain = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[^a-z]+|-+$/g, '')
  return plain === '' ? 'package' : plain.slice(0, 63)
}
