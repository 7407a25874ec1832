import { generateKeyPairSync } from 'node:crypto'
import t, { type Test } from 'tap'
import { openSigned } from '../../src/config/signed/payload.ts'
import { command } from '../support/cli.ts'
import { cart, noon, p256Key } from '../support/signed.ts'

const hex = 'ab'.repeat(32)
const pkcs8 = { type: 'pkcs8', format: 'pem' } as const
const spki = { type: 'spki', format: 'pem' } as const
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: pkcs8, publicKeyEncoding: spki })
const ed = generateKeyPairSync('ed25519', { privateKeyEncoding: pkcs8, publicKeyEncoding: spki })
const sec1 = p256Key().privateKey.export({ type: 'sec1', format: 'pem' })

async function keyOf(file: string, ...more: string[]) {
  const { code, text } = await command(['policy', 'key', file, ...more])
  return code === 0 ? JSON.parse(text) : text
}

const files = (more: Record<string, string | Buffer> = {}) => ({
  'ec.pem': ec.privateKey,
  'ec-public.pem': ec.publicKey,
  'ed.pem': ed.privateKey,
  'sec1.pem': sec1,
  'grant.json': JSON.stringify({ hosts: ['cart.example.org'] }),
  ...more,
})

/** `policy sign` with a good line, but for what is changed or, by undefined, left out. */
function sign(folder: string, changes: Record<string, string | undefined> = {}) {
  const flags = { key: 'ec.pem', service: cart, serial: '17', grant: 'grant.json', kid: 'ops-1', ...changes }
  const paths = ['key', 'grant', 'policy']
  const line = Object.entries(flags).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, paths.includes(name) ? `${folder}/${value}` : value],
  )
  return command(['policy', 'sign', ...line], noon + 999)
}

t.test('a key as the base policy names it', async t => {
  const folder = t.testdir(files())
  const named = await keyOf(`${folder}/ec.pem`, '--kid', 'ops-1')
  t.match(named, { kid: 'ops-1', jwk: { kty: 'EC', crv: 'P-256', x: /^.{43}$/, y: /^.{43}$/ } })
  t.same(await keyOf(`${folder}/ec-public.pem`, '--kid', 'ops-1'), named, 'the public half is enough')
  t.match(await keyOf(`${folder}/ed.pem`), { kid: /^[\w-]{43}$/, jwk: { kty: 'OKP', crv: 'Ed25519' } })
  t.match(await keyOf(`${folder}/sec1.pem`), { jwk: { kty: 'EC' } })
  t.notMatch(JSON.stringify(await keyOf(`${folder}/ed.pem`)), '"d"')
})

