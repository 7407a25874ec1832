import t from 'tap'
import type { IntelCollateral } from '../../src/attest/evidence.ts'
import { parseQuote, parseSgxQuote } from '../../src/attest/quote.ts'
import { modelOf, verifyQuote } from '../../src/attest/verify.ts'
import { toHex } from '../../src/base/bytes.ts'
import type { SyntheticTeeOptions } from '../../src/demo/tee.ts'
import { ecKeys, KeyUsageFlags, makeCertificate, names } from '../support/certificates.ts'
import { anyReportData, makeTee, mrenclave } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'
import {
  issued,
  isvLevel,
  makeCrl,
  makeIntel,
  nextUpdate,
  now,
  pem,
  platformLevel,
  serials,
  tdReportOf,
  tdxWorld,
  type World,
} from '../support/pki-intel.ts'

const data = anyReportData(Uint8Array.from({ length: 64 }, (_, i) => i))
const intel = await makeIntel()
const golden = await makeTee({ platform: intel.platform }).quote(data)
const verify = (quote: Uint8Array, collateral: IntelCollateral = intel.collateral, at = now, root = intel.root) =>
  verifyQuote(parseSgxQuote(quote), collateral, at, root)

t.test('a genuine quote of an up-to-date platform gives claims with everything that a policy asks for', async t => {
  const claims = verify(golden)
  t.match(claims, { tee: 'sgx', version: 3, synthetic: true, tcbStatus: 'UpToDate' })
  t.equal(toHex(claims.body.mrenclave), toHex(mrenclave))
  t.same(claims.window, { from: issued + 2000, until: nextUpdate })
  t.same(claims.tcb, {
    platformStatus: 'UpToDate',
    qeStatus: 'UpToDate',
    advisoryIds: [],
    tcbDate: Date.UTC(2025, 10, 12),
    evaluationDataNumber: { tcbInfo: 20, qeIdentity: 21 },
    crlNumber: { root: 5n, pck: 5n },
    issuedAt: issued,
  })
  t.match(claims.platform, { fmspc: '5f5f5f000000', ppid: '50'.repeat(16), piid: '49'.repeat(16), pceSvn: 13 })
})

const moments: [name: string, at: number, code: string][] = [
  ['the first moment of the youngest list', issued + 2000, 'ok'],
  ['a moment before', issued + 1999, 'collateral-outdated'],
  ['the last moment of TCB info', nextUpdate, 'ok'],
  ['a moment after', nextUpdate + 1, 'collateral-outdated'],
  ['1970', 0, 'quote-unverified'],
  ['after all certificates', Date.UTC(2050, 5, 1), 'quote-unverified'],
  ['no time', Number.NaN, 'quote-unverified'],
]
for (const [name, at, code] of moments) {
  t.test(`time: ${name}: ${code}`, async t => {
    t.equal(
      outcome(() => verify(golden, intel.collateral, at)),
      code,
    )
  })
}

