// What a signed policy says, and whether this signer may say it here and now: for which service, with which serial, from
// when to when, and about which keys of the policy. What it says about them is compared in narrowing.ts.

import { Fault } from '../../base/errors.ts'
import type { Json } from '../../base/json.ts'
import type { PolicyDocument } from '../policy-shape.ts'
import { serviceId } from '../policy-shape.ts'
import { anyValue, type Complaint, integer, object, oneOf, record, told, unfit } from '../shape.ts'
import { readUtf8Json, verifyJws } from './jws.ts'

export type Signer = PolicyDocument['signed']['signers'][number]

/** A token, as whoever mounts files and sets variables gave it. */
export interface Delivered {
  readonly token: string
  /** Where it was found, for messages. */
  readonly from: string
}

/** What a verified one said. Times are milliseconds since the epoch. */
export interface SignedFacts {
  readonly kid: string
  readonly service: string
  readonly serial: number
  readonly notBefore: number
  /** From here on no process starts with it. */
  readonly notAfter: number
  /** The paths that it sets, in their order there. */
  readonly grants: readonly string[]
}

export interface SignedPolicy {
  readonly facts: SignedFacts
  readonly signer: Signer
  /** The exact bytes that were signed. */
  readonly payload: Uint8Array
  /** Values as they stand in a policy, by dotted path. */
  readonly grant: Readonly<Record<string, Json>>
}

const maxSeconds = 253_402_300_799
const shape = object({
  v: oneOf(1),
  service: serviceId,
  serial: integer(0, Number.MAX_SAFE_INTEGER),
  nbf: integer(0, maxSeconds),
  exp: integer(0, maxSeconds),
  grant: record(/^[a-zA-Z0-9.-]+$/, 'a dotted policy path', anyValue),
})

/**
 * Verifies a token and reads what it says.
 * @param at milliseconds since the epoch; undefined: its dates are not asked, which no start does
 * @throws Fault 'policy-invalid'
 */
export function openSigned(token: string, signers: readonly Signer[], at: number | undefined): SignedPolicy {
  const { key: signer, payload } = verifyJws(token, signers)
  const complaints: Complaint[] = []
  const said = shape.read(readUtf8Json(payload, 'payload'), '', complaints)
  if (said === unfit) throw refused(complaints.map(told).join('; '))
  const { service, serial, nbf, exp, grant } = said
  if (!signer.services.some(prefix => covers(prefix, service.id))) {
    throw refused(`service: "${signer.kid}" signs for ${signer.services.join(', ')}, not for ${service.id}`)
  }
  if (serial < signer.minSerial) {
    throw refused(`serial: want at least ${signer.minSerial} from "${signer.kid}", got ${serial}: an older policy`)
  }
  checkDates({ nbf, exp, at, maxLifetimeSeconds: signer.maxLifetimeSeconds })
  const grants = Object.keys(grant)
  const beyond = grants.filter(path => !signer.may.includes(path))
  if (beyond.length > 0) {
    throw refused(`grant: "${signer.kid}" may set ${signer.may.join(', ') || 'nothing'}, not ${beyond.join(', ')}`)
  }
  const dates = { notBefore: nbf * 1000, notAfter: exp * 1000 }
  return { facts: { kid: signer.kid, service: service.id, serial, ...dates, grants }, signer, payload, grant }
}

/** True where a SPIFFE ID is the prefix or lies below it: `/ns/shop` covers `/ns/shop/svc/a`, not `/ns/shop-2/svc/a`. */
export function covers(prefix: string, id: string): boolean {
  return id === prefix || id.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`)
}

interface Dates {
  readonly nbf: number
  readonly exp: number
  readonly at: number | undefined
  readonly maxLifetimeSeconds: number
}

function checkDates({ nbf, exp, at, maxLifetimeSeconds }: Dates): void {
  const date = (seconds: number): string => new Date(seconds * 1000).toISOString()
  if (exp <= nbf || exp - nbf > maxLifetimeSeconds) {
    throw refused(`exp: want a life of 1 to ${maxLifetimeSeconds} s from nbf on, got ${exp - nbf}`)
  }
  if (at === undefined) return
  // Written so that a clock which is not a number is no time at all.
  if (!(at >= nbf * 1000)) throw refused(`nbf: it counts from ${date(nbf)} on, not yet: the clock says ${clock(at)}`)
  if (!(at < exp * 1000)) throw refused(`exp: it expired at ${date(exp)}: the clock says ${clock(at)}; sign a new one`)
}

const clock = (at: number): string => (Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : String(at))

function refused(what: string): Fault {
  return new Fault('policy-invalid', what)
}
