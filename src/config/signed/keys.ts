// Keys that sign policies: public ones, as JWK, of two kinds. The key alone says which algorithm its signatures are made
// by; what a signature's header says about it is only compared.
//
// P-256 is what every key management service signs with, Ed25519 what OpenSSL and files on disk do best; a third kind
// would be one more way in, for nobody. RFC 7518 §3.4 and §6.2, RFC 8037 §2 and §3.1.

import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import type { Shape } from '../shape.ts'
import { unfit } from '../shape.ts'

export type Algorithm = 'ES256' | 'EdDSA'

/** Members that a public key of its kind has, and no other: `d` would be the private one. */
export type PublicJwk =
  | { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string }
  | { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }

const kinds = [
  { kty: 'EC', crv: 'P-256', coordinates: ['x', 'y'] },
  { kty: 'OKP', crv: 'Ed25519', coordinates: ['x'] },
] as const
/** 32 bytes. */
const coordinate = /^[A-Za-z0-9_-]{43}$/
const signatureBytes = 64

/** A public key as the policy names it. A value that does not fit is never shown: it may be a private key. */
export const publicJwk: Shape<PublicJwk> = {
  schema: {
    oneOf: kinds.map(({ kty, crv, coordinates }) => ({
      type: 'object',
      properties: {
        kty: { const: kty },
        crv: { const: crv },
        ...Object.fromEntries(coordinates.map(name => [name, { type: 'string', pattern: coordinate.source }])),
      },
      required: ['kty', 'crv', ...coordinates],
      additionalProperties: false,
    })),
  },
  read(value, path, complaints) {
    const members = typeof value === 'object' && value !== null ? Object.entries(value) : []
    const found = kinds.find(({ kty, crv, coordinates }) => {
      const wanted = new Map<string, unknown>([
        ['kty', kty],
        ['crv', crv],
      ])
      return (
        members.length === 2 + coordinates.length &&
        members.every(([name, each]) =>
          wanted.has(name)
            ? wanted.get(name) === each
            : coordinates.some(known => known === name) && coordinate.test(String(each)),
        )
      )
    })
    // Every member was looked at above.
    const jwk = Object.fromEntries(members) as PublicJwk
    if (found !== undefined && keyObject(jwk) !== undefined) return jwk
    const want =
      'a public JWK of exactly kty, crv, x, y (EC, P-256) or kty, crv, x (OKP, Ed25519); see postern policy key'
    complaints.push({ path, want, got: `members ${members.map(([name]) => name).join(', ') || 'none'}` })
    return unfit
  },
}

export function algorithmOf(jwk: PublicJwk): Algorithm {
  return jwk.kty === 'EC' ? 'ES256' : 'EdDSA'
}

/** True where the signature over these bytes is this key's. */
export function verifies(jwk: PublicJwk, data: Uint8Array, signature: Uint8Array): boolean {
  const key = keyObject(jwk)
  if (key === undefined || signature.length !== signatureBytes) return false
  return jwk.kty === 'EC'
    ? verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature)
    : verify(null, data, key, signature)
}

/** Undefined for coordinates that are no point of the curve. */
function keyObject(jwk: PublicJwk): KeyObject | undefined {
  try {
    return createPublicKey({ key: { ...jwk }, format: 'jwk' })
  } catch {
    return undefined
  }
}
