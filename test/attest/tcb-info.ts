import t from 'tap'
import { readTcbInfo } from '../../src/attest/tcb-info.ts'
import { ecKeys } from '../support/certificates.ts'
import { realBytes, realEvidenceMissing, realQuotes } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'
import { issued, isvLevel, nextUpdate, platformLevel, signDocument, tcbInfo } from '../support/pki-intel.ts'

const keys = ecKeys()
const read = (differs: Record<string, unknown> = {}) => readTcbInfo(signDocument('tcbInfo', tcbInfo(differs), keys))
const module = { mrsigner: '00'.repeat(48), attributes: '0000000000000000', attributesMask: 'FFFFFFFFFFFFFFFF' }
const tdx = Array.from({ length: 16 }, (_, i) => i)
const forTdx = {
  id: 'TDX',
  tdxModule: module,
  tdxModuleIdentities: [{ ...module, id: 'TDX_03', tcbLevels: [isvLevel('UpToDate', 3), isvLevel('OutOfDate', 4)] }],
  tcbLevels: [platformLevel('UpToDate', 7, 13, undefined, tdx)],
}

t.test('every field is read', async t => {
  const info = read()
  t.match(info, { tee: 'sgx', issueDate: issued, nextUpdate, fmspc: '5f5f5f000000', pceId: '0000', tdx: undefined })
  t.equal(info.evaluationDataNumber, 20)
  t.same(info.levels[1], {
    status: 'OutOfDate',
    tcbDate: Date.UTC(2025, 10, 12),
    advisoryIds: ['INTEL-SA-00001'],
    sgx: [5, 5, 5, 5, 5, 5, 5, 5, 0, 0, 0, 0, 0, 0, 0, 0],
    pceSvn: 11,
    tdx: undefined,
  })
  t.same(info.levels[0]?.advisoryIds, [])
})

t.test('TCB info for TDX names modules and their components', async t => {
  const info = read({ ...forTdx, tdxModule: { ...module, attributes: '0100000000000000' } })
  t.equal(info.tee, 'tdx')
  t.same(info.levels[0]?.tdx, tdx)
  t.same(info.tdx?.module, { mrSigner: '00'.repeat(48), attributes: 1n, attributesMask: 0xffff_ffff_ffff_ffffn })
  t.same(
    info.tdx?.identities.map(each => [each.id, each.levels.map(level => level.isvSvn)]),
    [['TDX_03', [4, 3]]],
  )
})

t.test('levels are put in the order in which they are tried', async t => {
  const levels = [
    platformLevel('OutOfDate', 5, 13),
    platformLevel('OutOfDate', 7, 12),
    platformLevel('UpToDate', 7, 13),
    platformLevel('OutOfDate', 6, 14),
  ]
  const got = read({ tcbLevels: levels }).levels.map(({ sgx, pceSvn }) => [sgx[0], pceSvn])
  t.same(got, [
    [7, 13],
    [7, 12],
    [6, 14],
    [5, 13],
  ])
  const higher = [...tdx.slice(0, 15), 99]
  const both = [platformLevel('OutOfDate', 7, 13, undefined, tdx), platformLevel('UpToDate', 7, 13, undefined, higher)]
  t.same(
    read({ ...forTdx, tcbLevels: both }).levels.map(({ status }) => status),
    ['UpToDate', 'OutOfDate'],
  )
  const same = ['UpToDate', 'OutOfDate', 'SWHardeningNeeded', 'ConfigurationNeeded']
  t.same(
    read({ tcbLevels: same.map(status => platformLevel(status)) }).levels.map(({ status }) => status),
    same,
  )
})

