// Signed policies and those that try to pass for one: tokens made part by part, so that each part can lie.

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { PublicJwk } from '../../src/config/signed/keys.ts'

export interface SigningKey {
  readonly privateKey: KeyObject
  readonly jwk: PublicJwk
}

export function p256Key(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { privateKey, jwk: publicKey.export({ format: 'jwk' }) as unknown as PublicJwk }
}

export function ed25519Key(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return { privateKey, jwk: publicKey.export({ format: 'jwk' }) as unknown as PublicJwk }
}

export const base64url = (value: string | Uint8Array): string => Buffer.from(value).toString('base64url')

/** A signature as the key makes it, whatever the header says. */
export function signatureOf({ privateKey, jwk }: SigningKey, input: string): Uint8Array {
  const data = Buffer.from(input)
  return jwk.kty === 'EC'
    ? sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    : sign(null, data, privateKey)
}

/** header.payload.signature, both texts as they are. */
export function tokenOf(key: SigningKey, header: string, payload: string): string {
  const input = `${base64url(header)}.${base64url(payload)}`
  return `${input}.${base64url(signatureOf(key, input))}`
}

export const headerOf = (key: SigningKey, kid: string, more: object = {}): string =>
  JSON.stringify({ alg: key.jwk.kty === 'EC' ? 'ES256' : 'EdDSA', kid, typ: 'postern-policy+jws', ...more })

export const cart = 'spiffe://c1.example.org/ns/shop/svc/cart'

/** 2026-03-01T00:00:00Z, when the payloads below count. */
export const noon = Date.parse('2026-03-01T12:00:00Z')

export interface Said {
  readonly v?: unknown
  readonly service?: unknown
  readonly serial?: unknown
  readonly nbf?: unknown
  readonly exp?: unknown
  readonly grant?: unknown
}

/** A payload that counts at `noon` for a week. */
export function payloadOf(said: Said = {}): string {
  const nbf = noon / 1000 - 3600
  return JSON.stringify({ v: 1, service: cart, serial: 17, nbf, exp: nbf + 7 * 86_400, grant: {}, ...said })
}

/** A good token, but for what is said otherwise. */
export function signedBy(key: SigningKey, kid: string, said: Said = {}): string {
  return tokenOf(key, headerOf(key, kid), payloadOf(said))
}
