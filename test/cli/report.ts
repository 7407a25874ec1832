import t from 'tap'
import { parseQuote } from '../../src/attest/quote.ts'
import { verifyQuote } from '../../src/attest/verify.ts'
import { toHex } from '../../src/base/bytes.ts'
import { report } from '../../src/cli/report.ts'
import { anyReportData, makeTee, mrenclave, mrsigner, trust } from '../support/evidence.ts'
import { makeIntel, now } from '../support/pki-intel.ts'

const data = anyReportData(new Uint8Array(64).fill(1))
const intel = await makeIntel()
const verified = async (more = {}) =>
  verifyQuote(
    parseQuote(await makeTee({ platform: intel.platform, ...more }).quote(data)),
    intel.collateral,
    now,
    intel.root,
  )
const claims = await verified({ debug: true })
const reasons = [{ rule: 'debug', want: 'off', got: 'on' }]
const json = (verdict: Parameters<typeof report>[0]) => JSON.parse(report(verdict, true))

t.test('as JSON, with everything that was found', async t => {
  t.same(json({ claims, accepted: false, reasons }), {
    verified: true,
    accepted: false,
    synthetic: true,
    tee: 'sgx',
    tcbStatus: 'UpToDate',
    advisoryIds: [],
    tcbDate: '2025-11-12T00:00:00Z',
    tcbEvaluationDataNumber: 20,
    qeEvaluationDataNumber: 21,
    fmspc: '5f5f5f000000',
    mrenclave: toHex(mrenclave),
    mrsigner: toHex(mrsigner),
    isvProdId: 7,
    isvSvn: 3,
    debug: true,
    reportData: '01'.repeat(64),
    window: { notBefore: '2026-01-01T00:00:02Z', notAfter: '2026-01-31T00:00:00Z' },
    reasons,
  })
})

t.test('of what is not genuine, nothing is told', async t => {
  const told = json({ claims: undefined, accepted: undefined, reasons })
  t.same(told.reasons, reasons)
  t.equal(told.verified, false)
  for (const [key, value] of Object.entries(told)) {
    if (!['verified', 'reasons', 'advisoryIds'].includes(key)) t.equal(value, null, key)
  }
})

t.test('without a policy nobody is accepted or refused', async t => {
  t.equal(json({ claims: await verified(), accepted: undefined, reasons: [] }).accepted, null)
})

t.test('a TDX guest has no enclave, and may be one for debugging too', async t => {
  for (const [attributes, debug] of [
    [0x00, false],
    [0x01, true],
    [0xfe, false],
  ] as const) {
    const tdReport = (reportData: Uint8Array) =>
      new Uint8Array([...new Uint8Array(120), attributes, ...new Uint8Array(399), ...reportData])
    const quote = parseQuote(await makeTee({ version: 4, tdReport }).quote(data))
    const guest = verifyQuote(quote, { kind: 'synthetic' }, now, trust.root)
    t.match(json({ claims: guest, accepted: undefined, reasons: [] }), {
      tee: 'tdx',
      mrenclave: null,
      debug,
      tcbDate: null,
    })
    t.match(report({ claims: guest, accepted: undefined, reasons: [] }, false), /TDX guest/)
  }
})

const real = { ...claims, synthetic: false }
const lines: [verdict: Parameters<typeof report>[0], last: string][] = [
  [{ claims: undefined, accepted: undefined, reasons }, 'Not verified.'],
  [{ claims: real, accepted: undefined, reasons: [] }, 'Verified. No policy was asked.'],
  [{ claims: real, accepted: true, reasons: [] }, 'Verified and accepted.'],
  [{ claims, accepted: true, reasons: [] }, 'Verified, SYNTHETIC and accepted.'],
  [{ claims: real, accepted: false, reasons }, 'Verified, but refused by the policy.'],
]
for (const [verdict, last] of lines) {
  t.test(last, async t => {
    const text = report(verdict, false)
    t.ok(text.endsWith(`\n${last}\n`))
    t.equal(text.includes('Refused'), verdict.reasons.length > 0)
    t.equal(text.includes('MRENCLAVE'), verdict.claims !== undefined)
  })
}
