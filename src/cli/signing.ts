// Keys of operators and what they sign: files in PEM, tokens as JWS. The key alone says by which algorithm.

import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { Fault } from '../base/errors.ts'
import { type Complaint, unfit } from '../config/shape.ts'
import { algorithmOf, type PublicJwk, publicJwk } from '../config/signed/keys.ts'
import type { Io } from './io.ts'
import { readFile } from './subject.ts'

/** A JWS in compact serialisation. @throws Fault 'usage' for a public key */
export function signed(key: KeyObject, jwk: PublicJwk, kid: string, typ: string, payload: string): string {
  const header = JSON.stringify({ alg: algorithmOf(jwk), kid, typ })
  const input = [header, payload].map(part => Buffer.from(part).toString('base64url')).join('.')
  if (key.type !== 'private') throw new Fault('usage', '--key: want a private key, got a public one')
  const signature =
    jwk.kty === 'EC'
      ? sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
      : sign(null, Buffer.from(input), key)
  return `${input}.${signature.toString('base64url')}`
}

/** A key in PEM, private or public, of a kind that signs policies. */
export function readKey(path: string, io: Io): KeyObject {
  const pem = Buffer.from(readFile(path, io))
  for (const read of [createPrivateKey, createPublicKey]) {
    try {
      return read(pem)
    } catch {}
  }
  const cure = pem.includes('ENCRYPTED') ? '; it is encrypted: openssl pkey writes it without a passphrase' : ''
  throw new Fault('usage', `${path}: want a key in PEM${cure}`)
}

/** @throws Fault 'usage' for a key of another kind */
export function jwkOf(key: KeyObject): PublicJwk {
  const complaints: Complaint[] = []
  const exported = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' })
  const jwk = publicJwk.read(exported, '', complaints)
  if (jwk !== unfit) return jwk
  const cure = 'openssl genpkey -algorithm ed25519, or -algorithm EC -pkeyopt ec_paramgen_curve:P-256'
  throw new Fault('usage', `want a P-256 or Ed25519 key, got ${key.asymmetricKeyType}; ${cure}`)
}

/** RFC 7638: the same name for the same key, whoever computes it. */
export function thumbprint(jwk: PublicJwk): string {
  const members = Object.entries(jwk).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify(Object.fromEntries(members)))
    .digest('base64url')
}