const month = 30 * 86_400_000
const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z')
const other = await makeIntel()
const statuses: [name: string, world: World, want: string, tee?: Partial<SyntheticTeeOptions>][] = [
  ['an old platform', { sgx: { components: [...Array(8).fill(5), ...Array(8).fill(0)], pceSvn: 12 } }, 'OutOfDate'],
  ['a platform below all levels', { sgx: { pceSvn: 1 } }, 'platform: reaches no level'],
  ['ConfigurationNeeded', { tcbInfo: { tcbLevels: [platformLevel('ConfigurationNeeded')] } }, 'ConfigurationNeeded'],
  ['SWHardeningNeeded', { tcbInfo: { tcbLevels: [platformLevel('SWHardeningNeeded')] } }, 'SWHardeningNeeded'],
  ['a Revoked level', { tcbInfo: { tcbLevels: [platformLevel('Revoked')] } }, 'platform: its TCB level is revoked'],
  ['no levels', { tcbInfo: { tcbLevels: [] } }, 'platform: reaches no level'],
  ['an old QE', {}, 'OutOfDate', { qe: { isvSvn: 7 } }],
  ['a QE below all levels', {}, 'QE: reaches no level', { qe: { isvSvn: 5 } }],
  ['a Revoked QE', { qeIdentity: { tcbLevels: [isvLevel('Revoked', 1)] } }, 'QE: its TCB level is revoked'],
  ['a QE of another signer', {}, 'its mrsigner is not', { qe: { mrsigner: new Uint8Array(32) } }],
  ['a QE of another product', {}, 'its isv prod id is not', { qe: { isvProdId: 2 } }],
  ['a QE in debug mode', {}, 'its attribute flags is not', { qe: { flags: 0x17n } }],
  ['a revoked PCK leaf', { pckCrl: { revoked: [serials.leaf] } }, 'PCK leaf: revoked'],
  ['a revoked PCK CA', { rootCrl: { revoked: [serials.ca] } }, 'revoked'],
  ['somebody else revoked', { pckCrl: { revoked: ['0badcafe'] }, rootCrl: { revoked: ['77'] } }, 'UpToDate'],
  [
    'another FMSPC',
    { tcbInfo: { fmspc: '5f5f5f000001' } },
    'TCB info: for FMSPC 5f5f5f000001, the quote is of 5f5f5f000000',
  ],
  ['another PCE', { tcbInfo: { pceId: '0001' } }, 'TCB info: for PCE 0001'],
  ['TCB info that has ended', { tcbInfo: { nextUpdate: iso(now - 1000) } }, 'TCB info: not valid'],
  ['TCB info that is to come', { tcbInfo: { issueDate: iso(now + 1000) } }, 'TCB info: not valid'],
  ['a QE identity that has ended', { qeIdentity: { nextUpdate: iso(now - 1000) } }, 'QE identity: not valid'],
  ['a QE identity that is to come', { qeIdentity: { issueDate: iso(now + 1000) } }, 'QE identity: not valid'],
  ['a root CRL that has ended', { rootCrl: { nextUpdate: now - 1000 } }, 'root CRL: not valid'],
  ['a root CRL that is to come', { rootCrl: { thisUpdate: now + 1000 } }, 'root CRL: not valid'],
  ['a PCK CRL that has ended', { pckCrl: { nextUpdate: now - 1000 } }, 'PCK CRL: not valid'],
  ['a PCK CRL that is to come', { pckCrl: { thisUpdate: now + 1000 } }, 'PCK CRL: not valid'],
  [
    'a TCB signer that has ended',
    { signing: { notAfter: new Date(now - 1000) } },
    'TCB signing certificate: not valid',
  ],
  [
    'a TCB signer that is to come',
    { signing: { notBefore: new Date(now + 1000) } },
    'TCB signing certificate: not valid',
  ],
  ['a leaf that has ended', { leaf: { notAfter: new Date(now - 1000) } }, 'PCK leaf: not valid'],
  ['a CA that has ended', { ca: { notAfter: new Date(now - 1000) } }, 'PCK CA: not valid'],
  ['a root that has ended', { root: { notAfter: new Date(now - 1000) } }, 'root: not valid'],
  ['a leaf that may not sign', { leaf: { usages: KeyUsageFlags.keyAgreement } }, 'PCK leaf: want a key that may sign'],
  ['a leaf that is no PCK', { leaf: { extensions: [] } }, 'PCK leaf: no SGX extension'],
]
for (const [name, world, want, tee] of statuses) {
  t.test(`${name}: ${want}`, async t => {
    const made = await makeIntel(world)
    const quote = await makeTee({ platform: made.platform, ...tee }).quote(data)
    const run = () => verify(quote, made.collateral, now, made.root)
    if (/^[A-Za-z]+$/.test(want) && want !== 'revoked') t.equal(run().tcbStatus, want)
    else t.match(complaint(run), want)
  })
}

t.test('advisories of platform and QE are merged, sorted and told once', async t => {
  const ids = ['INTEL-SA-00009', 'INTEL-SA-00003']
  const made = await makeIntel({
    tcbInfo: { tcbLevels: [platformLevel('SWHardeningNeeded', 7, 13, ids)] },
    qeIdentity: { tcbLevels: [isvLevel('OutOfDate', 1, ['INTEL-SA-00005', 'INTEL-SA-00009'])] },
  })
  const quote = await makeTee({ platform: made.platform }).quote(data)
  const { tcb, tcbStatus } = verify(quote, made.collateral, now, made.root)
  t.same(tcb?.advisoryIds, ['INTEL-SA-00003', 'INTEL-SA-00005', 'INTEL-SA-00009'])
  t.match(tcb, { platformStatus: 'SWHardeningNeeded', qeStatus: 'OutOfDate' })
  t.equal(tcbStatus, 'OutOfDate')
})

t.test('the age is that of the oldest of the monthly parts; the yearly root CRL does not count', async t => {
  const made = await makeIntel({ rootCrl: { thisUpdate: issued - 10 * month }, pckCrl: { thisUpdate: issued - 5000 } })
  const quote = await makeTee({ platform: made.platform }).quote(data)
  t.equal(verify(quote, made.collateral, now, made.root).tcb?.issuedAt, issued - 5000)
})

