import fc from 'fast-check'
import t from 'tap'
import { narrowingOf, narrowings, widenings } from '../../../src/config/signed/narrowing.ts'
import {
  changes,
  documentOf,
  enclaveQuestions,
  leaves,
  plainQuestions,
  values,
  written,
} from '../../support/policies.ts'

const hex = 'ab'.repeat(32)
const other = 'cd'.repeat(32)
const one = 'spiffe://c1.example.org/ns/shop/svc/cart'
const pin = (byte: number) => `sha256/${Buffer.alloc(32, byte).toString('base64')}`
const signer = (more: object = {}) => ({ mrsigner: hex, isvProdId: 1, minIsvSvn: 2, ...more })
const id = '01'.repeat(16)

/** What the second value is, beside the first: no wider, wider, or a filling of what the first left open. */
const rows: [path: string, base: unknown, effective: unknown, outcome: 'narrower' | 'wider' | 'fills'][] = [
  ['service', one, one, 'narrower'],
  ['service', one, one.replace('cart', 'pay'), 'wider'],
  ['service', one, null, 'wider'],
  ['service', null, one, 'fills'],
  ['hosts', [], ['a.example'], 'narrower'],
  ['hosts', ['a.example', 'b.example'], ['b.example'], 'narrower'],
  ['hosts', ['a.example'], ['a.example', 'b.example'], 'wider'],
  ['hosts', ['a.example'], [], 'wider'],
  ['limits.concurrency', null, 4, 'narrower'],
  ['limits.concurrency', 4, 3, 'narrower'],
  ['limits.concurrency', 4, 5, 'wider'],
  ['limits.concurrency', 4, null, 'wider'],
  ['inbound.strip', ['a'], ['a', 'b'], 'narrower'],
  ['inbound.strip', ['a', 'b'], ['a'], 'wider'],
  ['upstream.maxConnectionAgeSeconds', 60, 59, 'narrower'],
  ['upstream.maxConnectionAgeSeconds', 60, 61, 'wider'],
  ['upstream.allowUnframed', true, false, 'narrower'],
  ['upstream.allowUnframed', false, true, 'wider'],
  ['upstream.freshness', 'none', 'challenge', 'narrower'],
  ['upstream.freshness', 'none', 'issued', 'narrower'],
  ['upstream.freshness', undefined, 'issued', 'narrower'],
  ['upstream.freshness', undefined, 'challenge', 'wider'],
  ['upstream.freshness', undefined, 'none', 'wider'],
  ['upstream.freshness', 'challenge', 'issued', 'wider'],
  ['upstream.upgrade.allow', ['*'], ['websocket'], 'narrower'],
  ['upstream.upgrade.allow', ['websocket'], [], 'narrower'],
  ['upstream.upgrade.allow', ['websocket'], ['*'], 'wider'],
  ['upstream.upgrade.allow', ['websocket'], ['websocket', 'a'], 'wider'],
  ['upstream.probe', undefined, { path: '/ready' }, 'fills'],
  ['upstream.probe', { path: '/ready' }, { path: '/admin' }, 'wider'],
  ['upstream.pins', [pin(1), pin(2)], [pin(2)], 'narrower'],
  ['upstream.pins', [pin(1)], [pin(1), pin(2)], 'wider'],
  ['upstream.pins', undefined, [pin(1)], 'fills'],
  ['peers.app.enclaves', [], [{ mrenclave: hex }], 'fills'],
  ['peers.app.enclaves', [{ mrenclave: hex }, { mrenclave: other }], [{ mrenclave: other }], 'narrower'],
  ['peers.app.enclaves', [{ mrenclave: hex }], [], 'narrower'],
  ['peers.app.enclaves', [{ mrenclave: hex }], [{ mrenclave: hex }, { mrenclave: other }], 'wider'],
  ['peers.app.enclaves', [{ mrenclave: hex }], [{ mrenclave: hex, until: '2027-01-01T00:00:00Z' }], 'narrower'],
  ['peers.app.enclaves', [{ mrenclave: hex, until: '2027-01-01T00:00:00Z' }], [{ mrenclave: hex }], 'wider'],
  [
    'peers.app.enclaves',
    [{ mrenclave: hex, until: '2027-01-01T00:00:00Z' }],
    [{ mrenclave: hex, until: '2027-01-01T00:00:01Z' }],
    'wider',
  ],
  ['peers.app.enclaves', [{ mrenclave: hex }], [{ mrenclave: hex, configId: '00'.repeat(64) }], 'narrower'],
  ['peers.app.enclaves', [{ mrenclave: hex, isvFamilyId: id }], [{ mrenclave: hex }], 'wider'],
  ['peers.app.enclaves', [{ mrenclave: hex, minConfigSvn: 1 }], [{ mrenclave: hex, minConfigSvn: 0 }], 'wider'],
  ['peers.app.enclaves', [signer()], [signer({ minIsvSvn: 3 })], 'narrower'],
  ['peers.app.enclaves', [signer()], [signer({ minIsvSvn: 1 })], 'wider'],
  ['peers.app.enclaves', [signer()], [signer({ isvProdId: 2 })], 'wider'],
  ['peers.app.enclaves', [signer()], [signer({ mrsigner: other })], 'wider'],
  // Whose key signed a measurement cannot be known from it.
  ['peers.app.enclaves', [signer()], [{ mrenclave: other }], 'wider'],
  ['peers.app.enclaves', [{ mrenclave: hex }], [signer()], 'wider'],
  ['peers.app.tcb.profile', 'dangerOutOfDate', 'strict', 'narrower'],
  ['peers.app.tcb.profile', 'strict', 'swHardeningOk', 'wider'],
  ['peers.app.tcb.advisories', ['INTEL-SA-00001'], [], 'narrower'],
  ['peers.app.tcb.advisories', [], ['INTEL-SA-00001'], 'wider'],
  ['peers.app.tcb.minEvaluationDataNumber', null, { tcbInfo: 17, qeIdentity: 0 }, 'narrower'],
  ['peers.app.tcb.minEvaluationDataNumber', { tcbInfo: 17, qeIdentity: 17 }, { tcbInfo: 18, qeIdentity: 16 }, 'wider'],
  ['peers.app.tcb.minEvaluationDataNumber', { tcbInfo: 17, qeIdentity: 17 }, null, 'wider'],
  ['peers.app.tcb.minTcbDate', null, '2026-01-01T00:00:00Z', 'narrower'],
  ['peers.app.tcb.minTcbDate', '2026-01-01T00:00:00Z', '2025-12-31T23:59:59Z', 'wider'],
  ['peers.app.tcb.minCrlNumber', { root: 1, pck: 1 }, { root: 1, pck: 2 }, 'narrower'],
  ['peers.app.tcb.minCrlNumber', { root: 1, pck: 1 }, { root: 0, pck: 2 }, 'wider'],
  ['peers.app.tcb.minIssueDate', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00+01:00', 'wider'],
  ['peers.app.tcb.minIssueDate', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00-01:00', 'narrower'],
  ['peers.app.platforms', [], [id], 'narrower'],
  ['peers.app.platforms', [id], [], 'wider'],
  ['peers.app.policyDigests', [hex, other], [hex], 'narrower'],
  ['peers.app.policyDigests', [hex], [other], 'wider'],
  ['collateral.maxAgeSeconds', 60, 60, 'narrower'],
  ['collateral.maxAgeSeconds', 60, 61, 'wider'],
  ['observe.allow', ['*'], ['status'], 'narrower'],
  ['observe.allow', ['status'], ['status', 'route'], 'wider'],
  ['observe.allow', ['status'], ['*'], 'wider'],
]
for (const [path, base, effective, outcome] of rows) {
  t.test(`${path}: ${JSON.stringify(base)} to ${JSON.stringify(effective)} ${outcome}`, async t => {
    const leaf = path.startsWith('peers.app.enclaves') ? {} : { 'peers.app.enclaves': [] }
    const [before, after] = [base, effective].map(value => documentOf(written({ ...leaf, [path]: value })))
    if (before === undefined || after === undefined) throw new Error('two documents')
    const places = (fills: readonly string[]) => widenings(before, after, fills).map(each => each.path)
    const here = [`/${path.replaceAll('.', '/')}`]
    t.same(places([]), outcome === 'narrower' ? [] : here)
    t.same(places([path]), outcome === 'wider' ? here : [])
  })
}

t.test('every row has an example of a narrower and of a wider value', async t => {
  for (const { path } of narrowings) {
    const mine = rows.filter(([each]) => narrowingOf(each)?.path === path).map(([, , , outcome]) => outcome)
    t.ok(mine.includes('wider') && (mine.includes('narrower') || mine.includes('fills')), path)
  }
  t.same(
    Object.keys(values).map(path => narrowingOf(path)?.path),
    narrowings.map(({ path }) => path),
    'and of random ones',
  )
})

t.test('what has no row is the same or wider', async t => {
  const app = { enclaves: [{ mrenclave: hex }] }
  const set = (more: object) => documentOf({ ...written({}), peers: { app }, ...more })
  const cases: [more: object, path: string][] = [
    [{ name: 'other' }, '/name'],
    [{ inbound: { plaintext: 'serve' } }, '/inbound/plaintext'],
    [{ inbound: { clients: { mode: 'required' } } }, '/inbound/clients/mode'],
    [{ inbound: { identityHeader: 'x' } }, '/inbound/identityHeader'],
    [{ identity: { source: 'files' } }, '/identity/source'],
    [{ identity: { lifetimeSeconds: 60 } }, '/identity/lifetimeSeconds'],
    [{ identity: { dangerAcceptForeignKey: true } }, '/identity/dangerAcceptForeignKey'],
    [{ upstream: { mode: 'plaintext', accept: 'app' } }, '/upstream/mode'],
    [{ upstream: { mode: 'attested', accept: 'app', trust: 'measurement' } }, '/upstream/trust'],
    [{ upstream: { mode: 'attested', accept: 'ap' } }, '/upstream/accept'],
    [{ upstream: { mode: 'attested', accept: 'app', clientCertificate: true } }, '/upstream/clientCertificate'],
    [{ peers: { app: { ...app, dangerAllowDebug: true } } }, '/peers/app/dangerAllowDebug'],
    [{ peers: { app, more: { enclaves: [] } } }, '/peers/more'],
    [{ peers: {} }, '/peers/app'],
    [{ collateral: { sources: [{ kind: 'directory', at: '/c' }] } }, '/collateral/sources'],
    [{ collateral: { dangerPastNextUpdateSeconds: 1 } }, '/collateral/dangerPastNextUpdateSeconds'],
    [{ observe: { otlp: 'https://a' } }, '/observe/otlp'],
    [{ signed: { required: true } }, '/signed/required'],
    [{ signed: { from: ['rootCa'] } }, '/signed/from'],
  ]
  for (const [more, pointer] of cases) {
    const path = pointer.slice(1).replaceAll('/', '.')
    t.same(
      widenings(set({}), set(more), [path]).map(each => each.path),
      [pointer],
    )
    t.equal(narrowingOf(path), undefined)
  }
})

t.test('a certificate authority is told from another', async t => {
  const { syntheticRootPem } = await import('../../../src/demo/tee.ts')
  const { generateKey, selfSignedAuthority } = await import('../../../src/identity/x509.ts')
  const der = await selfSignedAuthority({
    notBefore: 0,
    notAfter: 1e12,
    subject: { commonName: 'x' },
    key: generateKey(),
  })
  const pem = `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`
  const withCa = (bundle: string) =>
    documentOf({ version: 1, name: 'x', upstream: { mode: 'ca', ca: { bundle, san: 'a' } } })
  t.same(widenings(withCa(pem), withCa(pem), []), [])
  t.match(widenings(withCa(pem), withCa(syntheticRootPem), []), [{ path: '/upstream/ca/bundle' }])
})

t.test('no wider by the table is no wider by what it lets happen', async t => {
  const found = { narrower: 0, wider: 0 }
  fc.assert(
    fc.property(
      leaves,
      changes,
      fc.array(enclaveQuestions, { minLength: 6, maxLength: 6 }),
      (before, changed, asked) => {
        const base = documentOf(written(before))
        const effective = documentOf(written({ ...before, ...changed }))
        const wider = widenings(base, effective, []).length > 0
        found[wider ? 'wider' : 'narrower']++
        if (wider) return
        for (const [name, , allowed] of [...plainQuestions, ...asked]) {
          if (allowed(effective) && !allowed(base)) throw new Error(`${name}: now, and not before`)
        }
      },
    ),
    { numRuns: 4_000 },
  )
  t.ok(found.narrower > 400 && found.wider > 400, JSON.stringify(found))
  t.comment(JSON.stringify(found))
})

t.test('the questions find what is wider', async t => {
  const found = new Set<string>()
  fc.assert(
    fc.property(leaves, changes, enclaveQuestions, (before, changed, asked) => {
      const [base, effective] = [before, { ...before, ...changed }].map(each => documentOf(written(each)))
      for (const [, path, allowed] of [...plainQuestions, asked]) {
        if (base && effective && allowed(effective) && !allowed(base)) found.add(path)
      }
    }),
    { numRuns: 4_000 },
  )
  const asked = new Set([...plainQuestions.map(([, path]) => path), 'peers.app.enclaves'])
  t.same([...found].toSorted(), [...asked].toSorted())
})

t.test('narrowing is an order', async () => {
  for (const [path, arbitrary] of Object.entries(values)) {
    const parsed = (value: unknown) => {
      const leaf = path === 'peers.app.enclaves' ? {} : { 'peers.app.enclaves': [] }
      return documentOf(written({ ...leaf, [path]: value }))
    }
    const narrower = (a: unknown, b: unknown) => widenings(parsed(a), parsed(b), []).length === 0
    fc.assert(
      fc.property(arbitrary, arbitrary, arbitrary, (a, b, c) => {
        if (!narrower(a, a)) throw new Error(`${path}: not no wider than itself`)
        if (narrower(a, b) && narrower(b, c) && !narrower(a, c)) throw new Error(`${path}: no chain`)
      }),
      { numRuns: 200 },
    )
  }
})
