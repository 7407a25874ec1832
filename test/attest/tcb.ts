import fc from 'fast-check'
import t from 'tap'
import { type LevelStatus, levelStatuses, type Platform, type TdReportBody } from '../../src/attest/evidence.ts'
import { isvLevel, mergeStatus, platformLevel, tdxModuleLevel } from '../../src/attest/tcb.ts'
import type { IsvLevel, PlatformLevel, TcbInfo, TdxModule } from '../../src/attest/tcb-info.ts'
import { complaint, outcome } from '../support/outcome.ts'

const code = 'quote-unverified'
const rest = { tcbDate: 0, advisoryIds: [] }
const sixteen = (svn: number, ...first: number[]) => Array.from({ length: 16 }, (_, i) => first[i] ?? svn)
const row = (status: LevelStatus, sgx: number[], pceSvn: number, tdx?: number[]): PlatformLevel => ({
  ...rest,
  status,
  sgx,
  pceSvn,
  tdx,
})
const isv = (status: LevelStatus, isvSvn: number): IsvLevel => ({ ...rest, status, isvSvn })
const module: TdxModule = { mrSigner: '00'.repeat(48), attributes: 0n, attributesMask: 0xffff_ffff_ffff_ffffn }
const info = (levels: PlatformLevel[], tdx?: TcbInfo['tdx']) => ({ levels, tdx }) as unknown as TcbInfo
const platform = (components: number[], pceSvn: number) => ({ components, pceSvn }) as unknown as Platform
const td = (teeTcbSvn: number[], differs: Partial<TdReportBody> = {}) =>
  ({
    teeTcbSvn: Uint8Array.from(teeTcbSvn),
    mrSignerSeam: new Uint8Array(48),
    seamAttributes: 0n,
    ...differs,
  }) as TdReportBody

const table = info([
  row('UpToDate', sixteen(7), 13),
  row('SWHardeningNeeded', sixteen(7), 11),
  row('OutOfDate', sixteen(5), 10),
])
const platforms: [name: string, components: number[], pceSvn: number, want: string][] = [
  ['all at the first level', sixteen(7), 13, 'UpToDate'],
  ['all above it', sixteen(255), 65535, 'UpToDate'],
  ['one component below', sixteen(7, 6), 13, 'OutOfDate'],
  ['the last component below', [...sixteen(7).slice(0, 15), 6], 13, 'OutOfDate'],
  ['an old PCE', sixteen(7), 12, 'SWHardeningNeeded'],
  ['an older PCE', sixteen(7), 10, 'OutOfDate'],
  ['a PCE below all levels', sixteen(7), 9, 'none'],
  ['one component below all levels', sixteen(7, 7, 4), 13, 'none'],
  ['no components', [], 13, 'none'],
]
for (const [name, components, pceSvn, want] of platforms) {
  t.test(`platform: ${name}: ${want}`, async t => {
    const run = () => platformLevel(table, platform(components, pceSvn), undefined)
    if (want !== 'none') return void t.equal(run().status, want)
    t.match(complaint(run), 'platform: reaches no level')
    t.equal(outcome(run), code)
  })
}

t.test('a component that is missing reaches nothing, not even 0', async t => {
  const lowest = info([row('UpToDate', sixteen(0), 0)])
  t.equal(platformLevel(lowest, platform(sixteen(0), 0), undefined).status, 'UpToDate')
  t.equal(
    outcome(() => platformLevel(lowest, platform(sixteen(0).slice(1), 0), undefined)),
    code,
  )
})

t.test('a table without levels is reached by nobody', async t => {
  t.equal(
    outcome(() => platformLevel(info([]), platform(sixteen(9), 9), undefined)),
    code,
  )
})

const tdTable = info([
  row('UpToDate', sixteen(1), 1, sixteen(3, 5, 0)),
  row('OutOfDate', sixteen(1), 1, sixteen(2, 2, 0)),
])
const guests: [name: string, svn: number[] | undefined, want: string][] = [
  ['a module of version 0 counts in every component', sixteen(3, 5, 0), 'UpToDate'],
  ['component 0 below, version 0', sixteen(3, 4, 0), 'OutOfDate'],
  ['component 0 below, version 1', sixteen(3, 0, 1), 'UpToDate'],
  ['component 2 below', sixteen(3, 5, 1, 2), 'OutOfDate'],
  ['the last below all', [...sixteen(3, 5, 1).slice(0, 15), 1], 'none'],
  ['no guest at all', undefined, 'none'],
]
for (const [name, svn, want] of guests) {
  t.test(`guest: ${name}: ${want}`, async t => {
    const run = () => platformLevel(tdTable, platform(sixteen(1), 1), svn && td(svn))
    if (want === 'none') return void t.equal(outcome(run), code)
    t.equal(run().status, want)
  })
}

const levels = [isv('UpToDate', 8), isv('OutOfDate', 6)]
const isvs: [svn: number, want: string][] = [
  [9, 'UpToDate'],
  [8, 'UpToDate'],
  [7, 'OutOfDate'],
  [6, 'OutOfDate'],
  [5, 'none'],
]
for (const [svn, want] of isvs) {
  t.test(`security version ${svn}: ${want}`, async t => {
    const run = () => isvLevel(levels, svn, 'QE')
    if (want !== 'none') return void t.equal(run().status, want)
    t.match(complaint(run), 'QE: reaches no level')
    t.equal(outcome(run), code)
  })
}

