import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { bindClaims } from '../../src/attest/bind.ts'
import { readCertificate } from '../../src/attest/certificate.ts'
import { endorsementsOid } from '../../src/attest/endorsements.ts'
import { judgePeer, needsOf, type Trust } from '../../src/attest/peer.ts'
import type { PeerRule } from '../../src/attest/policy.ts'
import { evidenceExtensions } from '../../src/attest/ratls.ts'
import { intelRoot } from '../../src/attest/root.ts'
import { toHex } from '../../src/base/bytes.ts'
import { encodeCbor } from '../../src/base/cbor.ts'
import { ecKeys, makeCertificate, makePlatform } from '../support/certificates.ts'
import {
  anyReportData,
  at,
  makeClaims,
  makePeer,
  makeRule,
  makeTee,
  mrenclave,
  type PeerOptions,
  realBytes,
  realEvidenceMissing,
  realPem,
  service,
  spkiOf,
  trust,
} from '../support/evidence.ts'
import { makeIntel, nextUpdate, now, signDocument, tcbInfo } from '../support/pki-intel.ts'
import { readFiles, toCollateral } from '../support/pki-real.ts'

const rulesOf = (leaf: Uint8Array, rule: PeerRule = makeRule(), given: Trust = trust, when = at) => {
  const judgement = judgePeer(leaf, rule, given, when)
  return judgement.accepted ? [] : judgement.reasons.map(reason => reason.rule)
}

t.test('a container with good evidence is accepted, with what it claims and for how long', async t => {
  const leaf = await makePeer({ certificate: { notAfter: new Date(at + 5000) } })
  t.match(judgePeer(leaf, makeRule({ role: 'workload', service }), trust, at), {
    accepted: true,
    until: at + 5000,
    claims: { tcbStatus: 'Synthetic' },
    evidence: { format: 'tagged', leafSha256: readCertificate(leaf).sha256, postern: { service, role: 'workload' } },
  })
})

t.test('the verdict ends with the enclave entry where that ends first', async t => {
  const rule = makeRule({ enclaves: [{ mrenclave: toHex(mrenclave), until: at + 7 }] })
  t.match(judgePeer(await makePeer(), rule, trust, at), { accepted: true, until: at + 7 })
})

const strangers = ecKeys()
const keys = ecKeys()
const claims = makeClaims(keys)
const half = anyReportData(bindClaims(claims).subarray(0, 32), new Uint8Array(32).fill(1))
const rows: [name: string, options: PeerOptions, rules: string[], rule?: Partial<PeerRule>][] = [
  ['legacy evidence beside tagged', { legacy: 'beside' }, []],
  ['legacy evidence alone', { legacy: 'alone' }, []],
  ['legacy evidence alone where a role is asked for', { legacy: 'alone' }, ['role'], { role: 'workload' }],
  ['a foreign peer', { keys, claimBytes: encodeCbor(new Map([foreignKey(keys)])) }, []],
  [
    'a foreign peer where a role is asked for',
    { keys, claimBytes: encodeCbor(new Map([foreignKey(keys)])) },
    ['role'],
    { role: 'workload' },
  ],
  ['a certificate that an authority issued', { certificate: { issuer: { name: 'authority', keys: strangers } } }, []],
  [
    'a self-issued one that another key signed',
    { certificate: { issuer: { name: 'peer', keys: strangers } } },
    ['certificate-malformed'],
  ],
  ['no evidence', { certificate: { extensions: [] } }, ['evidence-missing']],
  ['a quote over something else', { reportData: anyReportData(new Uint8Array(64)) }, ['evidence-unbound']],
  ['a quote over the right hash and then something', { keys, reportData: half }, ['evidence-unbound']],
  ['evidence for another key', { keys, claimBytes: makeClaims(strangers) }, ['evidence-unbound']],
  ['a P-521 key', { keys: ecKeys('P-521') }, ['evidence-malformed']],
  ['a certificate that has ended', { certificate: { notAfter: new Date(at - 1000) } }, ['certificate-dates']],
  ['a certificate that has not begun', { certificate: { notBefore: new Date(at + 1000) } }, ['certificate-dates']],
  ['another enclave', { tee: makeTee({ mrenclave: new Uint8Array(32) }) }, ['mrenclave']],
  ['a debug enclave', { tee: makeTee({ debug: true }) }, ['debug']],
  ['another proxy', { claims: { role: 'proxy' } }, ['role-proxy']],
  ['another service', { claims: { service: `${service}x` } }, ['service'], { service }],
  ['evidence for a challenge', { claims: { use: 'challenge' } }, ['use']],
  [
    'everything wrong at once',
    {
      tee: makeTee({ debug: true, mrenclave: new Uint8Array(32) }),
      claims: { role: 'proxy' },
      certificate: { notAfter: new Date(at - 1000) },
    },
    ['mrenclave', 'debug', 'synthetic', 'role-proxy', 'role', 'certificate-dates'],
    { role: 'workload', dangerAcceptSynthetic: false },
  ],
]
function foreignKey(of: typeof keys): [string, Uint8Array] {
  return ['pubkey-hash', encodeCbor([1, bindClaims(spkiOf(of)).subarray(0, 32)])]
}
for (const [name, options, rules, rule] of rows) {
  t.test(`${name}: ${rules.length > 0 ? `refused by ${rules.join(', ')}` : 'accepted'}`, async t => {
    t.same(rulesOf(await makePeer(options), makeRule(rule)), rules)
  })
}

