import fc from 'fast-check'
import t from 'tap'
import { readReportBody } from '../../src/attest/body.ts'
import type { Claims, EvidenceFacts, SgxClaims } from '../../src/attest/evidence.ts'
import { type AcceptedEnclave, judge, type PeerRule } from '../../src/attest/policy.ts'
import { dateText } from '../../src/attest/tcb-policy.ts'
import { fromHex, toHex } from '../../src/base/bytes.ts'
import { measurement } from '../../src/demo/tee.ts'
import { at, makeRule, mrenclave, mrsigner, platform, service } from '../support/evidence.ts'

const window = { from: at - 1000, until: at + 100_000 }
const body = { ...readReportBody(new Uint8Array(384)), mrenclave, mrsigner, isvProdId: 7, isvSvn: 3 }
const good: SgxClaims = {
  version: 3,
  tee: 'sgx',
  synthetic: true,
  body: { ...body, attributes: { flags: 5n, xfrm: 0xe7n } },
  tcbStatus: 'Synthetic',
  tcb: undefined,
  platform,
  window,
}
const withFlags = (flags: bigint): SgxClaims => ({ ...good, body: { ...good.body, attributes: { flags, xfrm: 0n } } })
const hardware = (differs: Partial<SgxClaims>): SgxClaims => ({
  ...good,
  synthetic: false,
  tcbStatus: 'UpToDate',
  tcb: {
    platformStatus: 'UpToDate',
    qeStatus: 'UpToDate',
    advisoryIds: [],
    tcbDate: 0,
    evaluationDataNumber: { tcbInfo: 1, qeIdentity: 1 },
    crlNumber: { root: 1n, pck: 1n },
    issuedAt: at - 1000,
  },
  ...differs,
})
const postern = { use: 'tls', role: 'workload', policyDigest: new Uint8Array(32), service } as const
const facts: EvidenceFacts = { format: 'tagged', leafSha256: 'ab'.repeat(32), postern }
const foreign: EvidenceFacts = { ...facts, postern: undefined }
const legacy: EvidenceFacts = { ...foreign, format: 'legacy' }
const signer: AcceptedEnclave = { mrsigner: toHex(mrsigner), isvProdId: 7, minIsvSvn: 3 }
const other = toHex(measurement('another'))

