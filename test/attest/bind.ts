import { createHash } from 'node:crypto'
import t from 'tap'
import {
  bindCertificate,
  bindClaims,
  bindLegacyKey,
  bindsKey,
  decodeClaims,
  encodeClaims,
  type OwnClaims,
  roles,
  uses,
} from '../../src/attest/bind.ts'
import { toHex } from '../../src/base/bytes.ts'
import { type Cbor, encodeCbor } from '../../src/base/cbor.ts'
import { service } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'

const code = 'evidence-malformed'
const spki = Uint8Array.of(0x30, 1, 2, 3)
const own: OwnClaims = { spki, use: 'tls', role: 'workload', policyDigest: new Uint8Array(32).fill(9), service }
const sha = (algorithm: string, bytes: Uint8Array) => new Uint8Array(createHash(algorithm).update(bytes).digest())
const utf8 = (text: string) => new TextEncoder().encode(text)

t.test('report data is the hash and 32 zero bytes', async t => {
  for (const bind of [bindClaims, bindLegacyKey]) {
    const data = bind(spki)
    t.equal(data.length, 64)
    t.equal(toHex(data), toHex(sha('sha256', spki)) + '00'.repeat(32))
  }
})

for (const use of uses) {
  for (const role of roles) {
    t.test(`claims of a ${role} for ${use} come back as they went in`, async t => {
      const claims = decodeClaims(encodeClaims({ ...own, use, role }))
      t.same(claims.postern, { use, role, policyDigest: own.policyDigest, service })
      t.equal(bindsKey(claims, spki), true)
      t.equal(bindsKey(claims, Uint8Array.of(0x30)), false)
    })
  }
}

t.test('channels come back as they went in; foreign evidence has none', async t => {
  const channels = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
  t.same(decodeClaims(encodeClaims({ ...own, use: 'challenge', channels })).channels, channels)
  t.same(decodeClaims(encodeClaims(own)).channels, [])
})

t.test('the claims are these bytes, in deterministic order', async t => {
  const bytes = encodeClaims({ ...own, service: undefined })
  const text = (value: string) => toHex(utf8(value))
  const want = [
    'a4',
    `6b${text('postern-use')}43${text('tls')}`,
    `6b${text('pubkey-hash')}582482015820${toHex(sha('sha256', spki))}`,
    `6c${text('postern-role')}48${text('workload')}`,
    `6e${text('postern-policy')}582482015820${'09'.repeat(32)}`,
  ]
  t.equal(toHex(bytes), want.join(''))
  t.equal(decodeClaims(bytes).postern?.service, undefined)
  t.equal(encodeClaims(own).length < 256, true)
})

t.test('own claims must be well formed: a bug otherwise', async t => {
  t.equal(
    outcome(() => encodeClaims({ ...own, policyDigest: new Uint8Array(31) })),
    'internal',
  )
  for (const bad of [
    '',
    'hello',
    'spiffe://c1',
    'spiffe://C1/a',
    'spiffe://c1/a/../b',
    'spiffe://c1/a b',
    'spiffe://c1/a\r\n',
  ]) {
    t.equal(
      outcome(() => encodeClaims({ ...own, service: bad })),
      'internal',
      JSON.stringify(bad),
    )
  }
})

const key: [string, Cbor] = ['pubkey-hash', encodeCbor([1, sha('sha256', spki)])]
const ours: [string, Cbor][] = [
  key,
  ['postern-use', utf8('tls')],
  ['postern-role', utf8('workload')],
  ['postern-policy', encodeCbor([1, new Uint8Array(32)])],
]
const map = (...entries: [string, Cbor][]) => encodeCbor(new Map(entries))
const without = (name: string) => map(...ours.filter(([other]) => other !== name))
const instead = (name: string, value: Cbor) =>
  map(...ours.map(([other, old]): [string, Cbor] => [other, other === name ? value : old]))

const foreign: [name: string, claims: Uint8Array][] = [
  ['SHA-256 of the key, as Gramine has it', map(key)],
  ['SHA-384', map(['pubkey-hash', encodeCbor([7, sha('sha384', spki)])])],
  ['SHA-512', map(['pubkey-hash', encodeCbor([8, sha('sha512', spki)])])],
  ['a nonce', map(key, ['nonce', new Uint8Array(32)])],
  ['claims that we do not know', map(key, ['key_0', utf8('value_0\0')], ['key_1', [1, 'x']])],
]
for (const [name, bytes] of foreign) {
  t.test(`a foreign peer: ${name}`, async t => {
    const claims = decodeClaims(bytes)
    t.equal(claims.postern, undefined)
    t.equal(bindsKey(claims, spki), true)
  })
}

