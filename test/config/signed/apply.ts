import fc from 'fast-check'
import t from 'tap'
import { readJson } from '../../../src/base/json.ts'
import { applySigned, type Base } from '../../../src/config/signed/apply.ts'
import { narrowings } from '../../../src/config/signed/narrowing.ts'
import {
  changes,
  documentOf,
  enclaveQuestions,
  leaves,
  plainQuestions,
  values,
  written,
} from '../../support/policies.ts'
import { cart, noon, p256Key, type Said, signedBy } from '../../support/signed.ts'

const ops = p256Key()
const hex = 'ab'.repeat(32)
const may = narrowings.map(({ path }) => path.replace('*', 'app'))

/** A base policy as a file has it, with one signer. */
function baseOf(document: object, signer: object = {}): Base {
  const entry = { kid: 'ops-1', jwk: ops.jwk, services: ['spiffe://c1.example.org/'], may, ...signer }
  const text = JSON.stringify({ ...document, signed: { from: ['rootCa'], signers: [entry] } })
  return { written: readJson(text), document: documentOf(readJson(text)) }
}

const plain = written({ 'peers.app.enclaves': [] })
const apply = (base: Base, said: Said) =>
  applySigned(base, { token: signedBy(ops, 'ops-1', said), from: 'ROOT_CA' }, noon)

t.test('what was left open is filled, what was wide is narrowed, the rest stays', async t => {
  const base = baseOf(written({ 'peers.app.enclaves': [], 'observe.allow': ['*'] }))
  const grant = {
    'peers.app.enclaves': [{ mrenclave: hex }],
    hosts: ['cart.example.org'],
    'observe.allow': ['status'],
    'limits.concurrency': 3,
    'upstream.probe': { path: '/healthz' },
  }
  const { document, written: text, signed } = apply(base, { grant })
  t.match(document, {
    service: { id: cart, namespace: 'shop', name: 'cart' },
    hosts: ['cart.example.org'],
    limits: { concurrency: 3 },
    peers: { app: { enclaves: [{ mrenclave: hex }], platforms: [] } },
    upstream: { mode: 'attested', probe: { path: '/healthz' } },
    observe: { allow: ['status'] },
  })
  t.match(text, { name: 'mine', service: cart, hosts: grant.hosts, peers: { app: { enclaves: [{ mrenclave: hex }] } } })
  t.same(signed.facts.grants, Object.keys(grant))
  t.same(base.document.peers['app']?.enclaves, [], 'the base is what it was')
})

t.test('a grant of nothing names the service and changes nothing else', async t => {
  const base = baseOf(plain)
  t.same({ ...apply(base, {}).document, service: null }, base.document)
})

const service = (name: string) => `spiffe://c1.example.org/ns/shop/svc/${name}`
const refused: [name: string, base: Base, said: Said, reason: RegExp][] = [
  [
    "another service's policy",
    baseOf({ ...plain, service: service('pay') }),
    {},
    /service: it is for spiffe:.*cart, and this proxy for spiffe:.*pay$/,
  ],
  [
    'a service that the signer may not name',
    baseOf(plain, { may: ['hosts'] }),
    {},
    /service: the base policy names none, and "ops-1" may not name one$/,
  ],
  [
    'a service that a signer names who may only narrow',
    baseOf(plain, { narrowOnly: true }),
    {},
    /service: the base policy names none/,
  ],
  [
    'a second service',
    baseOf(plain),
    { grant: { service: service('pay') } },
    /service stands beside the grant, not in it$/,
  ],
  [
    'enclaves of a signer who may only narrow',
    baseOf({ ...plain, service: cart }, { narrowOnly: true }),
    { grant: { 'peers.app.enclaves': [{ mrenclave: hex }] } },
    /\/peers\/app\/enclaves: want each covered by one of them.*: \[\], got .*which is wider$/,
  ],
  [
    'a value that is none',
    baseOf(plain),
    { grant: { 'peers.app.enclaves': [{ mrenclave: 'ab' }] } },
    /\/peers\/app\/enclaves\/0\/mrenclave: want 64 hex digits, got "ab"$/,
  ],
  ['a value of another type', baseOf(plain), { grant: { hosts: null } }, /\/hosts: want an array, got null$/],
  [
    'a value with more in it',
    baseOf(plain),
    { grant: { 'upstream.probe': { path: '/', dangerous: true } } },
    /\/upstream\/probe\/dangerous: want no such key/,
  ],
  [
    'a peer that the base does not have',
    baseOf(plain, { may: [...may, 'peers.more.platforms', 'peers.more.enclaves'] }),
    { grant: { 'peers.more.enclaves': [{ mrenclave: hex }] } },
    /\/peers\/more: want the same: nothing, got .*which is wider$/,
  ],
  [
    'a key without a row, were a signer named for it',
    baseOf(plain, { may: [...may, 'upstream.mode', 'inbound.plaintext'] }),
    { grant: { 'inbound.plaintext': 'serve', 'upstream.mode': 'plaintext' } },
    /\/inbound\/plaintext: want the same.*\/upstream\/mode: want the same/,
  ],
]
for (const [name, base, said, reason] of refused) {
  t.test(`${name}: refused`, async t => {
    t.throws(() => apply(base, said), {
      code: 'policy-invalid',
      message: new RegExp(`^the signed policy in ROOT_CA: .*${reason.source}`),
    })
  })
}

