// The base policy and a signed part become one policy. Values are set in the document as it was written, which is then
// read again by the policy's own shape, so that a grant is checked as if it had stood there; and the whole outcome is
// compared with the base.

import { Fault } from '../../base/errors.ts'
import type { Json, JsonObject } from '../../base/json.ts'
import { type PolicyDocument, policyShape } from '../policy-shape.ts'
import { type Complaint, told, unfit } from '../shape.ts'
import { widenings } from './narrowing.ts'
import { type Delivered, openSigned, type SignedPolicy } from './payload.ts'

export interface Base {
  /** As parsed from the file. */
  readonly written: Json
  /** As read by the shape. */
  readonly document: PolicyDocument
}

export interface Applied extends Base {
  readonly signed: SignedPolicy
}

/**
 * The policy in force.
 * @param at milliseconds since the epoch; undefined: dates are not asked
 * @throws Fault 'policy-invalid', which says where the token was found and why it is refused
 */
export function applySigned(base: Base, { token, from }: Delivered, at: number | undefined): Applied {
  try {
    const signed = openSigned(token, base.document.signed.signers, at)
    return { ...merge(base, signed), signed }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    throw new Fault(error.code, `the signed policy in ${from}: ${error.message}`, { cause: error })
  }
}

function merge(base: Base, { facts, signer, grant }: SignedPolicy): Base {
  const { service } = base.document
  if (service !== null && service.id !== facts.service) {
    throw refused(`service: it is for ${facts.service}, and this proxy for ${service.id}`)
  }
  if (service === null && (signer.narrowOnly || !signer.may.includes('service'))) {
    throw refused(`service: the base policy names none, and "${signer.kid}" may not name one`)
  }
  // Named by the payload, for itself and as an identity; a second name in the grant could differ.
  if (Object.hasOwn(grant, 'service')) throw refused('grant: service stands beside the grant, not in it')
  const set = { ...grant, service: facts.service }
  let written = base.written
  for (const [path, value] of Object.entries(set)) written = placed(written, path.split('.'), value)
  const complaints: Complaint[] = []
  const document = policyShape.read(written, '', complaints)
  if (document === unfit) throw refused(complaints.map(told).join('; '))
  complaints.push(...widenings(base.document, document, signer.narrowOnly ? [] : Object.keys(set)))
  if (complaints.length > 0) throw refused(complaints.map(told).join('; '))
  return { written, document }
}

/** A copy of the value with another at a path below it. Objects keep having no prototype. */
function placed(value: Json | undefined, [key, ...rest]: readonly string[], leaf: Json): Json {
  if (key === undefined) return leaf
  const copy: Record<string, Json> = Object.assign(Object.create(null), isObject(value) ? value : {})
  copy[key] = placed(copy[key], rest, leaf)
  return copy
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refused(what: string): Fault {
  return new Fault('policy-invalid', what)
}
