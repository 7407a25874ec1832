import t from 'tap'
import { type Claims, levelStatuses, type Platform, type TcbFacts, type TcbStatus } from '../../src/attest/evidence.ts'
import {
  agesAt,
  dateText,
  platformReasons,
  strictTcb,
  type TcbFloors,
  type TcbProfile,
  type TcbRule,
  tcbProfiles,
  tcbReasons,
} from '../../src/attest/tcb-policy.ts'

const facts: TcbFacts = {
  platformStatus: 'UpToDate',
  qeStatus: 'UpToDate',
  advisoryIds: [],
  tcbDate: 5000,
  evaluationDataNumber: { tcbInfo: 17, qeIdentity: 18 },
  crlNumber: { root: 3n, pck: 4n },
  issuedAt: 6000,
}
const claims = (tcbStatus: TcbStatus, tcb: Partial<TcbFacts> = {}) =>
  ({ tcbStatus, tcb: { ...facts, ...tcb } }) as unknown as Claims
const rule = (profile: TcbProfile, advisories: string[] = [], floors: TcbFloors = {}): TcbRule => ({
  profile,
  advisories,
  floors,
})
const rules = (given: Claims, by: TcbRule) => tcbReasons(given, by).map(reason => reason.rule)

// Every status against every profile; what is not written here is refused.
const accepted: Readonly<Record<TcbProfile, readonly string[]>> = {
  strict: ['UpToDate'],
  swHardeningOk: ['UpToDate', 'SWHardeningNeeded'],
  dangerOutOfDate: levelStatuses.filter(status => status !== 'Revoked'),
}
for (const profile of tcbProfiles) {
  for (const status of [...levelStatuses, 'Synthetic'] as TcbStatus[]) {
    const ok = accepted[profile].includes(status)
    t.test(`${profile}, ${status}: ${ok ? 'accepted' : 'refused'}`, async t => {
      t.same(rules(claims(status), rule(profile)), ok ? [] : ['tcb-status'])
    })
  }
}

t.test('the rule of those who say nothing is strict', async t => {
  t.same(strictTcb, rule('strict'))
})

t.test('claims without a TCB are for another rule to refuse', async t => {
  t.same(rules({ tcbStatus: 'Synthetic', tcb: undefined } as unknown as Claims, strictTcb), [])
})

const needs = claims('SWHardeningNeeded', { advisoryIds: ['INTEL-SA-00615', 'INTEL-SA-00657'] })
const advisories: [name: string, given: Claims, by: TcbRule, got: string | undefined][] = [
  ['all listed', needs, rule('swHardeningOk', ['INTEL-SA-00657', 'INTEL-SA-00615']), undefined],
  ['one listed', needs, rule('swHardeningOk', ['INTEL-SA-00615']), 'INTEL-SA-00657'],
  ['none listed', needs, rule('swHardeningOk'), 'INTEL-SA-00615, INTEL-SA-00657'],
  ['none there', claims('SWHardeningNeeded'), rule('swHardeningOk'), undefined],
  ['up to date all the same', claims('UpToDate', { advisoryIds: ['INTEL-SA-1'] }), rule('swHardeningOk'), undefined],
  ['out of date by choice', needs, rule('dangerOutOfDate'), undefined],
]
for (const [name, given, by, got] of advisories) {
  t.test(`advisories: ${name}`, async t => {
    const reasons = tcbReasons(given, by)
    t.equal(reasons[0]?.got, got)
    if (got) t.equal(reasons[0]?.rule, 'tcb-advisories')
  })
}

t.test('what statuses were wanted is said', async t => {
  t.same(tcbReasons(claims('OutOfDate'), rule('swHardeningOk')), [
    { rule: 'tcb-status', want: 'UpToDate or SWHardeningNeeded', got: 'OutOfDate' },
  ])
})