t.test('of a genuine peer that is refused, the claims are told; of any other, none', async t => {
  const refused = (leaf: Uint8Array, rule: PeerRule) => {
    const judgement = judgePeer(leaf, rule, trust, at)
    return judgement.accepted ? undefined : judgement.refused
  }
  const debug = await makePeer({ tee: makeTee({ debug: true }) })
  t.equal(toHex(refused(debug, makeRule())?.body.mrenclave ?? new Uint8Array()), toHex(mrenclave))
  const old = await makePeer({ certificate: { notAfter: new Date(at - 1000) } })
  t.not(refused(old, makeRule()), undefined)
  t.equal(refused(await makePeer({ reportData: anyReportData(new Uint8Array(64)) }), makeRule()), undefined)
})

t.test('a certificate counts from its first moment to its last', async t => {
  const [from, until] = [at - 5000, at + 5000]
  const leaf = await makePeer({ certificate: { notBefore: new Date(from), notAfter: new Date(until) } })
  for (const [when, rules] of [
    [from - 1, ['certificate-dates']],
    [from, []],
    [until, []],
    [until + 1, ['certificate-dates']],
  ] as const) {
    t.same(rulesOf(leaf, makeRule(), trust, when), rules)
  }
})

t.test('our own certificate and our own measurement are refused though the rule accepts them', async t => {
  const leaf = await makePeer()
  const { sha256 } = readCertificate(leaf)
  const refuse = { leafSha256s: [sha256], mrenclave: toHex(mrenclave) }
  t.same(rulesOf(leaf, makeRule({ refuse })), ['own-measurement', 'own-certificate'])
})

t.test('a chain of another root, a root that cannot be read, a time that is none', async t => {
  const leaf = await makePeer()
  const { chain } = await makePlatform()
  t.same(rulesOf(leaf, makeRule(), { ...trust, root: chain[2] }), ['quote-unverified'])
  t.same(rulesOf(leaf, makeRule(), { ...trust, root: new Uint8Array() }), ['certificate-malformed'])
  t.same(rulesOf(leaf, makeRule(), trust, Number.NaN), ['quote-unverified'])
})

t.test('a reason says what was wanted and what was there', async t => {
  const judgement = judgePeer(await makePeer({ certificate: { extensions: [] } }), makeRule(), trust, at)
  t.match(judgement, {
    reasons: [{ want: 'evidence in the certificate', got: 'certificate: no evidence extension' }],
  })
})

t.test('a bug of ours is a refusal too', async t => {
  const rule = undefined as unknown as PeerRule
  t.match(judgePeer(await makePeer(), rule, trust, at), {
    accepted: false,
    reasons: [{ rule: 'internal', got: 'TypeError' }],
  })
})

