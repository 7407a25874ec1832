import t from 'tap'
import type { IntelCollateral } from '../../src/attest/evidence.ts'
import { parseQuote } from '../../src/attest/quote.ts'
import { intelRoot } from '../../src/attest/root.ts'
import { verifyQuote } from '../../src/attest/verify.ts'
import { toHex } from '../../src/base/bytes.ts'
import { realBytes, realEvidenceMissing } from '../support/evidence.ts'
import { outcome } from '../support/outcome.ts'
import { applied, type Files, readFiles, realCases, realMutations, toCollateral } from '../support/pki-real.ts'

const verify = (files: Files, at: string) => {
  const collateral: IntelCollateral = toCollateral(files)
  return verifyQuote(parseQuote(files['quote.bin'] ?? new Uint8Array()), collateral, Date.parse(at), intelRoot())
}
const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('utf8')

t.test('every real case has the verdict that is expected of it', { skip: realEvidenceMissing }, async t => {
  const cases = realCases()
  t.ok(cases.length >= 8)
  for (const name of cases) {
    const files = readFiles(name)
    const { verify_at, expected } = JSON.parse(text(realBytes(`${name}/expected.json`)))
    const claims = verify(files, verify_at)
    t.equal(claims.tcbStatus, expected.tcb_status, `${name}: status`)
    t.equal(claims.synthetic, false)
    t.match(claims, { tee: expected.tee, version: expected.quote_version })
    t.match(claims.tcb, { platformStatus: expected.platform_status, qeStatus: expected.qe_status })
    t.same(claims.tcb?.advisoryIds, [...expected.advisory_ids].sort())
    t.equal(claims.tcb?.tcbDate, Date.parse(expected.tcb_date))
    t.equal(claims.tcb?.evaluationDataNumber.tcbInfo, expected.tcb_evaluation_data_number)
    t.equal(claims.window.from, Date.parse(expected.window.not_before))
    t.equal(claims.window.until, Date.parse(expected.window.not_after))
    t.equal(claims.platform.fmspc, expected.fmspc)
    t.equal(toHex(claims.body.reportData), expected.report_data)
    if (claims.tee === 'tdx') t.equal(toHex(claims.body.mrTd), expected.mr_td)
    else {
      t.equal(toHex(claims.body.mrenclave), expected.mrenclave)
      t.equal((claims.body.attributes.flags & 2n) !== 0n, expected.debug)
    }
  }
})

// "policy" in the table leaves the choice to us; ours is the strict one, but for genuine collateral of another number.
const ours: Readonly<Record<string, 'accept' | 'reject'>> = {
  'trailing-garbage': 'reject',
  'eval-number-mix': 'accept',
  'rollback-eval17': 'accept',
}

t.test(
  'every mutation of real evidence has the verdict that is expected of it',
  { skip: realEvidenceMissing },
  async t => {
    const mutations = realMutations()
    t.ok(mutations.length >= 30)
    for (const mutation of mutations) {
      const { files, time } = applied(mutation)
      const at = time ?? JSON.parse(text(realBytes(`${mutation.base}/expected.json`))).verify_at
      const got = outcome(() => verify(files, at))
      const want = mutation.expect === 'policy' ? (ours[mutation.id] ?? 'reject') : mutation.expect
      t.equal(got === 'ok' ? 'accept' : 'reject', want, `${mutation.id}: ${mutation.reason}`)
    }
  },
)

t.test('synthetic collateral never goes with real evidence', { skip: realEvidenceMissing }, async t => {
  for (const name of realCases()) {
    const quote = parseQuote(realBytes(`${name}/quote.bin`))
    t.equal(
      outcome(() => verifyQuote(quote, { kind: 'synthetic' }, Date.UTC(2025, 7, 20), intelRoot())),
      'collateral-missing',
    )
  }
})
