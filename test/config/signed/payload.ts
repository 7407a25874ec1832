import t from 'tap'
import { covers, openSigned, type Signer } from '../../../src/config/signed/payload.ts'
import {
  cart,
  ed25519Key,
  headerOf,
  noon,
  p256Key,
  payloadOf,
  type Said,
  signedBy,
  tokenOf,
} from '../../support/signed.ts'

const ops = p256Key()
const dev = ed25519Key()
const signers: readonly Signer[] = [
  {
    kid: 'ops-1',
    jwk: ops.jwk,
    services: ['spiffe://c1.example.org/ns/shop/'],
    may: ['service', 'hosts', 'peers.app.enclaves'],
    narrowOnly: false,
    minSerial: 17,
    maxLifetimeSeconds: 2_592_000,
  },
  {
    kid: 'dev-1',
    jwk: dev.jwk,
    services: ['spiffe://c1.example.org/ns/test'],
    may: [],
    narrowOnly: true,
    minSerial: 0,
    maxLifetimeSeconds: 60,
  },
]
const open = (said: Said = {}, at: number | undefined = noon) => openSigned(signedBy(ops, 'ops-1', said), signers, at)

t.test('what it says, from whom, over which bytes', async t => {
  const grant = { hosts: ['cart.example.org'], 'peers.app.enclaves': [] }
  const { facts, signer, payload, grant: found } = open({ grant })
  t.same(facts, {
    kid: 'ops-1',
    service: cart,
    serial: 17,
    notBefore: Date.parse('2026-03-01T11:00:00Z'),
    notAfter: Date.parse('2026-03-08T11:00:00Z'),
    grants: ['hosts', 'peers.app.enclaves'],
  })
  t.equal(signer, signers[0])
  t.equal(Buffer.from(payload).toString(), payloadOf({ grant }))
  t.match(found, grant)
})

const start = Date.parse('2026-03-01T11:00:00Z')
const end = Date.parse('2026-03-08T11:00:00Z')
t.test('it counts from nbf on, and up to exp', async t => {
  for (const at of [start, noon, end - 1]) t.equal(open({}, at).facts.serial, 17)
  for (const at of [start - 1, 0, -1, -8.7e15])
    t.throws(() => open({}, at), { message: /^nbf: .*not yet: the clock says/ })
  for (const at of [end, end + 1, 8.7e15])
    t.throws(() => open({}, at), { message: /^exp: it expired at 2026-03-08T11:00:00/ })
  for (const at of [Number.NaN, Number.POSITIVE_INFINITY]) t.throws(() => open({}, at), { code: 'policy-invalid' })
})

t.test('tools that only digest it ask for no date', async t => {
  t.equal(openSigned(signedBy(ops, 'ops-1'), signers, undefined).facts.serial, 17)
})