t.test('the certificate that OpenSSL would find inside is never judged instead', async t => {
  const leaf = await makePeer()
  const naive = new X509Certificate(leaf)
  t.match(naive.subject, 'SYNTHETIC SGX')
  t.same(rulesOf(naive.raw), ['evidence-missing'])
  t.match(judgePeer(leaf, makeRule(), trust, at), { evidence: { leafSha256: readCertificate(leaf).sha256 } })
})

t.test('a certificate cut at any length is refused', async t => {
  const leaf = await makePeer()
  for (let length = 0; length < leaf.length; length += 1) {
    if (judgePeer(leaf.subarray(0, length), makeRule(), trust, at).accepted) t.fail(`${length} bytes`)
  }
})

t.test('evidence spoilt in a certificate that is signed all the same: refused, never thrown', async () => {
  const tee = makeTee()
  const quote = await tee.quote(bindClaims(claims))
  const value = encodeCbor({ tag: 60_000, value: [quote, claims] })
  const spoilt = fc.array(fc.tuple(fc.nat(value.length - 1), fc.nat(255)), { maxLength: 3 }).map(changes => {
    const copy = new Uint8Array(value)
    for (const [i, byte] of changes) copy[i] = byte
    return copy
  })
  const extension = fc.oneof(spoilt, fc.uint8Array({ minLength: 256, maxLength: 400 }))
  await fc.assert(
    fc.asyncProperty(extension, async bytes => {
      const leaf = await makeCertificate({ name: 'x', keys, extensions: [{ oid: '2.23.133.5.4.9', value: bytes }] })
      const judgement = judgePeer(leaf, makeRule(), trust, at)
      return !judgement.accepted || toHex(judgement.claims.body.mrenclave) === toHex(mrenclave)
    }),
    { numRuns: 200 },
  )
})

t.test('arbitrary and mutated bytes are refused, never thrown', async () => {
  const leaf = await makePeer()
  const mutated = fc
    .array(fc.tuple(fc.nat(leaf.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .map(changes => {
      const copy = new Uint8Array(leaf)
      for (const [i, byte] of changes) copy[i] = byte
      return copy
    })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 500 }), mutated), bytes => {
      const judgement = judgePeer(bytes, makeRule(), trust, at)
      if (!judgement.accepted) return true
      const whole = Buffer.from(bytes).equals(leaf) || !readCertificate(bytes).selfIssued
      return whole && toHex(judgement.claims.body.mrenclave) === toHex(mrenclave)
    }),
    { numRuns: 1000 },
  )
})

t.test(
  "real peers: Intel's root with synthetic collateral is refused, and so is another root",
  { skip: realEvidenceMissing },
  async t => {
    const intel: Trust = { root: realBytes('roots/intel-sgx-root-ca.der'), collateral: { kind: 'synthetic' } }
    for (const path of [
      'ratls-certs/gramine-cert.pem',
      'ratls-certs/intel-sgxsdk-cert.pem',
      'ratls-certs/rats-tls-cert.pem',
    ]) {
      t.same(rulesOf(realPem(path), makeRule(), intel), ['collateral-missing'])
      t.same(rulesOf(realPem(path)), ['quote-unverified'])
    }
  },
)

t.test("Intel's collateral: the one for the peer's platform is chosen, and its faults are told as such", async t => {
  const intel = await makeIntel()
  const tcb = signDocument('tcbInfo', tcbInfo({ fmspc: '000000000001' }), intel.keys.signing)
  const strange = await makeIntel()
  const leaf = await makePeer({ tee: makeTee({ platform: intel.platform }) })
  const judged = (collateral: Trust['collateral'], when = now) =>
    rulesOf(leaf, makeRule(), { root: intel.root, collateral }, when)
  t.same(judged(intel.collateral), [])
  t.same(judged([{ ...intel.collateral }]), [])
  t.same(judged([]), ['collateral-missing'])
  t.same(judged([{ ...intel.collateral, tcbInfo: tcb }]), ['collateral-missing'])
  t.same(judged([strange.collateral]), ['collateral-unverified'])
  t.same(judged(intel.collateral, nextUpdate + 1), ['collateral-outdated'])
  t.same(judged({ ...intel.collateral, rootCaCrl: new Uint8Array() }), ['collateral-malformed'])
  const judgement = judgePeer(leaf, makeRule(), { root: intel.root, collateral: [intel.collateral] }, now)
  t.match(judgement, { accepted: true, until: nextUpdate, claims: { tcbStatus: 'UpToDate' } })
})

