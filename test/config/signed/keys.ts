import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { type Complaint, unfit } from '../../../src/config/shape.ts'
import { algorithmOf, type PublicJwk, publicJwk, verifies } from '../../../src/config/signed/keys.ts'
import { ed25519Key, p256Key, signatureOf } from '../../support/signed.ts'

// RFC 7515 A.3: P-256, and RFC 8037 A.4: Ed25519.
const ec: PublicJwk = {
  kty: 'EC',
  crv: 'P-256',
  x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
  y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
}
const ecInput =
  'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ'
const ecSignature = 'DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q'
const okp: PublicJwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }
const okpInput = 'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc'
const okpSignature = 'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg'

const bytes = (text: string) => Buffer.from(text)
const decoded = (text: string) => Buffer.from(text, 'base64url')

t.test('signatures of the RFCs verify, and no other', async t => {
  const cases: [jwk: PublicJwk, input: string, signature: string, algorithm: string][] = [
    [ec, ecInput, ecSignature, 'ES256'],
    [okp, okpInput, okpSignature, 'EdDSA'],
  ]
  for (const [jwk, input, signature, algorithm] of cases) {
    t.equal(algorithmOf(jwk), algorithm)
    t.ok(verifies(jwk, bytes(input), decoded(signature)))
    t.notOk(verifies(jwk, bytes(`${input} `), decoded(signature)))
    t.notOk(verifies(jwk, bytes(input), decoded(signature).subarray(1)))
    t.notOk(verifies(jwk, bytes(input), Buffer.concat([decoded(signature), Buffer.of(0)])))
    t.notOk(verifies(jwk, bytes(input), Buffer.alloc(64)))
    t.notOk(verifies(jwk, bytes(input), new Uint8Array()))
  }
  t.notOk(verifies(ec, bytes(okpInput), decoded(okpSignature)), 'nor by the other key')
  t.notOk(verifies(okp, bytes(ecInput), decoded(ecSignature)))
})

t.test('a signature in DER is none', async t => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { sign } = await import('node:crypto')
  const jwk = publicKey.export({ format: 'jwk' }) as unknown as PublicJwk
  t.notOk(verifies(jwk, bytes('x'), sign('sha256', bytes('x'), privateKey)))
})

t.test('each bit of a signature counts', async t => {
  for (const key of [p256Key(), ed25519Key()]) {
    const signature = signatureOf(key, 'text')
    t.ok(verifies(key.jwk, bytes('text'), signature))
    for (const at of [0, 31, 32, 63]) {
      const flipped = Uint8Array.from(signature, (byte, i) => (i === at ? byte ^ 1 : byte))
      t.notOk(verifies(key.jwk, bytes('text'), flipped), `byte ${at}`)
    }
  }
})

function read(value: unknown): { value: unknown; complaints: readonly Complaint[] } {
  const complaints: Complaint[] = []
  return { value: publicJwk.read(value, '/jwk', complaints), complaints }
}

t.test('public keys of two kinds, with their members and no other', async t => {
  for (const jwk of [ec, okp]) t.same(read({ ...jwk }), { value: jwk, complaints: [] })
})

const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' })
const secret = p256Key().privateKey.export({ format: 'jwk' })

const refused: [name: string, value: unknown][] = [
  ['nothing', undefined],
  ['null', null],
  ['a text', 'key'],
  ['a list', [ec]],
  ['no members', {}],
  ['an RSA key', rsa],
  ['another curve', p384],
  ['a shared secret', { kty: 'oct', k: 'AAAA' }],
  ['a private key', secret],
  ['a key with more to it', { ...okp, alg: 'EdDSA' }],
  ['half a point', { kty: 'EC', crv: 'P-256', x: ec.x }],
  ['a point in one coordinate and a half', { ...okp, y: okp.x }],
  ['the curve of the other kind', { ...okp, crv: 'P-256' }],
  ['a point that is not on the curve', { ...ec, y: ec.x }],
  ['a short coordinate', { ...okp, x: okp.x.slice(1) }],
  ['a coordinate in base64', { ...okp, x: `+${okp.x.slice(1)}` }],
  ['coordinates that are numbers', { ...okp, x: 1 }],
]
for (const [name, value] of refused) {
  t.test(`${name} is no public key, and is not shown`, async t => {
    const { value: got, complaints } = read(value)
    t.equal(got, unfit)
    t.match(complaints, [{ path: '/jwk', want: /^a public JWK of exactly/, got: /^members [a-z0-9_, ]+$/ }])
    t.equal(complaints.length, 1)
    for (const each of Object.values(Object(value) as object)) {
      const text = String(each)
      if (text.length > 20) t.notMatch(complaints[0]?.got, text)
    }
  })
}
