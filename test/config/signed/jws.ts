import { createHmac, sign } from 'node:crypto'
import t from 'tap'
import { maxTokenBytes, readUtf8Json, verifyJws } from '../../../src/config/signed/jws.ts'
import { base64url, ed25519Key, headerOf, p256Key, signatureOf, signedBy, tokenOf } from '../../support/signed.ts'

const ops = p256Key()
const dev = ed25519Key()
const keys = [
  { kid: 'ops-1', jwk: ops.jwk, mine: true },
  { kid: 'dev-1', jwk: dev.jwk, mine: true },
]
const payload = '{"a":1}'
const header = (more: object = {}) => headerOf(ops, 'ops-1', more)
const good = tokenOf(ops, header(), payload)
const [head = '', body = '', tail = ''] = good.split('.')

t.test('the payload, and whose it is', async t => {
  t.same(verifyJws(good, keys), { key: keys[0], payload: new Uint8Array(Buffer.from(payload)) })
  t.equal(verifyJws(tokenOf(dev, headerOf(dev, 'dev-1'), payload), keys).key, keys[1])
  const spaced = `{ "typ": "postern-policy+jws", "kid": "ops-1",\n "alg": "ES256" }`
  t.equal(verifyJws(tokenOf(ops, spaced, payload), keys).key, keys[0], 'whatever the order of its header')
})

t.test('the payload is not read before its signature was verified', async t => {
  t.same(
    verifyJws(tokenOf(ops, header(), 'no JSON \u0000'), keys).payload,
    new Uint8Array(Buffer.from('no JSON \u0000')),
  )
})

/** With the signature that the first key makes over whatever stands there. */
const resigned = (first: string, second = base64url(payload)) =>
  `${first}.${second}.${base64url(signatureOf(ops, `${first}.${second}`))}`