t.test(
  'real peers with real collateral: genuine, and refused for what they are',
  { skip: realEvidenceMissing },
  async t => {
    const when = Date.UTC(2025, 7, 20)
    const collateral = toCollateral(readFiles('sgx-v3-gramine-ratls-tagged-00606a'))
    const intel: Trust = { root: intelRoot(), collateral: [collateral] }
    const leaf = realPem('ratls-certs/gramine-cert.pem')
    const enclaves = [{ mrenclave: '0866e7ca11b9f4efe4bf39b2607f4e1299f111920d96d95719080f01b62b7585' }]
    const rule = makeRule({ enclaves, dangerAcceptSynthetic: false })
    t.same(rulesOf(leaf, rule, intel, when), ['debug', 'tcb-status'])
    t.same(rulesOf(leaf, { ...rule, role: 'workload', policyDigests: ['00'.repeat(32)] }, intel, when), [
      'debug',
      'tcb-status',
      'role',
      'policy',
    ])
    const lax: PeerRule = {
      ...rule,
      dangerAllowDebug: true,
      tcb: { profile: 'dangerOutOfDate', advisories: [], floors: {} },
    }
    t.match(judgePeer(leaf, lax, intel, when), {
      accepted: true,
      claims: { synthetic: false, tcbStatus: 'OutOfDate' },
      evidence: { format: 'tagged' },
    })
    t.same(rulesOf(realPem('ratls-certs/intel-sgxsdk-cert.pem'), lax, intel, when), ['collateral-missing'])
  },
)

t.test(
  'what judging takes: the model of a machine that the root vouches for, and what the peer brings along',
  async t => {
    const made = await makeIntel()
    const tee = makeTee({ platform: made.platform })
    const plain = needsOf(await makePeer({ tee }), made.root)
    t.same(plain.model, { fmspc: '5f5f5f000000', ca: 'platform' })
    t.equal(plain.stapled(), undefined)
    const { tcbInfo, tcbInfoIssuerChain, pckCrl, rootCaCrl, pckCrlIssuerChain, qeIdentity, qeIdentityIssuerChain } =
      made.collateral
    const fields = [
      1,
      tcbInfo,
      tcbInfoIssuerChain,
      pckCrl,
      rootCaCrl,
      pckCrlIssuerChain,
      qeIdentity,
      qeIdentityIssuerChain,
    ]
    const own = ecKeys()
    const claims = makeClaims(own)
    const evidence = evidenceExtensions({ quote: await tee.quote(bindClaims(claims)), claims })
    const staple = { oid: endorsementsOid, value: encodeCbor({ tag: 60_000, value: fields }) }
    const bringing = await makeCertificate({ name: 'peer', keys: own, extensions: [...evidence, staple] })
    const stapled = needsOf(bringing, made.root).stapled()
    t.same(stapled, made.collateral)
    t.same(rulesOf(bringing, makeRule(), { root: made.root, collateral: stapled ?? [] }, now), [])
    t.throws(() => needsOf(Uint8Array.of(1), made.root), { code: 'certificate-malformed' })
    const keys = ecKeys()
    const bare = await makeCertificate({ name: 'peer', keys })
    t.throws(() => needsOf(bare, made.root), { code: 'evidence-missing' })
    const strange = await makeIntel()
    const leaf = await makePeer({ tee })
    t.throws(() => needsOf(leaf, strange.root), { code: 'quote-unverified' })
  },
)

t.test('collateral past its next update counts for as long as the trust says', async t => {
  const made = await makeIntel()
  const leaf = await makePeer({ tee: makeTee({ platform: made.platform }) })
  const late = nextUpdate + 1000
  const judged = (pastNextUpdateMs?: number) =>
    rulesOf(leaf, makeRule(), { root: made.root, collateral: [made.collateral], pastNextUpdateMs }, late)
  t.same(judged(), ['collateral-outdated'])
  t.same(judged(999), ['collateral-outdated'])
  t.same(judged(1000), [])
})
