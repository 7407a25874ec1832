import t from 'tap'
import { type Binding, bindingOid, writeBinding } from '../../src/attest/binding.ts'
import { readCertificate } from '../../src/attest/certificate.ts'
import { toHex } from '../../src/base/bytes.ts'
import { floorClock } from '../../src/base/floor.ts'
import { IssuedBy, type Vouched, type Whose } from '../../src/identity/issued-by.ts'
import type { Fields } from '../../src/identity/x509.ts'
import { mrenclave } from '../support/evidence.ts'
import { FakeClock, hour, makeLeaf, makeRoot, start, type TestAuthority } from '../support/identity.ts'
import { policyDigest, service } from '../support/provision.ts'

const rulesOf = (found: Vouched): string => (found.accepted ? 'accepted' : found.reasons.map(({ rule }) => rule).join())

const binding: Binding = {
  role: 'workload',
  policyDigest: toHex(policyDigest),
  tee: 'sgx',
  mrenclave: toHex(mrenclave),
  platform: '01'.repeat(16),
  serial: 0,
}
const ours: Binding = { ...binding, role: 'proxy' }
const container: Whose = { service, role: 'workload', usage: 'serverAuth', fresh: true, samePlatform: true }
const year = { notAfter: start + 365 * 24 * hour }

interface Told {
  readonly binding?: Partial<Binding>
  readonly value?: Uint8Array
  readonly fields?: Partial<Fields>
}

/** A container's certificate, each part of which can be another. */
const leafOf = (issuer: TestAuthority, told: Told = {}): Promise<Uint8Array> =>
  makeLeaf(issuer, {
    dnsNames: [],
    uris: [`${service}/workload`],
    notBefore: start - hour / 20,
    extensions: [{ oid: bindingOid, value: told.value ?? writeBinding({ ...binding, ...told.binding }) }],
    ...told.fields,
  })

async function known(clock = new FakeClock()) {
  const root = await makeRoot('ca', year)
  const issuedBy = new IssuedBy(floorClock(clock, 0))
  const judged = async (leaf: Uint8Array, whose: Partial<Whose> = {}): Promise<string> =>
    rulesOf(await issuedBy.judge([leaf], { ...container, ...whose }, clock.now()))
  const learn = (authority = root, own = ours): void =>
    issuedBy.learn({ bundle: [authority.certificate], at: clock.now(), binding: own })
  return { root, issuedBy, judged, learn, clock }
}

t.test('nobody has a certificate of a CA that has given us none', async t => {
  const { root, judged } = await known()
  t.equal(await judged(await leafOf(root)), 'issuer')
})

t.test('of our service, in its role, on our machine, for a day', async t => {
  const { root, issuedBy, judged, learn } = await known()
  learn()
  const leaf = await leafOf(root)
  t.match(await issuedBy.judge([leaf], container, start), { accepted: true, until: start + 24 * hour })
  const rows: [name: string, rule: string, told: Told][] = [
    ["another service's", 'san', { fields: { uris: ['spiffe://c1.example.org/ns/shop/svc/other/workload'] } }],
    ["a proxy's", 'san', { fields: { uris: [`${service}/proxy`] } }],
    ["a container's by name, a proxy's by the CA's word", 'binding', { binding: { role: 'proxy' } }],
    ['another machine', 'same-platform', { binding: { platform: '02'.repeat(16) } }],
    ['nothing but names', 'binding', { fields: { extensions: [] } }],
    ['a binding of no form', 'certificate-malformed', { value: Uint8Array.of(12, 0) }],
    ['for longer than a day', 'issued', { fields: { notAfter: start + 48 * hour } }],
    ['one that has ended', 'not-after', { fields: { notAfter: start } }],
    ['one for clients alone', 'usage', { fields: { usages: ['clientAuth'] } }],
    [
      'all that can be wrong behind a chain that holds',
      'issued,binding,same-platform',
      { binding: { role: 'proxy', platform: '02'.repeat(16) }, fields: { notAfter: start + 48 * hour } },
    ],
  ]
  for (const [name, rule, told] of rows) t.equal(await judged(await leafOf(root, told)), rule, name)
  t.equal(await judged(await leafOf(await makeRoot('another', year))), 'chain', "another CA's")
})

t.test('each question is asked by itself', async t => {
  const { root, judged, learn } = await known()
  learn()
  const elsewhere = await leafOf(root, { binding: { platform: '02'.repeat(16) } })
  t.equal(await judged(elsewhere, { samePlatform: false }), 'accepted')
  const long = await leafOf(root, { fields: { notAfter: start + 48 * hour } })
  t.equal(await judged(long, { fresh: false }), 'accepted')
  const bare = await leafOf(root, { fields: { extensions: [] } })
  t.equal(await judged(bare, { samePlatform: false }), 'accepted')
})

t.test('what the CA has signed counts for a day after it was replaced, and raises the clock', async t => {
  const inner = new FakeClock()
  const clock = floorClock(inner, 0)
  const issuedBy = new IssuedBy(clock)
  const [old, next] = [await makeRoot('old', year), await makeRoot('next')]
  const leaf = await leafOf(old)
  const judged = async (): Promise<string> => rulesOf(await issuedBy.judge([leaf], container, clock.now()))
  issuedBy.learn({ bundle: [old.certificate], at: start, binding: ours })
  t.equal(await judged(), 'accepted')
  const renamed = { ...ours, platform: '03'.repeat(16) }
  issuedBy.learn({ bundle: [next.certificate], at: start + hour, binding: renamed })
  t.equal(clock.now(), start + hour, 'no earlier than the CA says')
  t.equal(await judged(), 'accepted', 'by the name that the one before had for our machine')
  const before = issuedBy.generation
  issuedBy.learn({ bundle: [next.certificate], at: start + 26 * hour, binding: renamed })
  t.not(await judged(), 'accepted')
  t.ok(issuedBy.generation > before, 'verdicts that rest on it are old')
})

t.test('names of our machine are forgotten, the oldest first', async t => {
  const { root, judged, learn } = await known()
  const leaf = await leafOf(root)
  learn()
  const tag = (n: number): Binding => ({ ...ours, platform: n.toString(16).padStart(32, '0') })
  for (let n = 0; n < 15; n++) learn(root, tag(n))
  t.equal(await judged(leaf), 'accepted')
  learn()
  for (let n = 15; n < 30; n++) learn(root, tag(n))
  t.equal(await judged(leaf), 'accepted', 'said again, it is the newest again')
  learn(root, tag(30))
  t.equal(await judged(leaf), 'same-platform')
})

t.test('what the CA has revoked counts no more, from the moment that we hear of it', async t => {
  const { root, issuedBy, judged } = await known()
  const leaf = await leafOf(root)
  const { serial } = readCertificate(leaf)
  const learn = (...revoked: string[]): void =>
    issuedBy.learn({ bundle: [root.certificate], at: start, binding: ours, revoked: new Set(revoked) })
  learn('41ff')
  t.equal(await judged(leaf), 'accepted')
  const before = issuedBy.generation
  learn('41ff')
  t.equal(issuedBy.generation, before, 'the same list ends no verdict')
  learn('41ff', serial)
  t.equal(await judged(leaf), 'certificate-revoked')
  t.ok(issuedBy.generation > before, 'and verdicts of before are old')
  learn()
  t.equal(await judged(leaf), 'accepted', 'the last list counts')
})