const rows: [name: string, claims: Claims, evidence: EvidenceFacts, rule: Partial<PeerRule>, rules: string[]][] = [
  ['an accepted measurement', good, facts, {}, []],
  [
    'an accepted measurement in capitals',
    good,
    facts,
    { enclaves: [{ mrenclave: toHex(mrenclave).toUpperCase() }] },
    [],
  ],
  ['an accepted signer, product and version', good, facts, { enclaves: [signer] }, []],
  ['the second entry of two', good, facts, { enclaves: [{ mrenclave: other }, signer] }, []],
  ['a rule with no enclaves', good, facts, { enclaves: [] }, ['enclaves']],
  ['another measurement', good, facts, { enclaves: [{ mrenclave: other }] }, ['mrenclave']],
  ['a measurement cut short', good, facts, { enclaves: [{ mrenclave: toHex(mrenclave).slice(0, 62) }] }, ['mrenclave']],
  ['an empty measurement', good, facts, { enclaves: [{ mrenclave: '' }] }, ['mrenclave']],
  ['an entry that ends now', good, facts, { enclaves: [{ mrenclave: toHex(mrenclave), until: at }] }, []],
  ['another signer', good, facts, { enclaves: [{ ...signer, mrsigner: other }] }, ['mrsigner']],
  ['another product', good, facts, { enclaves: [{ ...signer, isvProdId: 8 }] }, ['isv-prod-id']],
  ['an older version', good, facts, { enclaves: [{ ...signer, minIsvSvn: 4 }] }, ['isv-svn']],
  ['no least version', good, facts, { enclaves: [{ ...signer, minIsvSvn: Number.NaN }] }, ['isv-svn']],
  [
    'two entries, neither fits',
    good,
    facts,
    { enclaves: [{ mrenclave: other }, { ...signer, isvProdId: 8 }] },
    ['mrenclave', 'isv-prod-id'],
  ],
  [
    'an entry that has ended',
    good,
    facts,
    { enclaves: [{ mrenclave: toHex(mrenclave), until: at - 1 }] },
    ['enclave-expired'],
  ],
  [
    'an entry whose end is no number',
    good,
    facts,
    { enclaves: [{ ...signer, until: Number.NaN }] },
    ['enclave-expired'],
  ],
  [
    'an entry that has ended beside one that has not',
    good,
    facts,
    { enclaves: [{ mrenclave: toHex(mrenclave), until: at - 1 }, signer] },
    [],
  ],
  ['DEBUG', withFlags(7n), facts, {}, ['debug']],
  ['DEBUG, allowed', withFlags(7n), facts, { dangerAllowDebug: true }, []],
  ['not INIT', withFlags(4n), facts, {}, ['init']],
  ['not MODE64', withFlags(1n), facts, {}, ['mode64']],
  ['PROVISION_KEY', withFlags(0x15n), facts, { dangerAllowDebug: true }, ['provision-key']],
  ['EINITTOKEN_KEY', withFlags(0x25n), facts, {}, ['einittoken-key']],
  ['KSS and AEX-Notify', withFlags(0x485n), facts, {}, []],
  ['every flag wrong', withFlags(0x32n), facts, {}, ['init', 'mode64', 'provision-key', 'einittoken-key', 'debug']],
  ['synthetic evidence', good, facts, { dangerAcceptSynthetic: false }, ['synthetic']],
  ['evidence from hardware', { ...good, synthetic: false }, facts, { dangerAcceptSynthetic: false }, []],
  [
    'our own measurement, though accepted',
    good,
    facts,
    { refuse: { leafSha256s: [], mrenclave: toHex(mrenclave).toUpperCase() } },
    ['own-measurement'],
  ],
  [
    'our own certificate',
    good,
    facts,
    { refuse: { leafSha256s: ['00', 'AB'.repeat(32)], mrenclave: undefined } },
    ['own-certificate'],
  ],
  ['a proxy', good, { ...facts, postern: { ...postern, role: 'proxy' } }, {}, ['role-proxy']],
  [
    'a proxy where a workload is asked for',
    good,
    { ...facts, postern: { ...postern, role: 'proxy' } },
    { role: 'workload' },
    ['role-proxy', 'role'],
  ],
  ['an ext prod id', good, facts, { enclaves: [{ ...signer, isvExtProdId: '00'.repeat(16) }] }, []],
  [
    'another ext prod id',
    good,
    facts,
    { enclaves: [{ ...signer, isvExtProdId: '01'.repeat(16) }] },
    ['isv-ext-prod-id'],
  ],
  ['another family', good, facts, { enclaves: [{ ...signer, isvFamilyId: '01'.repeat(16) }] }, ['isv-family-id']],
  ['a family', good, facts, { enclaves: [{ ...signer, isvFamilyId: '00'.repeat(16) }] }, []],
  [
    'another config',
    good,
    facts,
    { enclaves: [{ mrenclave: toHex(mrenclave), configId: '01'.repeat(64) }] },
    ['config-id'],
  ],
  ['a config', good, facts, { enclaves: [{ mrenclave: toHex(mrenclave), configId: '00'.repeat(64) }] }, []],
  ['an older config', good, facts, { enclaves: [{ ...signer, minConfigSvn: 1 }] }, ['config-svn']],
  ['a config version', good, facts, { enclaves: [{ ...signer, minConfigSvn: 0 }] }, []],
  ['a platform that is up to date', hardware({}), facts, { dangerAcceptSynthetic: false }, []],
  ['a platform that is not', hardware({ tcbStatus: 'OutOfDate' }), facts, {}, ['tcb-status']],
  [
    'a platform that is not, by choice',
    hardware({ tcbStatus: 'OutOfDate' }),
    facts,
    { tcb: { profile: 'dangerOutOfDate', advisories: [], floors: {} } },
    [],
  ],
  ['another machine', good, facts, { platforms: ['00'.repeat(16)] }, ['platform']],
  ['a listed machine', good, facts, { platforms: ['49'.repeat(16)] }, []],
  ['collateral that is too old', hardware({}), facts, { maxCollateralAgeMs: 999 }, ['collateral-age']],
  ['collateral of the last good moment', hardware({}), facts, { maxCollateralAgeMs: 1000 }, []],
  ['an age that is no number', hardware({}), facts, { maxCollateralAgeMs: Number.NaN }, ['collateral-age']],
  ['a listed policy', good, facts, { policyDigests: ['11', '00'.repeat(32)] }, []],
  ['another policy', good, facts, { policyDigests: ['11'.repeat(32)] }, ['policy']],
  ['a foreign peer where a policy is asked for', good, foreign, { policyDigests: ['00'.repeat(32)] }, ['policy']],
  ['a legacy peer where a policy is asked for', good, legacy, { policyDigests: ['00'.repeat(32)] }, ['policy']],
  ['an SDK peer where a role is asked for', good, { ...legacy, format: 'sdk' }, { role: 'workload' }, ['role']],
  ['a TDX guest', { ...good, tee: 'tdx' } as unknown as Claims, facts, {}, ['tee']],
  ['the required role', good, facts, { role: 'workload' }, []],
  ['another role', good, facts, { role: 'provision' }, ['role']],
  ['the required service', good, facts, { service }, []],
  ['another service', good, facts, { service: `${service}x` }, ['service']],
  ['a service in capitals', good, facts, { service: service.toUpperCase() }, ['service']],
  [
    'a peer of ours with no service',
    good,
    { ...facts, postern: { ...postern, service: undefined } },
    { service },
    ['service'],
  ],
  ['a foreign peer', good, foreign, {}, []],
  ['a foreign peer where a role is asked for', good, foreign, { role: 'workload' }, ['role']],
  ['a foreign peer where a service is asked for', good, foreign, { service }, ['service']],
  ['legacy evidence', good, legacy, {}, []],
  ['legacy evidence where a role is asked for', good, legacy, { role: 'workload' }, ['role']],
  ['evidence for a CSR', good, { ...facts, postern: { ...postern, use: 'csr' } }, {}, []],
  ['evidence for a challenge', good, { ...facts, postern: { ...postern, use: 'challenge' } }, {}, ['use']],
  ['evidence for a sealing key', good, { ...facts, postern: { ...postern, use: 'seal' } }, {}, ['use']],
  ['a window that has passed', { ...good, window: { from: 0, until: at - 1 } }, facts, {}, ['window']],
  ['a window that has not begun', { ...good, window: { from: at + 1, until: at + 2 } }, facts, {}, ['window']],
  ['a window of no numbers', { ...good, window: { from: Number.NaN, until: Number.NaN } }, facts, {}, ['window']],
]
for (const [name, claims, evidence, rule, rules] of rows) {
  t.test(`${name}: ${rules.length > 0 ? `refused by ${rules.join(', ')}` : 'accepted'}`, async t => {
    const judgement = judge(claims, evidence, makeRule(rule), at)
    t.equal(judgement.accepted, rules.length === 0)
    t.same(judgement.accepted ? [] : judgement.reasons.map(reason => reason.rule), rules)
  })
}