/** A base and a wider value, for each key that can be granted. */
const wider: [path: string, base: unknown, grant: unknown][] = [
  ['hosts', ['a.example'], []],
  ['limits.concurrency', 1, null],
  ['inbound.strip', ['client-cert'], []],
  ['upstream.maxConnectionAgeSeconds', 60, 61],
  ['upstream.allowUnframed', false, true],
  ['upstream.freshness', 'issued', 'none'],
  ['upstream.upgrade.allow', [], ['*']],
  ['upstream.probe', { path: '/healthz' }, { path: '/admin' }],
  ['upstream.pins', [`sha256/${'A'.repeat(43)}=`], [`sha256/${'A'.repeat(42)}E=`]],
  ['peers.app.enclaves', [{ mrenclave: hex }], [{ mrenclave: hex }, { mrenclave: 'cd'.repeat(32) }]],
  ['peers.app.tcb.profile', 'strict', 'dangerOutOfDate'],
  ['peers.app.tcb.advisories', [], ['INTEL-SA-00615']],
  ['peers.app.tcb.minEvaluationDataNumber', { tcbInfo: 17, qeIdentity: 17 }, { tcbInfo: 17, qeIdentity: 16 }],
  ['peers.app.tcb.minTcbDate', '2026-01-01T00:00:00Z', null],
  ['peers.app.tcb.minCrlNumber', { root: 1, pck: 1 }, null],
  ['peers.app.tcb.minIssueDate', '2026-01-01T00:00:00Z', '2025-01-01T00:00:00Z'],
  ['peers.app.platforms', ['01'.repeat(16)], []],
  ['peers.app.policyDigests', [hex], ['cd'.repeat(32)]],
  ['collateral.maxAgeSeconds', 60, 2_592_000],
  ['observe.allow', ['status'], ['*']],
]
for (const [path, before, after] of wider) {
  t.test(`a wider ${path}: refused, however much the signer may`, async t => {
    const base = baseOf(written({ 'peers.app.enclaves': [{ mrenclave: hex }], [path]: before }))
    const place = `/${path.replaceAll('.', '/')}: want `
    t.throws(() => apply(base, { grant: { [path]: after } }), { message: new RegExp(`${place}.*, which is wider$`) })
  })
}
t.test('that was every key', async t => {
  t.same(['service', ...wider.map(([path]) => path)], may)
})

t.test('whatever is signed, no more is let happen than the base does, but where it left a key open', async t => {
  const found = { applied: 0, refused: 0, filled: 0 }
  const open = new Set(narrowings.filter(each => each.open).map(({ path }) => path.replace('*', 'app')))
  fc.assert(
    fc.property(
      leaves,
      changes,
      fc.boolean(),
      fc.array(enclaveQuestions, { minLength: 4, maxLength: 4 }),
      (before, { service: _, ...changed }, narrowOnly, asked) => {
        const base = baseOf(written({ ...before, service: before['service'] ?? (narrowOnly ? cart : null) }), {
          narrowOnly,
        })
        const grant = Object.fromEntries(Object.entries(changed).filter(([, value]) => value !== undefined))
        let effective: Base
        try {
          effective = apply(base, { grant })
        } catch (error) {
          if ((error as { code?: string }).code !== 'policy-invalid') throw error
          found.refused++
          return
        }
        found.applied++
        for (const [name, path, allowed] of [...plainQuestions, ...asked]) {
          if (!allowed(effective.document) || allowed(base.document)) continue
          const filled = !narrowOnly && open.has(path) && (path === 'service' || path in grant)
          if (!filled) throw new Error(`${name}: now, and not before`)
          found.filled++
        }
      },
    ),
    { numRuns: 2_000 },
  )
  t.ok(found.applied > 300 && found.refused > 300 && found.filled > 100, JSON.stringify(found))
  t.comment(JSON.stringify(found))
})

t.test('the property is about every key', async t => t.same(Object.keys(values), may))
