// The envelope of what an operator signs: a JWS in compact serialisation (RFC 7515 §7.1), and of all that a JWS may be only
// this. `typ` tells a signed policy from anything else, so that neither passes for the other. The
// header has three members and chooses nothing: the key is one that the base policy names, and the key says by which
// algorithm. Nothing of the payload is looked at before the signature was verified over its very bytes.

import { Fault } from '../../base/errors.ts'
import { type Json, JsonError, readJson } from '../../base/json.ts'
import { algorithmOf, type PublicJwk, verifies } from './keys.ts'

export const mediaType = 'postern-policy+jws'
const members = ['alg', 'kid', 'typ']

export const maxTokenBytes = 64 * 1024

interface Key {
  readonly kid: string
  readonly jwk: PublicJwk
}

/**
 * The payload of a token, and whose it is.
 * @param token three parts of base64url and two dots, nothing around them
 * @param typ what the header must call it
 * @throws Fault 'policy-invalid' that says what is wrong with it
 */
export function verifyJws<K extends Key>(
  token: string,
  keys: readonly K[],
  typ = mediaType,
): { key: K; payload: Uint8Array } {
  if (token.length > maxTokenBytes) throw refused(`want at most ${maxTokenBytes} bytes, got ${token.length}`)
  const [head = '', body = '', tail = '', ...more] = token.split('.')
  if (head === '' || body === '' || tail === '' || more.length > 0) {
    throw refused('want a JWS, header.payload.signature, none of them empty')
  }
  const { alg, kid } = readHeader(readUtf8Json(fromBase64url(head, 'header'), 'header'), typ)
  const key = keys.find(each => each.kid === kid)
  if (key === undefined) {
    const known = keys.map(each => each.kid).join(', ') || 'none'
    throw refused(`kid: want a signer of the base policy (${known}), got ${JSON.stringify(kid)}`)
  }
  const want = algorithmOf(key.jwk)
  if (alg !== want) throw refused(`alg: want "${want}", as the key of "${kid}" signs by it, got ${JSON.stringify(alg)}`)
  const payload = fromBase64url(body, 'payload')
  const signature = fromBase64url(tail, 'signature')
  if (!verifies(key.jwk, Buffer.from(`${head}.${body}`, 'latin1'), signature)) {
    throw refused(`the signature is not by the key of "${kid}" over this header and payload`)
  }
  return { key, payload }
}

/**
 * JSON out of bytes, by the reader that refuses a member that stands there twice.
 * @throws Fault 'policy-invalid'
 */
export function readUtf8Json(bytes: Uint8Array, name: string): Json {
  try {
    return readJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (cause) {
    throw refused(`${name}: ${cause instanceof JsonError ? `not JSON: ${cause.message}` : 'not valid UTF-8'}`, cause)
  }
}

function readHeader(header: Json, want: string): { readonly alg: string; readonly kid: string } {
  const found = new Map(typeof header === 'object' && header !== null ? Object.entries(header) : [])
  const names = [...found.keys()].toSorted().join(', ')
  if (names !== members.join(', ')) throw refused(`header: want exactly ${members.join(', ')}, got ${names || 'none'}`)
  const typ = found.get('typ')
  if (typ !== want) throw refused(`typ: want "${want}", got ${JSON.stringify(typ)}`)
  const alg = found.get('alg')
  const kid = found.get('kid')
  if (typeof alg !== 'string' || typeof kid !== 'string') throw refused('header: want alg and kid as strings')
  return { alg, kid }
}

/** Base64url without padding, in the one spelling that the bytes have: other readers would see other bits. */
function fromBase64url(text: string, name: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) throw refused(`${name}: not base64url`)
  return new Uint8Array(bytes)
}

function refused(what: string, cause?: unknown): Fault {
  return new Fault('policy-invalid', what, { cause })
}