t.test('all reasons come at once', async t => {
  const rule = makeRule({
    enclaves: [{ mrenclave: other }],
    dangerAcceptSynthetic: false,
    role: 'workload',
    service,
    refuse: { leafSha256s: [legacy.leafSha256], mrenclave: toHex(mrenclave) },
  })
  const judgement = judge(withFlags(2n), legacy, rule, window.until + 1)
  t.match(judgement, {
    accepted: false,
    reasons: [
      { rule: 'window', want: `${dateText(window.from)} to ${dateText(window.until)}` },
      { rule: 'mrenclave', want: other, got: toHex(mrenclave) },
      { rule: 'init', want: 'on', got: 'off' },
      { rule: 'mode64' },
      { rule: 'debug', want: 'off', got: 'on' },
      { rule: 'synthetic' },
      { rule: 'own-measurement' },
      { rule: 'own-certificate' },
      { rule: 'role', want: 'workload', got: 'legacy evidence, which carries no claims' },
      { rule: 'service' },
    ],
  })
})

const ends: [name: string, enclaves: readonly AcceptedEnclave[], until: number][] = [
  ['the window, where the entry has no end', [signer], window.until],
  ['the entry, where it ends first', [{ ...signer, until: at + 5 }], at + 5],
  ['the window, where it ends first', [{ ...signer, until: window.until + 5 }], window.until],
  [
    'the longest of the entries that fit',
    [
      { ...signer, until: at + 5 },
      { mrenclave: toHex(mrenclave), until: at + 9 },
    ],
    at + 9,
  ],
  [
    'not an entry that does not fit',
    [
      { ...signer, until: at + 5 },
      { mrenclave: other, until: at + 9 },
    ],
    at + 5,
  ],
]
for (const [name, enclaves, until] of ends) {
  t.test(`the verdict lasts until the end of ${name}`, async t => {
    t.match(judge(good, facts, makeRule({ enclaves }), at), { accepted: true, until })
  })
}