t.test('a PCK CA that was issued anew, with its old name and key, is covered by its list', async t => {
  const again = await makeCertificate({
    name: names.ca,
    keys: intel.keys.ca,
    issuer: { name: names.root, keys: intel.keys.root },
    ca: true,
    pathLength: 0,
    serial: '66',
  })
  const [leaf, , root] = intel.platform.chain
  const platform = { ...intel.platform, chain: [leaf, again, root] as const }
  const quote = await makeTee({ platform }).quote(data)
  t.equal(verify(quote).tcbStatus, 'UpToDate')
  const revoked = { ...intel.collateral, rootCaCrl: makeCrl(root, intel.keys.root, { revoked: ['66'] }) }
  t.match(
    complaint(() => verify(quote, revoked)),
    'PCK CA: revoked, serial number 66',
  )
})

t.test("another CA's list, though genuine, says nothing about this leaf", async t => {
  for (const [name, keys] of [
    ['SYNTHETIC SGX PCK Processor CA', intel.keys.ca],
    [names.ca, ecKeys()],
  ] as const) {
    const strange = await makeIntel({ root: { keys: intel.keys.root }, ca: { name, keys } })
    const [, ca] = strange.platform.chain
    const mixed = { ...intel.collateral, pckCrl: makeCrl(ca, keys), pckCrlIssuerChain: pem(ca, intel.root) }
    t.match(
      complaint(() => verify(golden, mixed)),
      "PCK CRL: of another CA than the PCK leaf's",
    )
  }
})

t.test('a quote of another root, collateral of another root', async t => {
  const foreign = await makeTee({ platform: other.platform }).quote(data)
  t.match(
    complaint(() => verify(foreign)),
    'its root is not the pinned root',
  )
  t.equal(
    outcome(() => verify(golden, other.collateral)),
    'collateral-unverified',
  )
})

const guests: [name: string, svn: readonly number[], want: string][] = [
  ['up to date', [4, 2, ...Array(14).fill(1)], 'UpToDate'],
  ['an old module', [1, 2, ...Array(14).fill(1)], 'OutOfDate'],
  ['an unknown module', [4, 3, ...Array(14).fill(1)], 'no identity TDX_03'],
  ['an old component', [4, 2, 0, ...Array(13).fill(1)], 'platform: reaches no level'],
]
for (const [name, svn, want] of guests) {
  t.test(`a TDX guest, ${name}: ${want}`, async t => {
    const made = await makeIntel(tdxWorld)
    const tee = makeTee({ platform: made.platform, version: 4, tdReport: tdReportOf(svn) })
    const quote = parseQuote(await tee.quote(data))
    const run = () => verifyQuote(quote, made.collateral, now, made.root)
    if (want.includes(' ')) t.match(complaint(run), want)
    else t.match(run(), { tee: 'tdx', tcbStatus: want })
    t.equal(
      outcome(() => verifyQuote(quote, { kind: 'synthetic' }, now, made.root)),
      'ok',
    )
  })
}

t.test('collateral for SGX says nothing about a TDX guest, nor the other way round', async t => {
  const tdReport = (reportData: Uint8Array) => new Uint8Array([...new Uint8Array(520), ...reportData])
  const guest = parseQuote(await makeTee({ platform: intel.platform, version: 5, tdReport }).quote(data))
  t.match(
    complaint(() => verifyQuote(guest, intel.collateral, now, intel.root)),
    'TCB info: for TEE sgx, the quote is of tdx',
  )
  const made = await makeIntel(tdxWorld)
  const quote = await makeTee({ platform: made.platform }).quote(data)
  t.match(
    complaint(() => verify(quote, made.collateral, now, made.root)),
    'TCB info: for TEE tdx, the quote is of sgx',
  )
})

t.test('past its next update only for as long as the caller says, and certificates never', async t => {
  const verifyPast = (at: number, past: number, of = intel) =>
    verifyQuote(parseSgxQuote(golden), of.collateral, at, of.root, past)
  const late = nextUpdate + 5000
  t.equal(
    outcome(() => verifyPast(late, 4999)),
    'collateral-outdated',
  )
  t.same(verifyPast(late, 5000).window, { from: issued + 2000, until: late })
  const short = await makeIntel({ signing: { notAfter: new Date(nextUpdate) } })
  const quote = parseSgxQuote(await makeTee({ platform: short.platform }).quote(data))
  t.match(
    complaint(() => verifyQuote(quote, short.collateral, late, short.root, month)),
    'TCB signing certificate: not valid',
  )
})

t.test('the model of a machine is that of a chain to the root, whatever else the quote is worth', async t => {
  t.same(modelOf(parseQuote(golden), intel.root), { fmspc: '5f5f5f000000', ca: 'platform' })
  const processor = await makeIntel({ ca: { name: 'SYNTHETIC SGX PCK Processor CA (not Intel)' } })
  const quote = parseQuote(await makeTee({ platform: processor.platform }).quote(data))
  t.same(modelOf(quote, processor.root), { fmspc: '5f5f5f000000', ca: 'processor' })
  t.equal(
    outcome(() => modelOf(quote, intel.root)),
    'quote-unverified',
  )
})
