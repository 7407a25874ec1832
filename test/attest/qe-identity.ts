import t from 'tap'
import { readReportBody } from '../../src/attest/body.ts'
import type { ReportBody } from '../../src/attest/evidence.ts'
import { qeMismatch, readQeIdentity } from '../../src/attest/qe-identity.ts'
import { parseQuote } from '../../src/attest/quote.ts'
import { fromHex } from '../../src/base/bytes.ts'
import { syntheticQeSigner } from '../../src/demo/tee.ts'
import { ecKeys } from '../support/certificates.ts'
import { realBytes, realEvidenceMissing, realQuotes } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'
import { issued, isvLevel, nextUpdate, qeIdentity, signDocument } from '../support/pki-intel.ts'

const keys = ecKeys()
const read = (differs: Record<string, unknown> = {}) =>
  readQeIdentity(signDocument('enclaveIdentity', qeIdentity(differs), keys))
const qe: ReportBody = {
  ...readReportBody(new Uint8Array(384)),
  attributes: { flags: 0x15n, xfrm: 0xe7n },
  mrsigner: syntheticQeSigner,
  isvProdId: 1,
  isvSvn: 8,
}

t.test('every field is read', async t => {
  const identity = read()
  t.match(identity, { tee: 'sgx', issueDate: issued + 1000, nextUpdate: nextUpdate + 1000, isvProdId: 1 })
  t.equal(identity.evaluationDataNumber, 21)
  t.same(identity.miscSelect, { value: 0, mask: 0xffff_ffff })
  t.same(identity.flags, { value: 0x11n, mask: 0xffff_ffff_ffff_fffbn })
  t.same(identity.xfrm, { value: 0n, mask: 0n })
  t.same(
    identity.levels.map(({ isvSvn, status }) => [isvSvn, status]),
    [
      [8, 'UpToDate'],
      [6, 'OutOfDate'],
    ],
  )
  t.equal(read({ id: 'TD_QE' }).tee, 'tdx')
})

t.test('levels are put in descending order', async t => {
  const { levels } = read({ tcbLevels: [isvLevel('OutOfDate', 1), isvLevel('UpToDate', 9)] })
  t.same(
    levels.map(({ isvSvn }) => isvSvn),
    [9, 1],
  )
})

const refused: [name: string, differs: Record<string, unknown>, message: string][] = [
  ['version 1', { version: 1 }, 'enclaveIdentity.version: want 2, got 1'],
  ['the identity of the verifying enclave', { id: 'QVE' }, 'want QE or TD_QE, got QVE'],
  ['an unknown one', { id: 'PCE' }, 'want one of QE, TD_QE, QVE'],
  ['a short mask', { attributesMask: 'FF' }, 'attributesMask: want 32 hex digits'],
  ['no misc mask', { miscselectMask: undefined }, 'miscselectMask: want a string'],
  ['a short signer', { mrsigner: '00' }, 'mrsigner: want 64 hex digits'],
  ['a product number of three bytes', { isvprodid: 65_536 }, 'isvprodid: want an integer from 0 to 65535'],
  ['a negative svn', { tcbLevels: [isvLevel('UpToDate', -1)] }, 'isvsvn: want an integer'],
]
for (const [name, differs, message] of refused) {
  t.test(`${name}: refused`, async t => {
    t.match(
      complaint(() => read(differs)),
      message,
    )
    t.equal(
      outcome(() => read(differs)),
      'collateral-malformed',
    )
  })
}

const flags = (value: bigint): Partial<ReportBody> => ({ attributes: { flags: value, xfrm: 0xe7n } })
const reports: [name: string, report: Partial<ReportBody>, mismatch: string | undefined, differs?: object][] = [
  ['the usual one', {}, undefined],
  ['a bit that the mask leaves out', flags(0x11n), undefined],
  ['a debug QE', flags(0x17n), 'attribute flags'],
  ['a QE without the provision key', flags(0x05n), 'attribute flags'],
  ['a high bit', flags(0x8000_0000_0000_0015n), 'attribute flags'],
  ['a misc bit', { miscSelect: 0x8000_0000 }, 'misc select'],
  ['a misc bit that the mask leaves out', { miscSelect: 1 }, undefined, { miscselectMask: 'FFFFFFFE' }],
  ['a misc bit that is wanted', { miscSelect: 0x8000_0001 }, undefined, { miscselect: '80000001' }],
  [
    'an xfrm that is wanted',
    {},
    undefined,
    { attributes: `11${'00'.repeat(7)}e7${'00'.repeat(7)}`, attributesMask: 'ff'.repeat(8) + 'ff'.repeat(8) },
  ],
  ['an xfrm that is not there', {}, 'attribute xfrm', { attributesMask: `fb${'ff'.repeat(15)}` }],
  ['another signer', { mrsigner: new Uint8Array(32) }, 'mrsigner'],
  ['another product', { isvProdId: 2 }, 'isv prod id'],
]
for (const [name, report, mismatch, differs] of reports) {
  t.test(`report of ${name}: ${mismatch ?? 'fits'}`, async t => {
    const identity = read({ ...differs })
    const known = name.startsWith('an xfrm that is wanted') ? { ...qe, attributes: { flags: 0x11n, xfrm: 0xe7n } } : qe
    t.equal(qeMismatch(identity, { ...known, ...report }), mismatch)
  })
}

t.test('real Quoting Enclaves are what their identities say', { skip: realEvidenceMissing }, async t => {
  for (const name of [...realQuotes, 'tdx-v4-phala-b0c06f']) {
    const identity = readQeIdentity(realBytes(`${name}/qe_identity.json`))
    const { qeReport } = parseQuote(realBytes(`${name}/quote.bin`))
    t.equal(qeMismatch(identity, qeReport), undefined, name)
    t.not(qeMismatch(identity, { ...qeReport, mrsigner: fromHex('00'.repeat(32)) ?? qeReport.mrsigner }), undefined)
  }
})