t.test('a thumbprint is that of RFC 7638', async t => {
  // RFC 8037 A.3.
  const key = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }
  const { createPublicKey } = await import('node:crypto')
  const pem = createPublicKey({ key, format: 'jwk' }).export(spki)
  const folder = t.testdir({ 'key.pem': pem })
  t.same(await keyOf(`${folder}/key.pem`), { kid: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k', jwk: key })
})

/** The signer that a base policy would have for this key. */
async function signerOf(t: Test, file: string, kid?: string) {
  const named = await keyOf(file, ...(kid === undefined ? [] : ['--kid', kid]))
  t.type(named, 'object')
  const limits = { narrowOnly: false, minSerial: 0, maxLifetimeSeconds: 2_592_000 }
  return { ...named, services: [cart], may: ['hosts'], ...limits }
}

t.test('what is signed is what a proxy reads', async t => {
  const folder = t.testdir(files())
  const { code, text } = await sign(folder)
  t.equal(code, 0)
  const { facts, grant } = openSigned(text.trimEnd(), [await signerOf(t, `${folder}/ec.pem`, 'ops-1')], noon)
  t.equal(text, `${text.trim()}\n`)
  t.same(facts, {
    kid: 'ops-1',
    service: cart,
    serial: 17,
    notBefore: noon,
    notAfter: noon + 30 * 86_400_000,
    grants: ['hosts'],
  })
  t.match(grant, { hosts: ['cart.example.org'] })

  const dates = { from: '2026-04-01T00:00:00Z', days: '1', key: 'ed.pem', kid: undefined }
  const later = await sign(folder, dates)
  const april = Date.parse('2026-04-01T00:00:00Z')
  const opened = openSigned(later.text.trimEnd(), [await signerOf(t, `${folder}/ed.pem`)], april)
  t.match(opened.facts, { notBefore: april, notAfter: april + 86_400_000 })
})

t.test('with its base policy, nothing is signed that it would refuse', async t => {
  const { kid, jwk } = await keyOf(`${t.testdir(files())}/ec.pem`, '--kid', 'ops-1')
  const base = (minSerial: number) =>
    JSON.stringify({
      version: 1,
      name: 'acme',
      upstream: { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' },
      peers: { app: { enclaves: [{ mrenclave: hex }] } },
      signed: {
        from: ['podinfo'],
        signers: [{ kid, jwk, services: ['spiffe://c1.example.org/'], may: ['service', 'hosts'], minSerial }],
      },
    })
  const folder = t.testdir(files({ 'base.json': base(17), 'strict.json': base(18) }))
  t.match(await sign(folder, { policy: 'base.json' }), { code: 0, text: /^[\w-]+\.[\w-]+\.[\w-]+\n$/ })
  const refused = await sign(folder, { policy: 'strict.json' })
  t.match(refused, {
    code: 1,
    text: /^policy .*strict\.json: the signed policy in the new token: serial: want at least 18/,
  })
  t.match(await sign(folder, { policy: 'base.json', key: 'ed.pem' }), { code: 1, text: /alg: want "ES256"/ })
})

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048, privateKeyEncoding: pkcs8, publicKeyEncoding: spki })
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384', privateKeyEncoding: pkcs8, publicKeyEncoding: spki })
const locked = generateKeyPairSync('ed25519', {
  privateKeyEncoding: { ...pkcs8, cipher: 'aes-256-cbc', passphrase: 'x' },
  publicKeyEncoding: spki,
})
const strange = {
  'rsa.pem': rsa.privateKey,
  'p384.pem': p384.privateKey,
  'locked.pem': locked.privateKey,
  'text.pem': 'hello',
  'list.json': '[]',
  'broken.json': '{"hosts":["a"],"hosts":["b"]}',
  'mode.json': '{"upstream.mode":"plaintext","hosts":[]}',
}
const refused: [name: string, changes: Record<string, string | undefined>, message: RegExp][] = [
  ['no key', { key: undefined }, /--key FILE is missing/],
  ['no such key', { key: 'none.pem' }, /none\.pem: ENOENT/],
  ['an RSA key', { key: 'rsa.pem' }, /want a P-256 or Ed25519 key, got rsa; openssl genpkey/],
  ['a key on another curve', { key: 'p384.pem' }, /want a P-256 or Ed25519 key, got ec; openssl/],
  ['an encrypted key', { key: 'locked.pem' }, /want a key in PEM; it is encrypted: openssl pkey/],
  ['no PEM', { key: 'text.pem' }, /text\.pem: want a key in PEM$/],
  ['a public key', { key: 'ec-public.pem' }, /--key: want a private key, got a public one/],
  ['no service', { service: undefined }, /--service ID is missing/],
  ['a service that is none', { service: 'cart' }, /^postern policy sign: \/service: want spiffe:/],
  ['a serial that is none', { serial: '1.5' }, /^--serial 1\.5: want a number/],
  ['a serial too large', { serial: '9007199254740992' }, /^--serial .*: want a number/],
  ['a day that is none', { from: 'tomorrow' }, /^--from tomorrow: want a time such as/],
  ['no time', { days: '0' }, /^postern policy sign: exp: want a life of/],
  ['more than a year', { days: '366' }, /^postern policy sign: exp: want a life of/],
  ['no grant', { grant: 'none.json' }, /none\.json: ENOENT/],
  ['a grant that is a list', { grant: 'list.json' }, /list\.json: want an object of values by dotted path/],
  ['a member twice', { grant: 'broken.json' }, /broken\.json: not JSON: .*member "hosts" twice/],
  [
    'what nobody may set',
    { grant: 'mode.json' },
    /mode\.json: nobody may set upstream\.mode; paths are service, hosts, .*peers\.<name>\.enclaves/,
  ],
]
for (const [name, changes, message] of refused) {
  t.test(`${name}: a mistake of usage, and no token`, async t => {
    const { code, text } = await sign(t.testdir(files(strange)), changes)
    t.equal(code, 64)
    t.match(text, message)
    t.notMatch(text, /PRIVATE|^ey/)
  })
}

t.test('a grant may be empty', async t => {
  t.match(await sign(t.testdir(files({ 'grant.json': '{}' }))), { code: 0, text: /^ey/ })
})