const identities = [{ ...module, id: 'TDX_03', levels: [isv('UpToDate', 5), isv('OutOfDate', 2)] }]
const modules: [name: string, svn: number[], want: string, differs?: Partial<TdReportBody>, tdx?: TcbInfo['tdx']][] = [
  ['a module with an identity', [5, 3], 'UpToDate'],
  ['an old module', [4, 3], 'OutOfDate'],
  ['a module below all levels', [1, 3], 'TDX module: reaches no level'],
  ['a module of another version', [5, 4], 'no identity TDX_04'],
  ['a version in hex', [5, 0x1a], 'no identity TDX_1A'],
  ['a module of version 0', [0, 0], 'none'],
  ['a module that another signed', [5, 3], 'not signed by Intel', { mrSignerSeam: new Uint8Array(48).fill(1) }],
  [
    'a signer that TCB info names and that is not zero',
    [5, 3],
    'not signed by Intel',
    { mrSignerSeam: new Uint8Array(48).fill(1) },
    { module, identities: [{ ...module, mrSigner: '01'.repeat(48), id: 'TDX_03', levels: [isv('UpToDate', 5)] }] },
  ],
  [
    'a signer that TCB info does not name',
    [5, 3],
    'not signed by Intel',
    {},
    { module, identities: [{ ...module, mrSigner: '01'.repeat(48), id: 'TDX_03', levels: [isv('UpToDate', 5)] }] },
  ],
  ['attributes', [5, 3], 'attributes that it should not have', { seamAttributes: 1n }],
  [
    'attributes that the mask leaves out',
    [0, 0],
    'attributes that it should not have',
    { seamAttributes: 1n },
    { module: { ...module, attributesMask: 0n }, identities: [] },
  ],
  [
    'attributes that are wanted',
    [0, 0],
    'attributes that it should not have',
    {},
    { module: { ...module, attributes: 1n }, identities: [] },
  ],
]
for (const [name, svn, want, differs, tdx = { module, identities }] of modules) {
  t.test(`TDX module: ${name}: ${want}`, async t => {
    const run = () => tdxModuleLevel(info([], tdx), td(svn, differs))
    if (want === 'none') return void t.equal(run(), undefined)
    if (levelStatuses.some(status => status === want)) return void t.equal(run()?.status, want)
    t.match(complaint(run), want)
    t.equal(outcome(run), code)
  })
}

t.test('TCB info for SGX judges no guest', async t => {
  t.equal(
    outcome(() => tdxModuleLevel(info([]), td([5, 0]))),
    code,
  )
})

// Intel's converging table (QuoteVerifier.cpp), and what it leaves open filled by the same idea.
const merges: [platform: LevelStatus, qe: LevelStatus, merged: string][] = [
  ['UpToDate', 'UpToDate', 'UpToDate'],
  ['SWHardeningNeeded', 'UpToDate', 'SWHardeningNeeded'],
  ['ConfigurationNeeded', 'UpToDate', 'ConfigurationNeeded'],
  ['ConfigurationAndSWHardeningNeeded', 'UpToDate', 'ConfigurationAndSWHardeningNeeded'],
  ['OutOfDate', 'UpToDate', 'OutOfDate'],
  ['OutOfDateConfigurationNeeded', 'UpToDate', 'OutOfDateConfigurationNeeded'],
  ['UpToDate', 'OutOfDate', 'OutOfDate'],
  ['SWHardeningNeeded', 'OutOfDate', 'OutOfDate'],
  ['ConfigurationNeeded', 'OutOfDate', 'OutOfDateConfigurationNeeded'],
  ['ConfigurationAndSWHardeningNeeded', 'OutOfDate', 'OutOfDateConfigurationNeeded'],
  ['OutOfDate', 'OutOfDate', 'OutOfDate'],
  ['OutOfDateConfigurationNeeded', 'OutOfDate', 'OutOfDateConfigurationNeeded'],
  ['UpToDate', 'SWHardeningNeeded', 'SWHardeningNeeded'],
  ['ConfigurationNeeded', 'SWHardeningNeeded', 'ConfigurationAndSWHardeningNeeded'],
  ['Revoked', 'UpToDate', 'revoked'],
  ['UpToDate', 'Revoked', 'revoked'],
  ['OutOfDate', 'Revoked', 'revoked'],
]
for (const [machine, qe, merged] of merges) {
  t.test(`${machine} with a QE that is ${qe}: ${merged}`, async t => {
    const run = () => mergeStatus([['platform', isv(machine, 1)] as const, ['QE', isv(qe, 1)] as const])
    if (merged !== 'revoked') return void t.equal(run(), merged)
    t.match(complaint(run), `${machine === 'Revoked' ? 'platform' : 'QE'}: its TCB level is revoked`)
    t.equal(outcome(run), code)
  })
}

t.test('merging does not care for the order, and one part more never makes it better', async () => {
  const order = [
    'UpToDate',
    'SWHardeningNeeded',
    'ConfigurationNeeded',
    'ConfigurationAndSWHardeningNeeded',
    'OutOfDate',
    'OutOfDateConfigurationNeeded',
  ]
  const status = fc.constantFrom(...levelStatuses.filter(each => each !== 'Revoked'))
  const merge = (...all: LevelStatus[]) => mergeStatus(all.map(each => [each, isv(each, 1)] as const))
  fc.assert(
    fc.property(status, status, status, (a, b, c) => {
      const merged = merge(a, b, c)
      return merge(c, b, a) === merged && order.indexOf(merged) >= order.indexOf(merge(a, b))
    }),
  )
})
