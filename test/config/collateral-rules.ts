import t from 'tap'
import { collateralOf } from '../../src/config/collateral-rules.ts'
import { dangers, readPolicy } from '../../src/config/policy.ts'
import { policyShape } from '../../src/config/policy-shape.ts'
import { type Complaint, told, unfit } from '../../src/config/shape.ts'

function judged(collateral: object) {
  const complaints: Complaint[] = []
  const value = { version: 1, name: 'x', upstream: { mode: 'plaintext' }, collateral }
  const document = policyShape.read(value, '', complaints)
  if (document === unfit) throw new Error(complaints.map(told).join('; '))
  return { rules: collateralOf(document.collateral, complaints), complaints: complaints.map(told) }
}

t.test('each kind has what it needs, and Intel and Azure an address of their own', async t => {
  const { rules, complaints } = judged({
    sources: [
      { kind: 'pcs' },
      { kind: 'pcs', at: 'http://mirror:8080/a', rootCrlAt: 'http://mirror:8080/root.crl' },
      { kind: 'pccs', at: 'https://[fd00::1]:8081' },
      { kind: 'azure' },
      { kind: 'directory', at: '/collateral' },
      { kind: 'stapled' },
    ],
  })
  t.same(complaints, [])
  t.same(rules, {
    sources: [
      {
        kind: 'pcs',
        at: 'https://api.trustedservices.intel.com',
        rootCrlAt: 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
      },
      { kind: 'pcs', at: 'http://mirror:8080/a', rootCrlAt: 'http://mirror:8080/root.crl' },
      { kind: 'pccs', at: 'https://[fd00::1]:8081', rootCrlAt: undefined },
      { kind: 'azure', at: 'https://global.acccache.azure.net', rootCrlAt: undefined },
      { kind: 'directory', at: '/collateral' },
      { kind: 'stapled' },
    ],
    evaluation: 'standard',
    maxAgeMs: undefined,
    dangerPastNextUpdateSeconds: 0,
  })
})

t.test('dates and evaluation data', async t => {
  const { rules } = judged({ update: 'early', maxAgeSeconds: 60, dangerPastNextUpdateSeconds: 90 })
  t.match(rules, { evaluation: 'early', maxAgeMs: 60_000, dangerPastNextUpdateSeconds: 90 })
  t.equal(judged({ evaluationDataNumber: 18 }).rules.evaluation, 18)
})

const one = (source: object) => ({ sources: [source] })
const url = 'an http or https URL without user, query and fragment'
const refused: [name: string, collateral: object, complaint: string][] = [
  ['a PCCS nowhere', one({ kind: 'pccs' }), '/collateral/sources/0/at: want the URL of the PCCS, got nothing'],
  ['no directory', one({ kind: 'directory' }), "/collateral/sources/0/at: want the directory's path, got nothing"],
  ['a staple somewhere', one({ kind: 'stapled', at: 'x' }), '/at: want nothing, as kind is "stapled"'],
  ['a list of a PCCS', one({ kind: 'pccs', at: 'http://a', rootCrlAt: 'http://b' }), '/rootCrlAt: want nothing'],
  ['a path for a service', one({ kind: 'azure', at: '/collateral' }), `/at: want ${url}`],
  ['another scheme', one({ kind: 'pcs', at: 'ftp://a' }), `/at: want ${url}`],
  ['a query', one({ kind: 'pcs', at: 'https://a/?b' }), `/at: want ${url}`],
  ['a user', one({ kind: 'pcs', at: 'https://u:p@a' }), `/at: want ${url}`],
  ['no port', one({ kind: 'pcs', at: 'https://a:b' }), `/at: want ${url}`],
  ['a list that is no URL', one({ kind: 'pcs', rootCrlAt: 'x' }), `/rootCrlAt: want ${url}`],
  ['nine sources', { sources: Array(9).fill({ kind: 'pcs' }) }, '/collateral/sources: want at most 8, got 9'],
  [
    'early data of one number',
    { update: 'early', evaluationDataNumber: 18 },
    '/collateral/update: want "standard", as one evaluation data number is asked for, got "early"',
  ],
]
for (const [name, collateral, complaint] of refused) {
  t.test(`${name}: refused`, async t => {
    const { complaints } = judged(collateral)
    t.equal(complaints.length, 1)
    t.match(complaints[0], complaint)
  })
}

t.test('a policy with such a complaint is none', async t => {
  const text = { version: 1, name: 'x', upstream: { mode: 'plaintext' }, collateral: one({ kind: 'pccs' }) }
  t.throws(() => readPolicy(new TextEncoder().encode(JSON.stringify(text)), 'x'), { code: 'policy-invalid' })
})

t.test('collateral past its next update is a danger, by name', async t => {
  const text = (dangerPastNextUpdateSeconds: number) =>
    JSON.stringify({
      version: 1,
      name: 'x',
      upstream: { mode: 'plaintext' },
      collateral: { dangerPastNextUpdateSeconds },
    })
  const of = (seconds: number) => dangers(readPolicy(new TextEncoder().encode(text(seconds)), 'x'))
  t.same(of(0), [])
  t.same(of(1), ['collateral.dangerPastNextUpdateSeconds'])
})