t.test('of a policy that was not wanted, the digest is told, or that there is none', async t => {
  const rule = makeRule({ policyDigests: ['11', '22'] })
  const told = (evidence: EvidenceFacts) => {
    const judgement = judge(good, evidence, rule, at)
    return judgement.accepted ? [] : judgement.reasons
  }
  t.match(told(facts), [{ rule: 'policy', want: '11 or 22', got: '00'.repeat(32) }])
  t.match(told(foreign), [{ got: 'no such claim' }])
  t.match(told(legacy), [{ got: 'legacy evidence, which carries no claims' }])
})

t.test('the window counts from its first moment to its last', async t => {
  for (const [when, accepted] of [
    [window.from - 1, false],
    [window.from, true],
    [window.until, true],
    [window.until + 1, false],
  ] as const) {
    t.equal(judge(good, facts, makeRule(), when).accepted, accepted)
  }
})

t.test('the verdict ends where the collateral becomes too old', async t => {
  const rule = makeRule({ maxCollateralAgeMs: 1500, enclaves: [signer] })
  t.match(judge(hardware({}), facts, rule, at), { accepted: true, until: at + 500 })
})

t.test('it never throws, and accepts only what some entry names', async () => {
  const hex = fc.oneof(fc.constant(toHex(mrenclave)), fc.constant(toHex(mrsigner)), fc.string())
  const entry: fc.Arbitrary<AcceptedEnclave> = fc.oneof(
    fc.record({ mrenclave: hex, until: fc.option(fc.double(), { nil: undefined }) }),
    fc.record({ mrsigner: hex, isvProdId: fc.nat(9), minIsvSvn: fc.nat(9) }),
  )
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 4 }), fc.double(), fc.bigInt(0n, 0xffn), (enclaves, when, flags) => {
      const judgement = judge(withFlags(flags), facts, makeRule({ enclaves }), when)
      if (!judgement.accepted) return judgement.reasons.length > 0
      const named = enclaves.some(e => fromHex('mrenclave' in e ? e.mrenclave : e.mrsigner) !== undefined)
      return named && (flags & 0x37n) === 5n && judgement.until >= when
    }),
    { numRuns: 2000 },
  )
})
