import t from 'tap'
import { importMarbleRun } from '../../../src/cli/import/marblerun.ts'

const hex = 'ab'.repeat(32)
const other = 'cd'.repeat(32)
const signer = { SignerID: hex.toUpperCase(), ProductID: 15, SecurityVersion: 1 }
const read = (Packages: unknown, more: object = {}) =>
  importMarbleRun(Buffer.from(JSON.stringify({ Packages, ...more })))
const left = (Packages: unknown, more: object = {}) => read(Packages, more).notCarried.map(({ what }) => what)

t.test('packages are sets of enclaves', async t => {
  const { peers, notCarried } = read({
    backend: { UniqueID: other.toUpperCase(), AcceptedTCBStatuses: ['UpToDate'] },
    'Front_End 2': {
      ...signer,
      AcceptedTCBStatuses: ['UpToDate', 'SWHardeningNeeded'],
      AcceptedAdvisories: ['INTEL-SA-00615'],
    },
  })
  t.match(peers, {
    backend: { enclaves: [{ mrenclave: other }], tcb: { profile: 'strict' } },
    'front-end-2': {
      enclaves: [{ mrsigner: hex, isvProdId: 15, minIsvSvn: 1 }],
      tcb: { profile: 'swHardeningOk', advisories: ['INTEL-SA-00615'] },
    },
  })
  t.same(Object.keys(peers), ['backend', 'front-end-2'])
  t.same(notCarried, [])
})

t.test('names match in any case, as Go reads them', async t => {
  const text = JSON.stringify({ packages: { a: { uniqueid: hex, acceptedTcbStatuses: ['UpToDate'] } } })
  t.match(importMarbleRun(Buffer.from(text)), { peers: { a: { enclaves: [{ mrenclave: hex }] } }, notCarried: [] })
})

t.test('the rest of a manifest is listed, each part with its reason', async t => {
  const more = { Marbles: {}, Secrets: {}, Users: {}, TLS: {}, Infrastructures: {}, RecoveryKeys: {}, Config: {} }
  const { notCarried } = read({ a: { UniqueID: hex, AcceptedTCBStatuses: ['UpToDate'] } }, more)
  t.same(
    notCarried.map(({ what }) => what),
    Object.keys(more),
  )
  t.match(notCarried, [{ why: /Kubernetes objects/ }, { why: /no secrets/ }, { why: /signed\.signers/ }])
  t.match(notCarried.at(-1), { what: 'Config', why: 'it has no counterpart in a policy' })
})

t.test('what is narrower here, and what a package asks that a policy cannot', async t => {
  const rows: [entry: object, left: (string | RegExp)[]][] = [
    [signer, ['Packages.a.AcceptedTCBStatuses']],
    [{ ...signer, AcceptedTCBStatuses: ['UpToDate', 'OutOfDate'] }, ['Packages.a.AcceptedTCBStatuses OutOfDate']],
    [{ ...signer, AcceptedTCBStatuses: ['UpToDate', 'SWHardeningNeeded'] }, ['Packages.a.AcceptedAdvisories']],
    [
      { ...signer, AcceptedTCBStatuses: ['UpToDate'], AcceptedAdvisories: ['INTEL-SA-00615'] },
      ['Packages.a.AcceptedAdvisories'],
    ],
    [{ ...signer, AcceptedTCBStatuses: ['UpToDate'], Debug: true }, ['Packages.a.Debug']],
    [{ ...signer, AcceptedTCBStatuses: ['UpToDate'], Debug: false, Extra: 1 }, ['Packages.a.Extra']],
  ]
  for (const [entry, notCarried] of rows) t.same(left({ a: entry }), notCarried, JSON.stringify(entry))
  t.match(read({ a: { ...signer, Debug: true } }).peers, { a: { dangerAllowDebug: true } })
  t.notOk('dangerAllowDebug' in (read({ a: signer }).peers['a'] ?? {}))
})

t.test('a package that names no enclave is left out', async t => {
  const rows: [entry: object, why: RegExp][] = [
    [{ Debug: true }, /neither a UniqueID nor a SignerID/],
    [{ ...signer, AcceptedTCBStatuses: ['OutOfDate'] }, /refuses platforms that are UpToDate/],
    [{ UniqueID: 'ab' }, /UniqueID is not 64 hex digits/],
    [{ SignerID: hex, SecurityVersion: 1 }, /names ProductID and SecurityVersion/],
    [{ SignerID: hex, ProductID: 70_000, SecurityVersion: 1 }, /up to 65535/],
    [{ SignerID: hex, ProductID: '1', SecurityVersion: 1 }, /as numbers/],
  ]
  for (const [entry, why] of rows) {
    const { peers, notCarried } = read({ a: entry })
    t.same(Object.keys(peers), [])
    t.match(notCarried, [{ what: 'Packages.a', why }])
  }
  t.same(Object.keys(read({ a: null }).peers), [])
})

t.test('what is no manifest', async t => {
  for (const text of ['[]', '{}', '{"Packages":[]}', 'null']) {
    t.throws(() => importMarbleRun(Buffer.from(text)), { code: 'usage', message: /^want a MarbleRun manifest in JSON/ })
  }
  t.throws(() => importMarbleRun(Buffer.from('packages:')), { code: 'usage', message: /^not JSON/ })
  t.throws(() => read({ 'a b': signer, 'a-b': signer }), { message: 'two packages would both be called a-b' })
  t.same(Object.keys(read({ '1': signer }).peers), ['package'])
})