const publicPem = Buffer.from(`-----BEGIN PUBLIC KEY-----\n${ops.jwk.x}\n-----END PUBLIC KEY-----\n`)
const hmac = (key: string | Buffer): string => {
  const input = `${base64url(header({ alg: 'HS256' }))}.${base64url(payload)}`
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`
}

const refused: [name: string, token: string, reason: RegExp][] = [
  ['nothing', '', /^want a JWS/],
  ['one part', head, /^want a JWS/],
  ['no signature', `${head}.${body}`, /^want a JWS/],
  ['a stripped signature', `${head}.${body}.`, /^want a JWS/],
  ['a detached payload', `${head}..${tail}`, /^want a JWS/],
  ['four parts', `${good}.${tail}`, /^want a JWS/],
  ['an encrypted token’s five', `${good}.a.b`, /^want a JWS/],
  ['a JWS in JSON', JSON.stringify({ protected: head, payload: body, signature: tail }), /^want a JWS/],
  ['a line end behind', `${good}\n`, /^signature: not base64url/],
  ['a space before', ` ${good}`, /^header: not base64url/],
  ['trailing bytes', `${good}AA`, /^the signature is not by the key/],
  ['padding', `${head}=.${body}.${tail}`, /^header: not base64url/],
  ['base64', `${head}.${body.replace(/.$/, '+')}.${tail}`, /^payload: not base64url/],
  [
    'another spelling of the same bytes',
    `${head}.${body}.${tail.slice(0, -1)}${next(tail)}`,
    /^signature: not base64url/,
  ],
  ['too many bytes', resigned(base64url(header()), 'A'.repeat(maxTokenBytes)), /^want at most 65536 bytes, got 65\d+/],
  ['alg none', `${base64url(header({ alg: 'none' }))}.${body}.${tail}`, /^alg: want "ES256".*got "none"/],
  ['alg none, without a signature', `${base64url(header({ alg: 'none' }))}.${body}.`, /^want a JWS/],
  ['alg NONE', resigned(base64url(header({ alg: 'NONE' }))), /^alg: want "ES256"/],
  ['HS256 by the public key', hmac(publicPem), /^alg: want "ES256".*got "HS256"/],
  ['HS256 by the JWK', hmac(JSON.stringify(ops.jwk)), /^alg: want "ES256"/],
  ['RS256', resigned(base64url(header({ alg: 'RS256' }))), /^alg: want "ES256".*got "RS256"/],
  ['ES384', resigned(base64url(header({ alg: 'ES384' }))), /^alg: want "ES256"/],
  ['EdDSA for a P-256 key', resigned(base64url(header({ alg: 'EdDSA' }))), /^alg: want "ES256".*got "EdDSA"/],
  ['ES256 for an Ed25519 key', resigned(base64url(header({ kid: 'dev-1' }))), /^alg: want "EdDSA".*got "ES256"/],
  ['no alg', resigned(base64url('{"kid":"ops-1","typ":"postern-policy+jws"}')), /^header: want exactly alg, kid, typ/],
  [
    'alg twice',
    resigned(base64url(header().replace('{', '{"alg":"none",'))),
    /^header: not JSON: .*member "alg" twice/,
  ],
  ['an alg that is a list', resigned(base64url(header({ alg: ['ES256'] }))), /^header: want alg and kid as strings/],
  ['another type', resigned(base64url(header({ typ: 'JWT' }))), /^typ: want "postern-policy\+jws", got "JWT"/],
  ['no type', resigned(base64url(header({ typ: undefined }))), /^header: want exactly alg, kid, typ, got alg, kid/],
  [
    'crit',
    resigned(base64url(header({ crit: ['exp'], exp: 1 }))),
    /^header: want exactly .*got alg, crit, exp, kid, typ/,
  ],
  ['a key of its own', resigned(base64url(header({ jwk: ops.jwk }))), /^header: want exactly .*jwk/],
  ['a place for a key', resigned(base64url(header({ jku: 'https://evil.example' }))), /^header: want exactly .*jku/],
  ['a certificate', resigned(base64url(header({ x5c: ['AA=='] }))), /^header: want exactly .*x5c/],
  ['an unencoded payload', resigned(base64url(header({ b64: false, crit: ['b64'] }))), /^header: want exactly .*b64/],
  ['a compressed payload', resigned(base64url(header({ zip: 'DEF' }))), /^header: want exactly .*zip/],
  [
    'an unknown key',
    tokenOf(dev, headerOf(dev, 'ops-9'), payload),
    /^kid: want a signer of the base policy \(ops-1, dev-1\), got "ops-9"/,
  ],
  ['an inherited key', resigned(base64url(header({ kid: 'constructor' }))), /^kid: want a signer/],
  [
    'a stranger under a known name',
    tokenOf(p256Key(), header(), payload),
    /^the signature is not by the key of "ops-1"/,
  ],
  ['another signer under that name', tokenOf(dev, headerOf(dev, 'ops-1'), payload), /^alg: want "ES256"/],
  ['a header that is a list', resigned(base64url('["alg","kid","typ"]')), /^header: want exactly/],
  ['a header that is null', resigned(base64url('null')), /^header: want exactly .*got none/],
  ['a header that is no JSON', resigned(base64url('{')), /^header: not JSON/],
  ['a header that is no UTF-8', resigned(base64url(Uint8Array.of(0x22, 0xff, 0x22))), /^header: not valid UTF-8/],
  ['a header with a byte order mark', resigned(base64url(`\ufeff${header()}`)), /^header: not JSON/],
  ['another payload', `${head}.${base64url('{"a":2}')}.${tail}`, /^the signature is not by the key/],
  ['another header', `${base64url(`${header()} `)}.${body}.${tail}`, /^the signature is not by the key/],
  [
    'a signature in DER',
    `${head}.${body}.${base64url(sign('sha256', Buffer.from(`${head}.${body}`), ops.privateKey))}`,
    /^the signature is not by the key/,
  ],
  ['a signature of zeros', `${head}.${body}.${base64url(new Uint8Array(64))}`, /^the signature is not by the key/],
]
for (const [name, token, reason] of refused) {
  t.test(`${name}: refused`, async t => {
    t.throws(() => verifyJws(token, keys), { code: 'policy-invalid', message: reason })
  })
}

/** A last character whose unused bits differ: the decoder sees the same bytes. */
function next(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet[alphabet.indexOf(text.at(-1) ?? '') + 1] ?? '_'
}

t.test('where nobody may sign, nobody is known', async t => {
  t.throws(() => verifyJws(signedBy(ops, 'ops-1'), []), { message: /^kid: want a signer of the base policy \(none\)/ })
})

t.test('JSON out of bytes, members once', async t => {
  t.match(readUtf8Json(Buffer.from('{"a":[1]}'), 'x'), { a: [1] })
  t.throws(() => readUtf8Json(Buffer.from('{"a":1,"a":2}'), 'x'), { message: /^x: not JSON: .*member "a" twice/ })
})