const refused: [name: string, said: Said, reason: RegExp][] = [
  ['another version', { v: 2 }, /^\/v: want one of 1, got 2/],
  ['no version', { v: undefined }, /^\/v: want this key/],
  ['no service', { service: undefined }, /^\/service: want this key/],
  ['a service that is no SPIFFE ID', { service: 'cart' }, /^\/service: want spiffe:/],
  ['a service with more behind it', { service: `${cart}/proxy` }, /^\/service: want spiffe:/],
  [
    'a service of another namespace',
    { service: 'spiffe://c1.example.org/ns/bank/svc/cart' },
    /^service: "ops-1" signs for .*not for spiffe:\/\/c1\.example\.org\/ns\/bank/,
  ],
  [
    'a service of another cluster',
    { service: 'spiffe://c2.example.org/ns/shop/svc/cart' },
    /^service: "ops-1" signs for/,
  ],
  [
    'a namespace that begins alike',
    { service: 'spiffe://c1.example.org/ns/shop-2/svc/cart' },
    /^service: "ops-1" signs for/,
  ],
  ['an older serial', { serial: 16 }, /^serial: want at least 17 from "ops-1", got 16: an older policy/],
  ['a negative serial', { serial: -1 }, /^\/serial: want an integer/],
  ['a serial that is a text', { serial: '17' }, /^\/serial: want an integer/],
  ['a serial beyond what a number holds', { serial: 2 ** 53 }, /^\/serial: want an integer/],
  ['no begin', { nbf: undefined }, /^\/nbf: want this key/],
  ['no end', { exp: undefined }, /^\/exp: want this key/],
  ['an end that is a text', { exp: '2026-03-08' }, /^\/exp: want an integer/],
  ['an end before its begin', { exp: start / 1000 }, /^exp: want a life of 1 to 2592000 s from nbf on, got 0/],
  ['a life that is too long', { exp: start / 1000 + 2_592_001 }, /^exp: want a life of 1 to 2592000 s/],
  ['no grant', { grant: undefined }, /^\/grant: want this key/],
  ['a grant that is a list', { grant: [] }, /^\/grant: want an object/],
  [
    'a grant of what the signer may not',
    { grant: { 'limits.concurrency': 1 } },
    /^grant: "ops-1" may set service, hosts, peers\.app\.enclaves, not limits\.concurrency/,
  ],
  [
    'a grant of what nobody may',
    { grant: { 'inbound.plaintext': 'serve', 'upstream.mode': 'plaintext' } },
    /not inbound\.plaintext, upstream\.mode/,
  ],
  ['a grant of a whole part', { grant: { peers: {} } }, /^grant: "ops-1" may set .*not peers/],
  [
    'a grant of a prototype',
    { grant: JSON.parse('{"__proto__":{"hosts":[]}}') },
    /^\/grant\/__proto__: want a dotted policy path/,
  ],
  ['a grant of a constructor', { grant: { constructor: 1 } }, /^\/grant\/constructor: want a dotted policy path/],
  ['another key', { kid: 'ops-1' } as Said, /^\/kid: want no such key/],
]
for (const [name, said, reason] of refused) {
  t.test(`${name}: refused`, async t => {
    t.throws(() => open(said), { code: 'policy-invalid', message: reason })
  })
}

t.test('members that stand there twice: refused', async t => {
  const twice: [payload: string, reason: RegExp][] = [
    [payloadOf().replace('{', '{"serial":1,'), /^payload: not JSON: .*member "serial" twice/],
    [payloadOf().replace('"grant":{}', '"grant":{"hosts":["a"],"hosts":["b"]}'), /member "hosts" twice/],
    [payloadOf({ grant: { hosts: [] } }).replace('"hosts"', '"hos\\u0074s":[],"hosts"'), /member "hosts" twice/],
    [`${payloadOf()}{}`, /^payload: not JSON: .*want nothing more/],
    [payloadOf().replace('"v":1', '"v":1,'), /^payload: not JSON/],
    ['[]', /^\/: want an object/],
  ]
  for (const [payload, reason] of twice) {
    t.throws(() => openSigned(tokenOf(ops, headerOf(ops, 'ops-1'), payload), signers, noon), { message: reason })
  }
})

t.test('each signer has limits of its own', async t => {
  const service = 'spiffe://c1.example.org/ns/test/svc/a'
  const said = { service, serial: 0, exp: start / 1000 + 60 }
  t.equal(openSigned(signedBy(dev, 'dev-1', said), signers, start).facts.kid, 'dev-1')
  t.throws(() => openSigned(signedBy(dev, 'dev-1', { ...said, grant: { hosts: [] } }), signers, start), {
    message: /^grant: "dev-1" may set nothing, not hosts/,
  })
  t.throws(() => openSigned(signedBy(dev, 'dev-1', { ...said, service: cart }), signers, start), {
    message: /^service: "dev-1" signs for spiffe:\/\/c1\.example\.org\/ns\/test, not for/,
  })
})

t.test('a prefix ends at a slash', async t => {
  const rows: [prefix: string, id: string, covered: boolean][] = [
    ['spiffe://a/ns/shop', 'spiffe://a/ns/shop/svc/x', true],
    ['spiffe://a/ns/shop/', 'spiffe://a/ns/shop/svc/x', true],
    ['spiffe://a/ns/shop', 'spiffe://a/ns/shop-2/svc/x', false],
    ['spiffe://a/ns/shop/svc/x', 'spiffe://a/ns/shop/svc/x', true],
    ['spiffe://a/ns/shop/svc/x', 'spiffe://a/ns/shop/svc/xy', false],
    ['spiffe://a', 'spiffe://a/ns/shop/svc/x', true],
    ['spiffe://a', 'spiffe://ab/ns/shop/svc/x', false],
  ]
  for (const [prefix, id, covered] of rows) t.equal(covers(prefix, id), covered, `${prefix} ${id}`)
})