t.test('what advisories were wanted is said', async t => {
  t.equal(tcbReasons(needs, rule('swHardeningOk'))[0]?.want, 'no advisory')
  t.match(tcbReasons(needs, rule('swHardeningOk', ['INTEL-SA-00615'])), [{ want: 'no advisory but INTEL-SA-00615' }])
})

const floors: [name: string, floors: TcbFloors, reason: { rule: string; want: string; got: string } | undefined][] = [
  ['none', {}, undefined],
  ['all reached', { tcbInfo: 17, qeIdentity: 18, rootCrl: 3, pckCrl: 4, tcbDate: 5000, issuedAt: 6000 }, undefined],
  ['TCB info', { tcbInfo: 18 }, { rule: 'evaluation-number-tcb-info', want: 'at least 18', got: '17' }],
  ['QE identity', { qeIdentity: 19 }, { rule: 'evaluation-number-qe-identity', want: 'at least 19', got: '18' }],
  ['root CRL', { rootCrl: 4 }, { rule: 'crl-number-root', want: 'at least 4', got: '3' }],
  ['PCK CRL', { pckCrl: 5 }, { rule: 'crl-number-pck', want: 'at least 5', got: '4' }],
  [
    'TCB date',
    { tcbDate: 5001 },
    { rule: 'tcb-date', want: 'at least 1970-01-01T00:00:05.001Z', got: '1970-01-01T00:00:05.000Z' },
  ],
  [
    'issue date',
    { issuedAt: 6001 },
    { rule: 'collateral-issued', want: 'at least 1970-01-01T00:00:06.001Z', got: '1970-01-01T00:00:06.000Z' },
  ],
  ['no number', { tcbInfo: Number.NaN }, { rule: 'evaluation-number-tcb-info', want: 'at least NaN', got: '17' }],
]
for (const [name, given, reason] of floors) {
  t.test(`floors: ${name}`, async t => {
    t.same(tcbReasons(claims('UpToDate'), rule('strict', [], given)), reason ? [reason] : [])
  })
}

t.test('status, advisories and floors are all told at once', async t => {
  t.same(rules(needs, rule('strict', [], { tcbInfo: 99, pckCrl: 99 })), [
    'tcb-status',
    'evaluation-number-tcb-info',
    'crl-number-pck',
  ])
})

t.test('collateral ages from its oldest part', async t => {
  t.equal(agesAt(claims('UpToDate'), 1000), 7000)
  t.equal(agesAt(claims('UpToDate'), 0), 6000)
  t.equal(agesAt(claims('UpToDate'), undefined), undefined)
  t.equal(agesAt({ tcb: undefined } as unknown as Claims, 1000), undefined)
})

const machine = { ppid: 'aa', piid: 'bb' } as unknown as Platform
const machines: [name: string, listed: string[], platform: Platform, ok: boolean][] = [
  ['any, where none is listed', [], machine, true],
  ['the instance', ['cc', 'bb'], machine, true],
  ['the instance in capitals', ['BB'], machine, true],
  ['the PPID', ['aa'], machine, true],
  ['neither', ['cc'], machine, false],
  ['one without instance, by PPID', ['aa'], { ...machine, piid: undefined }, true],
  ['one without instance, not listed', ['bb'], { ...machine, piid: undefined }, false],
]
for (const [name, listed, platform, ok] of machines) {
  t.test(`machine: ${name}: ${ok ? 'accepted' : 'refused'}`, async t => {
    const want = [{ rule: 'platform', want: 'a machine of the list', got: platform.piid ?? platform.ppid }]
    t.same(platformReasons(platform, listed), ok ? [] : want)
  })
}

t.test('dates are told as such where they are dates', async t => {
  t.equal(dateText(0), '1970-01-01T00:00:00.000Z')
  t.equal(dateText(Number.NaN), 'NaN')
  t.equal(dateText(Number.POSITIVE_INFINITY), 'Infinity')
  t.equal(dateText(8.64e15), '+275760-09-13T00:00:00.000Z')
})