const level = (differs: object) => ({ tcbLevels: [{ ...platformLevel('UpToDate'), ...differs }] })
const components = (list: unknown[]) => level({ tcb: { sgxtcbcomponents: list, pcesvn: 1 } })
const refused: [name: string, differs: Record<string, unknown>, message: string | RegExp][] = [
  ['version 2', { version: 2 }, 'want 3, got 2 (version 2 is deprecated: it does not say for which TEE it is)'],
  ['version 4', { version: 4 }, /^tcbInfo\.version: want 3, got 4$/],
  ['another way of comparing', { tcbType: 1 }, 'tcbInfo.tcbType: want 0'],
  ['another TEE', { id: 'SEV' }, 'tcbInfo.id: want one of SGX, TDX'],
  ['no TEE', { id: undefined }, 'tcbInfo.id: want a string'],
  ['a short FMSPC', { fmspc: '00' }, 'tcbInfo.fmspc: want 12 hex digits'],
  ['a PCE id of three bytes', { pceId: '000000' }, 'tcbInfo.pceId: want 4 hex digits'],
  ['no evaluation number', { tcbEvaluationDataNumber: undefined }, 'want an integer from 0 to 4294967295'],
  ['no issue date', { issueDate: undefined }, 'issueDate: want a string'],
  ['an end that is no date', { nextUpdate: 'soon' }, 'nextUpdate: want a time'],
  ['no levels', { tcbLevels: undefined }, 'tcbLevels: want an array'],
  ['15 components', components(Array(15).fill({ svn: 0 })), 'want 16 components, got 15'],
  ['17 components', components(Array(17).fill({ svn: 0 })), 'want 16 components, got 17'],
  ['a component of 256', components(Array(16).fill({ svn: 256 })), 'svn: want an integer from 0 to 255'],
  ['no PCE svn', level({ tcb: { sgxtcbcomponents: Array(16).fill({ svn: 0 }) } }), 'pcesvn: want an integer'],
  [
    'a PCE svn of 65536',
    level({ tcb: { sgxtcbcomponents: Array(16).fill({ svn: 255 }), pcesvn: 65_536 } }),
    'pcesvn: want an integer from 0 to 65535',
  ],
  [
    'a module svn of 65536',
    { ...forTdx, tdxModuleIdentities: [{ ...module, id: 'x', tcbLevels: [isvLevel('UpToDate', 65_536)] }] },
    'isvsvn: want an integer from 0 to 65535',
  ],
  ['a status that nobody knows', level({ tcbStatus: 'Fine' }), 'tcbStatus: want one of UpToDate'],
  ['an advisory that is no name', level({ advisoryIDs: ['a b'] }), 'advisoryIDs: want names such as'],
  ['an advisory behind something', level({ advisoryIDs: ['x INTEL-SA-1'] }), 'advisoryIDs: want names such as'],
  ['an advisory before something', level({ advisoryIDs: ['INTEL-SA-1 x'] }), 'advisoryIDs: want names such as'],
  ['an advisory that is a number', level({ advisoryIDs: [1] }), 'advisoryIDs: want an array of strings'],
  ['a level without a date', level({ tcbDate: undefined }), 'tcbDate: want a string'],
  ['TDX without a module', { ...forTdx, tdxModule: undefined }, 'tdxModule: want an object'],
  ['TDX without identities', { ...forTdx, tdxModuleIdentities: undefined }, 'tdxModuleIdentities: want an array'],
  ['TDX without its components', { ...forTdx, tcbLevels: [platformLevel('UpToDate')] }, 'tdxtcbcomponents'],
  ['a module of a short signer', { ...forTdx, tdxModule: { ...module, mrsigner: '00' } }, 'mrsigner: want 96 hex'],
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

t.test('a QE identity is no TCB info', async t => {
  t.match(
    complaint(() => readTcbInfo(signDocument('enclaveIdentity', tcbInfo(), keys))),
    'exactly tcbInfo and signature',
  )
})

t.test('real TCB info', { skip: realEvidenceMissing }, async t => {
  for (const name of [...realQuotes, 'tdx-v4-phala-b0c06f']) {
    const want = JSON.parse(Buffer.from(realBytes(`${name}/expected.json`)).toString('utf8')).expected
    const info = readTcbInfo(realBytes(`${name}/tcb_info.json`))
    t.match(info, { tee: want.tee, fmspc: want.fmspc, pceId: want.pceid }, name)
    t.equal(info.evaluationDataNumber, want.tcb_evaluation_data_number)
  }
})
