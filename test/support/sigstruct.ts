// SIGSTRUCTs for tests, all SYNTHETIC: no enclave has these measurements, and nobody keeps the keys.

import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { concat } from '../../src/base/bytes.ts'

/** What Gramine 1.9's own signing code made, of the measurement SHA-256("postern synthetic enclave"). */
export const gramineSigstruct = {
  bytes: new Uint8Array(
    Buffer.from(
      `
  BgAAAOEAAAAAAAEAAAAAAAAAAAAUAyYgAQEAAGAAAABgAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
  AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAzRR0M2eUDiHfdl5QBSfj9IEsALJ9/7JF0QY+RV7xKGYah55Duc8Yh6IDZ
  4p+eVgEGEAyF/3mMvKziqvwgfAeYczDTUXMcC3+Ldx/G8mDtPz0/FjeA1oAGMwv0PABDCk2YaK/NgTDvA3gHDW9edTzEv+/yApsLWBLcylyb+5mV9X
  yGIZHgJwedSGpRWduTb+bRc2utZVfafXgUNOz4WZ94gbKsfMyaGWEcnC1WOBp4BPlz6Cs+VPHqd95ZmFsrCTtqa1kSqR4BJ4YLs//lWYFeZGdR6scJ
  z/O4uBsouiC9DCvVGi/OSITTVKFc2vRq0IpjGFfxu79+bhRwEAmxhV7ttU7VHal5PR1MCbsnuroww9B7Cvv5frDXytdzwrrnansY9M0olKfg1QIrBY
  X5FnZx9GbZsrulBlejvMBi1QAbjXY8VHCPHy+yxb92B5U6oJTgkLI3SLpNK26tBprwLzXXEtphTM7+X8yqo+wGO3B3F4D+Q/KIowBzREpvlFmzascD
  AAAAuoMZFYKyLMGPHf553B2NVLRDMyVI9lJjydEBriJaXA4qj6TE0CywNSHYUtE2U3y0UI8N13dh0n1iNoeYc8PDzNWkv4243ixmeDCrG2hZldtxbc
  fa8kA27YSAhL6tm3CIruHqn/hBLwC5PNMlNweM6eN3A9T3ejzCoFh9rrpUP3JZOZzrd3B8eDjtzJkCHbv1+OYfVn5Fnt9bhdodcNtFFzH3yOTtBZ04
  Tv+TboQKDwz0EnFBGNSUnNqprHCZc0vHN1Xb36O2qP8udWd/uSEhR1QxaB4YIVgzuzFZaCXd/2Q3hWZ36x6l1SjersyfvHd2n+V3pXfCFnSGnA1mbs
  d5KdJ+EXzcbzYdAzoWSdqKvcfY9Kw0+f7OAs1Xx2Enb091UcO1RXhMQp+CFIvVNihzb5MN71kNfsSxulB1xQHlWli9bKQliDsa3PTg26bfA1ra+Wzx
  diZUmW861HzU551kS5ydI5+YSJ67M7RIitfJaDjaGJwpayZWFHxld0GZPCyWAQAAAP////8AAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAwAAAA
  AAAAD//////////xv/+f//////2hbCVy6WcwVw9THcQMzZXmL4m++OTqfpunC69blg0FoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEA
  AwAAAAAAAAAAAAAAAACvDK3Q4wwwhsm4cGAAi//c8R28/4n6pyXN4FE6T9n+HhvLg5Qx2kqgvTjxgzuMQmu85ECpQRIzEqKuldeQTlhsyXFtxCW5+N
  LJ5xWpp/GU7f9d2IIdAXfpcFH1VoE18wyMl4W+4xM6gHI53g9BvYUhO+5ZCvE4hLiCFhWjp4V6AJlJg1/Yp177s1OrByav4CCEDFtLCKCdkT73sHsK
  qBZjosfrpaEiW/MqFDUIFaG9yzEpZVq+8Qqt+wKryPTIieWacL2rl+8FFuRrHq7/A9a55FzU6Rl11TMmU0Ucb/gPw1qLbSCn+LIhVXU4pcqWh/pgTy
  K8QbUpX2V9BCssST9usDZdt+4xLi8y340+xVx74NnaKd2P88iKq7PHljwBaFA62/ohE93J/NCTY+f8+z6Awc0yEBFxWuMLInwiCdqr4FBc1xaJ60mL
  Me2cmrg38MvY1Z8VQFnFi+3iuRfks7Lm64CEANzAk1eOYNbhRQ//BfHPrZWyIGwdLutXWmHQFnHz6QZVdf4lSvDNK0C309UfVv4dHpAZIlXTCXY9OT
  UqQzZ9CNFuxwqDsoqrEFJYqlwuh5B5ir6PsgLmhnsdYaOxaOduVY9YeU77B6ghgzpWC4hgFKNCP5h6YwhdsbPbYiKS47dkMZQHhx9e4OGud4AKUW4X
  9bdWGNMEd5AfY13ZL8LeZISkA3GgffwEjfM0S8w1APNBcvBSNOnFxTguaxvyZLShoKSaOVWDWtETUDDrxoPjB4qe4YezvZFboSPQus7TAKz9Z6VBGE
  3b71G/Ip5UPOr4Tu8h0qLCXdDwlH5ZjFQqHFAM3ZuTfVmnfDiaMrFne0jYswdY39sL0rEE/XrE6HmYkGudSIGp/FHGC9euM4myil4cxKkcl/GZprHl
  /GcAiyRGftzLOrMjSjHAfWt3mqTdcus6PuocwGw+DWV1q83Wa4WrdV7SRb5qXIYAqhbfcE8qY0Ev5jbobCbM6mZSG0cx3+iD6HrCRPNtXrAO+BUduh
  x5tGKEq4UEKP8smiE=
`,
      'base64',
    ),
  ),
  mrenclave: 'da16c2572e96730570f531dc40ccd95e62f89bef8e4ea7e9ba70baf5b960d05a',
  mrsigner: '6decaa3336a7bb3ea04e4347b7dabdf2ce0e6c4c650d38fbf592fbc3992d0188',
}

