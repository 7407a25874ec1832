// `postern policy sign` and `policy key`: what a signer does. A token is verified before it is handed out, by the reader
// that a proxy reads it with, and where a base policy is given also as a part of that.

import { describe, Fault } from '../base/errors.ts'
import { type Json, JsonError, readJson } from '../base/json.ts'
import { loadPolicy } from '../config/policy.ts'
import { mediaType } from '../config/signed/jws.ts'
import type { PublicJwk } from '../config/signed/keys.ts'
import { narrowingOf, narrowings } from '../config/signed/narrowing.ts'
import { openSigned } from '../config/signed/payload.ts'
import type { Parsed } from './args.ts'
import type { Io } from './io.ts'
import { jwkOf, readKey, signed, thumbprint } from './signing.ts'
import { readFile, readTime } from './subject.ts'

const daySeconds = 86_400
const defaultDays = 30

/** Prints one token. @returns 0. @throws Fault 'usage'; 'policy-invalid' where the base would refuse it */
export function signPolicy({ values }: Parsed, io: Io): number {
  const key = readKey(String(values['key']), io)
  const jwk = jwkOf(key)
  const kid = values['kid'] === undefined ? thumbprint(jwk) : String(values['kid'])
  const grant = readGrant(String(values['grant']), io)
  const nbf = Math.floor(readTime(String(values['from'] ?? 'now'), io, '--from') / 1000)
  const payload = {
    v: 1,
    service: String(values['service']),
    serial: count(String(values['serial']), '--serial'),
    nbf,
    exp: nbf + count(String(values['days'] ?? defaultDays), '--days') * daySeconds,
    grant,
  }
  const token = signed(key, jwk, kid, mediaType, JSON.stringify(payload))
  check(token, kid, jwk, payload)
  if (values['policy'] !== undefined) {
    const given = { kind: 'given', token, from: 'the new token', at: nbf * 1000 } as const
    loadPolicy(String(values['policy']), io.readFile, given)
  }
  io.write(`${token}\n`)
  return 0
}

/** Prints what a base policy names a key by. @returns 0. @throws Fault 'usage' */
export function showKey({ positionals, values }: Parsed, io: Io): number {
  const jwk = jwkOf(readKey(positionals[0] ?? '', io))
  const kid = values['kid'] === undefined ? thumbprint(jwk) : String(values['kid'])
  io.write(`${JSON.stringify({ kid, jwk }, undefined, 2)}\n`)
  return 0
}

interface Said {
  readonly service: string
  readonly nbf: number
  readonly grant: Readonly<Record<string, Json>>
}

/** What no base policy could take is a mistake on this command line. */
function check(token: string, kid: string, jwk: PublicJwk, { service, nbf, grant }: Said): void {
  const may = Object.keys(grant)
  const limits = { narrowOnly: false, minSerial: 0, maxLifetimeSeconds: 365 * daySeconds }
  try {
    openSigned(token, [{ kid, jwk, services: [service], may, ...limits }], nbf * 1000)
  } catch (error) {
    throw error instanceof Fault ? new Fault('usage', `postern policy sign: ${error.message}`, { cause: error }) : error
  }
}

/** Values by dotted path. */
function readGrant(path: string, io: Io): Readonly<Record<string, Json>> {
  let grant: Json
  try {
    grant = readJson(Buffer.from(readFile(path, io)).toString())
  } catch (error) {
    if (error instanceof Fault) throw error
    throw new Fault('usage', `${path}: not JSON: ${error instanceof JsonError ? error.message : describe(error)}`)
  }
  if (typeof grant !== 'object' || grant === null || Array.isArray(grant)) {
    throw new Fault('usage', `${path}: want an object of values by dotted path, such as { "hosts": ["a.example"] }`)
  }
  const strange = Object.keys(grant).filter(each => narrowingOf(each) === undefined)
  if (strange.length === 0) return grant as Readonly<Record<string, Json>>
  const known = narrowings.map(each => each.path.replace('*', '<name>')).join(', ')
  throw new Fault('usage', `${path}: nobody may set ${strange.join(', ')}; paths are ${known}`)
}

function count(text: string, flag: string): number {
  const found = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(found)) return found
  throw new Fault('usage', `${flag} ${text}: want a number`)
}
