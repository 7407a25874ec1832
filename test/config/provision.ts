import { readFileSync } from 'node:fs'
import t from 'tap'
import { readPolicySet, readProvisionOptions, readRevocationSet } from '../../src/config/provision.ts'
import { provisionSchema } from '../../src/config/provision-shape.ts'
import { syntheticRootPem } from '../../src/demo/tee.ts'
import { complaint } from '../support/outcome.ts'
import { document, makeOptions, operator, policySet, service } from '../support/provision.ts'

const bytes = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const real = {
  name: 'acme',
  dangerSyntheticRoot: undefined,
  collateral: { sources: [{ kind: 'directory', at: '/collateral' }] },
}

t.test('options are read, frozen', async t => {
  const options = readProvisionOptions(bytes(document(real)), 'test')
  t.match(options, {
    name: 'acme',
    trustDomain: 'c1.example.org',
    lifetimeMs: 3_600_000,
    dangerSyntheticRoot: undefined,
  })
  t.ok(options.peers.get('app'))
  t.ok(Object.isFrozen(options))
  t.ok(makeOptions().dangerSyntheticRoot)
})

t.test('a key is in memory, or in a folder sealed for the measurement unless it says otherwise', async t => {
  t.equal(makeOptions().key, undefined)
  const place = { folder: '/var/lib/postern-ca', sealedTo: 'mrenclave', dangerPlainFile: false }
  t.same(makeOptions({ key: { source: 'sealed' } }).key, place)
  t.same(makeOptions({ key: { source: 'sealed', folder: '/ca', sealedTo: 'mrsigner' } }).key, {
    ...place,
    folder: '/ca',
    sealedTo: 'mrsigner',
  })
  t.ok(makeOptions({ key: { source: 'sealed', dangerPlainFile: true } }).key?.dangerPlainFile)
  t.equal(makeOptions().root, undefined)
  t.ok(makeOptions({ root: syntheticRootPem }).root)
})

t.test('with synthetic evidence, certificates may live so shortly that one can watch them rotate', async t => {
  t.equal(makeOptions({ lifetimeSeconds: 5 }).lifetimeMs, 5_000)
})

const refusedOptions: [name: string, text: string, want: RegExp][] = [
  [
    'a plain file outside of a demo',
    document({ ...real, key: { source: 'sealed', dangerPlainFile: true } }),
    /\/key\/dangerPlainFile: want false/,
  ],
  [
    'a plain file of a key in memory',
    document({ key: { dangerPlainFile: true } }),
    /\/key\/dangerPlainFile: want false/,
  ],
  [
    'a folder that goes up',
    document({ key: { source: 'sealed', folder: '/a/../app' } }),
    /\/key\/folder: want an absolute path/,
  ],
  [
    'a root that is none',
    document({ root: syntheticRootPem.replace('MII', 'AAA') }),
    /\/root: want a certificate in PEM/,
  ],
  ['nobody who may unlock it', document({ operators: [] }), /\/operators: want somebody/],
  [
    'a name twice',
    document({ operators: [1, 2].map(() => ({ kid: 'a', jwk: operator.jwk })) }),
    /\/operators\/1\/kid: want a name of its own/,
  ],
  ['synthetic trust by another name', document({ name: 'acme' }), /\/dangerSyntheticRoot: want nothing/],
  [
    'no collateral',
    document({ ...real, collateral: { sources: [] } }),
    /\/collateral\/sources: want where collateral comes from/,
  ],
  [
    'a root that is none',
    document({ dangerSyntheticRoot: syntheticRootPem.replace('MII', 'AAA') }),
    /in PEM, got none/,
  ],
  ['a certificate of a month', document({ lifetimeSeconds: 2_592_000 }), /\/lifetimeSeconds/],
  ['one of seconds', document({ ...real, lifetimeSeconds: 59 }), /\/lifetimeSeconds: want at least 60, .*got 59/],
  ['one that ends before it is shown', document({ lifetimeSeconds: 4 }), /\/lifetimeSeconds/],
  ['another key', document({ admin: true }), /\/admin: want no such key/],
  ['no JSON', '{', /not JSON/],
  ['too much', ' '.repeat(1024 * 1024 + 1), /want at most/],
]
for (const [name, text, want] of refusedOptions) {
  t.test(`${name} is refused`, async t => {
    t.match(
      complaint(() => readProvisionOptions(bytes(text), 'test')),
      want,
    )
  })
}

t.test('bytes that are no text are refused', async t => {
  t.match(
    complaint(() => readProvisionOptions(Uint8Array.of(0xff), 'test')),
    /not valid UTF-8/,
  )
})

t.test('more revoked certificates than one answer holds are refused', async t => {
  const list = (length: number) =>
    bytes({ version: 1, serial: 1, certificates: Array.from({ length }, (_, i) => (0x4000 + i).toString(16)) })
  t.equal(readRevocationSet(list(4096), 'set').certificates.length, 4096)
  t.match(
    complaint(() => readRevocationSet(list(4097), 'set')),
    /\/certificates: want at most 4096.*got 4097/,
  )
})

const entry = { digest: 'ab'.repeat(32), role: 'proxy', service, accept: 'app' }
const refusedSets: [name: string, policies: object[], want: RegExp][] = [
  ['a policy twice', [entry, { ...entry, digest: entry.digest.toUpperCase() }], /\/policies\/1\/digest: want each/],
  [
    'a service elsewhere',
    [{ ...entry, service: service.replace('c1', 'c2') }],
    /\/policies\/0\/service: want a service/,
  ],
  ['enclaves that are not named', [{ ...entry, accept: 'other' }], /\/policies\/0\/accept: want a key/],
  ['a CA', [{ ...entry, role: 'provision' }], /\/policies\/0\/role/],
]
for (const [name, policies, want] of refusedSets) {
  t.test(`a set with ${name} is refused`, async t => {
    t.match(
      complaint(() => readPolicySet(bytes(policySet({ policies })), 'set', makeOptions())),
      want,
    )
  })
}

t.test('a policy may have a certificate in each role', async t => {
  const policies = [entry, { ...entry, role: 'workload' }]
  const set = readPolicySet(bytes(policySet({ policies })), 'set', makeOptions())
  t.match(set.policies, [{ serial: 0, service: { namespace: 'shop' } }, { role: 'workload' }])
})

t.test('what is revoked is in one spelling', async t => {
  const set = readRevocationSet(bytes({ version: 1, serial: 0, certificates: ['AB01'] }), 'set')
  t.same({ ...set }, { version: 1, serial: 0, certificates: ['ab01'], policies: [], enclaves: [], platforms: [] })
})

t.test('the published schema is that of the shape', async t => {
  const file = new URL('../../src/config/provision.schema.json', import.meta.url)
  t.same(JSON.parse(readFileSync(file, 'utf8')), JSON.parse(JSON.stringify(provisionSchema())))
})