/** An enclave author's key: RSA-3072 with exponent 3. */
export function authorKey(): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength: 3072, publicExponent: 3 }).privateKey
}

/** Where the fields lie, for changing them before they are signed. Intel SDM volume 3D, "SIGSTRUCT". */
export const at = {
  header: 0,
  vendor: 16,
  date: 20,
  header2: 24,
  swDefined: 40,
  reserved1: 44,
  modulus: 128,
  exponent: 512,
  signature: 516,
  miscSelect: 900,
  miscMask: 904,
  cetAttributes: 908,
  cetMask: 909,
  reserved2: 910,
  isvFamilyId: 912,
  attributes: 928,
  attributesMask: 944,
  enclaveHash: 960,
  reserved3: 992,
  isvExtProdId: 1008,
  isvProdId: 1024,
  isvSvn: 1026,
  reserved4: 1028,
  q1: 1040,
  q2: 1424,
} as const

const little = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.padStart(768, '0'), 'hex').reverse())
const number = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)

/** Signs whatever stands in the signed fields, and fills in key, signature and quotients. */
export function signSigstruct(fields: Uint8Array, key: KeyObject): Uint8Array {
  const bytes = fields.slice()
  const modulus = little(Buffer.from(key.export({ format: 'jwk' }).n ?? '', 'base64url').toString('hex'))
  const signed = concat(bytes.slice(0, at.modulus), bytes.slice(at.miscSelect, at.reserved4))
  const signature = new Uint8Array(sign('sha256', signed, key)).reverse()
  const [m, s] = [number(modulus), number(signature)]
  bytes.set(modulus, at.modulus)
  bytes.set([3, 0, 0, 0], at.exponent)
  bytes.set(signature, at.signature)
  bytes.set(little(((s * s) / m).toString(16)), at.q1)
  bytes.set(little(((((s * s) % m) * s) / m).toString(16)), at.q2)
  return bytes
}

/** Gramine's, with bytes changed at offsets and signed by another key. */
export function makeSigstruct(
  key: KeyObject,
  changes: readonly (readonly [offset: number, bytes: readonly number[]])[] = [],
): Uint8Array {
  const fields = gramineSigstruct.bytes.slice()
  for (const [offset, bytes] of changes) fields.set(bytes, offset)
  return signSigstruct(fields, key)
}

/** SHA-256 of the modulus as SIGSTRUCT has it. */
export function signerOf(key: KeyObject): string {
  const modulus = Buffer.from(key.export({ format: 'jwk' }).n ?? '', 'base64url').reverse()
  return createHash('sha256').update(modulus).digest('hex')
}
