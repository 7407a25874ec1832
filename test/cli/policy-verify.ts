import t from 'tap'
import { verifyPolicy } from '../../src/cli/policy-verify.ts'
import { policyDigest } from '../../src/config/policy.ts'
import { command } from '../support/cli.ts'
import { cart, noon, p256Key, payloadOf, signedBy } from '../support/signed.ts'

const hex = 'ab'.repeat(32)
const ops = p256Key()
const base = JSON.stringify({
  version: 1,
  name: 'acme',
  upstream: { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' },
  peers: { app: { enclaves: [] } },
  signed: {
    required: true,
    from: ['podinfo'],
    signers: [
      {
        kid: 'ops-1',
        jwk: ops.jwk,
        services: ['spiffe://c1.example.org/'],
        may: ['service', 'hosts', 'peers.app.enclaves'],
        minSerial: 3,
      },
      { kid: 'dev-1', jwk: p256Key().jwk, services: ['spiffe://c1.example.org/ns/test'], may: [], narrowOnly: true },
    ],
  },
})
const said = { grant: { 'peers.app.enclaves': [{ mrenclave: hex }], hosts: ['cart.example.org'] } }
const token = signedBy(ops, 'ops-1', said)
const files = { 'base.json': base, 'cart.jws': `${token}\n`, 'bare.jws': token, 'late.jws': `${token}\n\n` }
const digest = Buffer.from(policyDigest(Buffer.from(base), Buffer.from(payloadOf(said)))).toString('hex')

t.test('accepted: who signed what, and what is then in force', async t => {
  const folder = t.testdir(files)
  const { code, text } = await command(
    ['policy', 'verify', `${folder}/cart.jws`, '--policy', `${folder}/base.json`],
    noon,
  )
  t.equal(code, 0)
  t.match(
    text,
    /^Signed policy .*cart\.jws: accepted\n {4}Signer: {3}ops-1\n {4}Service: {2}spiffe:.*cart\n {4}Serial: {3}17\n/,
  )
  t.match(
    text,
    /Counts: {3}from 2026-03-01T11:00:00Z until 2026-03-08T11:00:00Z\n {4}Sets: {5}peers\.app\.enclaves\n {14}hosts\n/,
  )
  t.match(text, `Digest:   ${digest}\n\nIt is for ${cart} alone`)
  t.match(text, /The service is called by cart\.example\.org\./)
  t.match(text, / {2}- measurement (ab){32}\n/)
  t.match(text, /A part of this was signed by ops-1, with the serial 17, for spiffe:/)
  const bare = await command(['policy', 'verify', `${folder}/bare.jws`, '--policy', `${folder}/base.json`], noon)
  t.equal(bare.code, 0)
})

t.test('as JSON, with the policy that can be used in its place', async t => {
  const folder = t.testdir(files)
  const line = ['policy', 'verify', `${folder}/cart.jws`, '--policy', `${folder}/base.json`, '--json']
  const { code, text } = await command(line, noon)
  t.equal(code, 0)
  const found = JSON.parse(text)
  t.match(found, {
    accepted: true,
    complaint: null,
    kid: 'ops-1',
    service: cart,
    serial: 17,
    notBefore: '2026-03-01T11:00:00Z',
    notAfter: '2026-03-08T11:00:00Z',
    grants: ['peers.app.enclaves', 'hosts'],
    digest,
    policy: { version: 1, name: 'acme', service: cart, hosts: ['cart.example.org'] },
  })
  const effective = t.testdir({ 'effective.json': JSON.stringify(found.policy) })
  t.match(await command(['policy', 'check', `${effective}/effective.json`]), { code: 0 })
})

t.test('refused: the reason, exit 1', async t => {
  const folder = t.testdir({
    ...files,
    'other.jws': signedBy(p256Key(), 'ops-1'),
    'old.jws': signedBy(ops, 'ops-1', { serial: 2 }),
  })
  const rows: [line: string[], reason: RegExp][] = [
    [['other.jws'], /the signed policy in .*other\.jws: the signature is not by the key of "ops-1"/],
    [['old.jws'], /serial: want at least 3 from "ops-1", got 2/],
    [['late.jws'], /signature: not base64url/],
    [['cart.jws', '--at', '2026-03-09'], /exp: it expired at 2026-03-08T11:00:00\.000Z/],
    [['cart.jws', '--at', '2026-03-01'], /nbf: it counts from 2026-03-01T11:00:00\.000Z on/],
  ]
  for (const [[file, ...more], reason] of rows) {
    const line = ['policy', 'verify', `${folder}/${file}`, '--policy', `${folder}/base.json`, ...more]
    t.match(await command(line, noon), { code: 1, text: reason })
    const asJson = await command([...line, '--json'], noon)
    t.match([asJson.code, JSON.parse(asJson.text)], [1, { accepted: false, complaint: reason }])
  }
  const nobody = await command(['policy', 'verify', `${folder}/cart.jws`, '--policy', 'compatible'], noon)
  t.match(nobody, { code: 1, text: /kid: want a signer of the base policy \(none\)/ })
})

t.test('called with the wrong thing', async t => {
  const folder = t.testdir(files)
  const rows: [line: string[], message: RegExp][] = [
    [['verify', `${folder}/none.jws`, '--policy', `${folder}/base.json`], /none\.jws: ENOENT/],
    [['verify', `${folder}/cart.jws`], /--policy NAME\|FILE is missing/],
    [['verify', `${folder}/cart.jws`, '--policy', `${folder}/base.json`, '--at', 'noon'], /^--at noon: want a time/],
    [['digest'], /NAME\|FILE is missing/],
    [['digest', `${folder}/base.json`, `${folder}/none.jws`], /none\.jws: ENOENT/],
  ]
  for (const [line, message] of rows) t.match(await command(['policy', ...line]), { code: 64, text: message })
})

t.test('a digest is of exact bytes, and the same before and after the dates', async t => {
  const folder = t.testdir(files)
  const of = (...args: string[]) => command(['policy', 'digest', ...args.map(each => `${folder}/${each}`)], 0)
  t.match(await of('base.json', 'cart.jws'), { code: 0, text: `${digest}\n` })
  const alone = Buffer.from(policyDigest(Buffer.from(base))).toString('hex')
  t.match(await of('base.json'), { code: 0, text: `${alone}\n` })
  t.match(await of('base.json', 'late.jws'), { code: 1, text: /not base64url/ })
  t.match(await command(['policy', 'digest', 'demo']), { code: 0, text: /^[0-9a-f]{64}\n$/ })
})

t.test('the base by itself says who may sign what', async t => {
  const folder = t.testdir(files)
  const { code, text } = await command(['policy', 'explain', `${folder}/base.json`])
  t.equal(code, 0)
  t.match(text, /It starts only with a part that was signed for a service:\n/)
  t.match(
    text,
    / {2}- ops-1 may narrow, or fill where it is open, service, hosts, peers\.app\.enclaves for spiffe:\/\/c1\.example\.org\/, from serial 3 on\n/,
  )
  t.match(text, / {2}- dev-1 may narrow nothing for spiffe:\/\/c1\.example\.org\/ns\/test, from serial 0 on\n/)
  t.match(text, / {2}- nobody, until a signed policy says whom\n/)
  const free = t.testdir({ 'free.json': base.replace('"required":true', '"required":false') })
  t.match((await command(['policy', 'explain', `${free}/free.json`])).text, /without one it stands as it is:/)
})

t.test('an error of ours is no refusal', async t => {
  const folder = t.testdir(files)
  const io = {
    readFile: () => Buffer.from(base),
    write: () => {},
    warn: () => {},
    now: () => {
      throw new TypeError('ours')
    },
  }
  t.throws(() => verifyPolicy({ verb: '', values: { policy: 'x' }, positionals: [folder] }, io), TypeError)
})