const refused: [name: string, claims: Uint8Array, message: string][] = [
  ['no map', encodeCbor([1]), 'want a CBOR map'],
  ['no pubkey-hash', map(['nonce', new Uint8Array(32)]), 'pubkey-hash'],
  ['an empty map', map(), 'pubkey-hash'],
  ['two pubkey-hashes', Buffer.concat([Buffer.of(0xa2), map(key).subarray(1), map(key).subarray(1)]), 'duplicate'],
  ['a pubkey-hash in text', map(['pubkey-hash', 'x']), 'byte string'],
  ['a pubkey-hash that is no array', map(['pubkey-hash', encodeCbor(1)]), 'want [1 | 7 | 8'],
  ['an unknown algorithm', map(['pubkey-hash', encodeCbor([2, new Uint8Array(32)])]), 'want [1 | 7 | 8'],
  ['a hash of another length', map(['pubkey-hash', encodeCbor([1, new Uint8Array(31)])]), 'want [1 | 7 | 8'],
  ['a truncated SHA-384', map(['pubkey-hash', encodeCbor([7, new Uint8Array(32)])]), 'want [1 | 7 | 8'],
  ['three elements', map(['pubkey-hash', encodeCbor([1, new Uint8Array(32), 0])]), 'want [1 | 7 | 8'],
  [
    'bytes behind the array',
    map(['pubkey-hash', Buffer.concat([encodeCbor([1, new Uint8Array(32)]), Buffer.of(0)])]),
    'trailing',
  ],
  ['no use beside a role', without('postern-use'), 'postern-use'],
  ['no role beside a use', without('postern-role'), 'postern-role'],
  ['no policy beside a role', without('postern-policy'), 'postern-policy'],
  ['a service and nothing else of ours', map(key, ['postern-service', utf8(service)]), 'postern-use'],
  ['an unknown role', instead('postern-role', utf8('root')), 'unknown'],
  ['an unknown use', instead('postern-use', utf8('tls ')), 'unknown'],
  ['a role in text', instead('postern-role', 'workload'), 'byte string'],
  ['a role that is not UTF-8', instead('postern-role', Uint8Array.of(0xff)), 'not UTF-8'],
  ['a policy of SHA-512', instead('postern-policy', encodeCbor([8, new Uint8Array(64)])), 'sha-256'],
  ['a use behind a byte-order mark', instead('postern-use', utf8('\ufefftls')), 'unknown'],
  ['a service behind something', map(...ours, ['postern-service', utf8(`x${service}`)]), 'SPIFFE'],
  ['a service that ends in ..', map(...ours, ['postern-service', utf8(`${service}/..`)]), 'SPIFFE'],
  ['no channel', map(...ours, ['postern-channel', new Uint8Array()]), 'channel'],
  ['a channel cut short', map(...ours, ['postern-channel', new Uint8Array(31)]), 'channel'],
  ['more channels than may share a quote', map(...ours, ['postern-channel', new Uint8Array(65 * 32)]), 'channel'],
  ['a channel and nothing else of ours', map(key, ['postern-channel', new Uint8Array(32)]), 'postern-use'],
  ['a service that is no SPIFFE ID', map(...ours, ['postern-service', utf8('spiffe://x/\r\ny')]), 'SPIFFE'],
]
for (const [name, bytes, message] of refused) {
  t.test(`${name}: refused`, async t => {
    t.equal(
      outcome(() => decodeClaims(bytes)),
      code,
    )
    t.match(
      complaint(() => decodeClaims(bytes)),
      message,
    )
  })
}

t.test('a service of 2048 bytes is the longest', async t => {
  const long = (bytes: number) => `spiffe://x/${'a'.repeat(bytes - 'spiffe://x/'.length)}`
  for (const [bytes, want] of [
    [2048, 'ok'],
    [2049, code],
  ] as const) {
    t.equal(
      outcome(() => decodeClaims(map(...ours, ['postern-service', utf8(long(bytes))]))),
      want,
    )
  }
})

t.test('a login quotes SHA-512 of a certificate, all of it', async t => {
  const der = Uint8Array.of(0x30, 0x03, 1, 2, 3)
  t.same(Buffer.from(bindCertificate(der)), createHash('sha512').update(der).digest())
})
