import { createHash } from 'node:crypto'
import t from 'tap'
import type { PeerJudgement } from '../../src/attest/evidence.ts'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { floorClock } from '../../src/base/floor.ts'
import { compatible, demo } from '../../src/config/policies.ts'
import { type Policy, readPolicy } from '../../src/config/policy.ts'
import { demoFunction, demoProxy, demoStranger } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import type { Finding, Judge } from '../../src/engine/dial.ts'
import { TrustBundle } from '../../src/identity/bundle.ts'
import type { Credential } from '../../src/identity/credential.ts'
import { generateKey, type KeyPair, selfSigned } from '../../src/identity/x509.ts'
import { openCollateral } from '../../src/proxy/collateral.ts'
import { makeJudge, type UpstreamOptions } from '../../src/proxy/upstream.ts'
import { realEvidenceMissing, realPath, realPem } from '../support/evidence.ts'
import { dates, FakeClock, makeCredential, makeIntermediate, makeLeaf, makeRoot, start } from '../support/identity.ts'

type Own = UpstreamOptions['own']

const stranger: Own = { mrenclave: undefined, leafSha256s: new Set(), credential: () => undefined }
const clock = { ...systemClock, now: () => start }
const policyDigest = 'd'.repeat(64)
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const read = (text: string): Policy => readPolicy(new TextEncoder().encode(text), 'test')

const withUpstream = (upstream: object): Policy =>
  read(
    JSON.stringify({
      version: 1,
      name: 'test',
      identity: { source: 'files', dangerAcceptForeignKey: true },
      upstream: { maxConnectionAgeSeconds: 60, ...upstream },
    }),
  )

function judgeOf(policy: Policy, own: Partial<Own> = {}, time: Clock = clock, bundle?: TrustBundle): Judge {
  const collateral = openCollateral(policy, floorClock(time, 0), () => undefined)
  const judge = makeJudge({
    policy,
    policyDigest,
    clock: time,
    own: { ...stranger, ...own },
    collateral,
    ...(bundle && { bundle }),
  })
  if (!judge) throw new Error('this policy judges')
  return judge
}

/** 'accepted', or the rules that were broken. */
const verdict = (finding: Finding): string =>
  finding.accepted ? 'accepted' : finding.reasons.map(({ rule }) => rule).join()

t.test('a plaintext upstream has no judge', async t => {
  const policy = read(compatible)
  const collateral = openCollateral(policy, floorClock(clock, 0), () => t.fail('it needs no collateral'))
  t.equal(collateral, undefined)
  t.equal(makeJudge({ policy, policyDigest, clock, own: stranger, collateral }), undefined)
})

t.test('attested', async t => {
  const [leaf] = (await demoCredential(demoFunction())).chain
  const now = systemClock
  const policy = read(demo)
  const rows: [name: string, own: Partial<Own>, want: string][] = [
    ["the policy's enclave", {}, 'accepted'],
    ['our own leaf', { leafSha256s: new Set([sha256(leaf)]) }, 'own-certificate'],
    ['our own measurement', { mrenclave: Buffer.from(demoFunction().mrenclave).toString('hex') }, 'own-measurement'],
  ]
  for (const [name, own, want] of rows) {
    t.test(`${name}: ${want}`, async t => t.equal(verdict(await judgeOf(policy, own, now).judge([leaf])), want))
  }
  t.test('somebody else', async t => {
    const [other] = (await demoCredential(demoStranger())).chain
    t.equal(verdict(await judgeOf(policy, {}, now).judge([other])), 'mrenclave')
    const [proxy] = (await demoCredential(demoFunction(), 'proxy')).chain
    t.equal(verdict(await judgeOf(policy, {}, now).judge([proxy])), 'role-proxy')
  })
  t.test('our own leaf counts from the moment that we show it', async t => {
    const leafSha256s = new Set<string>()
    const judge = judgeOf(policy, { leafSha256s }, now)
    t.equal(verdict(await judge.judge([leaf])), 'accepted')
    leafSha256s.add(sha256(leaf))
    t.equal(verdict(await judge.judge([leaf])), 'own-certificate')
  })
  t.test('a peer that comes again with the same leaf is not verified again', async t => {
    const judge = judgeOf(policy, {}, now)
    const claims = async () => ((await judge.judge([leaf])) as PeerJudgement & { accepted: true }).claims
    const first = await claims()
    t.equal(first.synthetic, true)
    t.equal(await claims(), first, 'the very object that the first verification made')
    t.not(((await judgeOf(policy, {}, now).judge([leaf])) as PeerJudgement & { accepted: true }).claims, first)
  })
  t.test('a verdict lasts no longer than the policy lets a connection grow old', async t => {
    const before = Date.now()
    const finding = await judgeOf(policy, {}, now).judge([leaf])
    if (!finding.accepted) throw new Error('refused')
    t.ok(finding.until <= Date.now() + 3_600_000)
    t.ok(finding.until >= before)
  })
  t.test('without a root of synthetic evidence, hardware evidence is refused for want of collateral', async t => {
    const text = demo.replace(/,\s*"dangerSyntheticRoot": "[^"]*"/, '').replace('"name": "demo"', '"name": "mine"')
    t.equal(verdict(await judgeOf(read(text), {}, now).judge([leaf])), 'collateral-missing')
  })
})

const attestedBy = (collateral: object, peer: object): Policy =>
  read(
    JSON.stringify({
      version: 1,
      name: 'mine',
      upstream: { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' },
      peers: { app: peer },
      collateral,
    }),
  )

t.test('attested, evidence from hardware', async t => {
  const enclaves = [{ mrenclave: '0866e7ca11b9f4efe4bf39b2607f4e1299f111920d96d95719080f01b62b7585' }]
  const lax = { enclaves, dangerAllowDebug: true, tcb: { profile: 'dangerOutOfDate' } }
  const from = (folder: string, more = {}) => ({ sources: [{ kind: 'directory', at: folder }], ...more })
  const [synthetic] = (await demoCredential(demoFunction())).chain

  t.test('a peer of no machine of Intel’s is refused before anything is asked for', async t => {
    const judge = judgeOf(attestedBy(from(`${t.testdir()}/none`), lax))
    t.equal(verdict(await judge.judge([synthetic])), 'quote-unverified')
    t.equal(verdict(await judge.judge([Uint8Array.of(0x30, 0)])), 'certificate-malformed')
    t.equal(judge.collateralGeneration(), 0)
  })

  t.test('a real peer is judged by the policy', { skip: realEvidenceMissing }, async t => {
    const when = Date.UTC(2025, 7, 20)
    const time = { ...systemClock, now: () => when }
    const real = realPath('sgx-v3-gramine-ratls-tagged-00606a')
    const leaf = realPem('ratls-certs/gramine-cert.pem')
    const rows: [name: string, collateral: object, peer: object, want: string][] = [
      ['whom the policy allows everything', from(real), lax, 'accepted'],
      ['a debug enclave', from(real), { ...lax, dangerAllowDebug: false }, 'debug'],
      ['an old platform', from(real), { ...lax, tcb: {} }, 'tcb-status'],
      ['collateral older than the policy wants', from(real, { maxAgeSeconds: 3600 }), lax, 'collateral-outdated'],
      ['a directory that is not there', from(`${t.testdir()}/none`), lax, 'collateral-missing'],
      ['another machine', from(real), { ...lax, platforms: ['00'.repeat(16)] }, 'platform'],
      ['no claim of a policy', from(real), { ...lax, policyDigests: ['00'.repeat(32)] }, 'policy'],
      ['another model', from(realPath('sgx-v3-phala-00a067110000')), lax, 'collateral-missing'],
    ]
    for (const [name, collateral, peer, want] of rows) {
      t.test(`${name}: ${want}`, async t => {
        const judge = judgeOf(attestedBy(collateral, peer), {}, time)
        const first = await judge.judge([leaf])
        t.equal(verdict(first), want)
        t.equal(judge.collateralGeneration(), 0, 'what is learnt replaces nothing')
        const second = await judge.judge([leaf])
        t.equal(verdict(second), want)
      })
    }
  })
})

const pem = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`

t.test('ca', async t => {
  const root = await makeRoot()
  const middle = await makeIntermediate(root)
  const policy = withUpstream({ mode: 'ca', ca: { bundle: pem(root.certificate), san: 'app.example.org' } })
  const judge = judgeOf(policy)
  t.match([judge.chainToContext, judge.policyDigest, judge.collateralGeneration()], [true, policyDigest, 0])
  const good = await makeLeaf(root)
  const rows: [name: string, chain: readonly [Uint8Array, ...Uint8Array[]], accepted: boolean][] = [
    ["the root's leaf", [good], true],
    ['a leaf with the intermediate that it needs', [await makeLeaf(middle), middle.certificate], true],
    ['a leaf without it', [await makeLeaf(middle)], false],
    ["another root's leaf", [await makeLeaf(await makeRoot())], false],
    ['another name', [await makeLeaf(root, { dnsNames: ['other.example.org'] })], false],
    ['an expired leaf', [await makeLeaf(root, { notBefore: start - 9000, notAfter: start - 5000 })], false],
    ['nonsense', [Uint8Array.of(0x30, 0)], false],
  ]
  for (const [name, chain, accepted] of rows) {
    t.test(`${name} is ${accepted ? 'accepted' : 'refused'}`, async t => {
      t.equal((await judge.judge(chain)).accepted, accepted)
    })
  }
  t.test('the verdict ends with the age of connections, or with the certificate where that is sooner', async t => {
    t.match(await judge.judge([good]), { accepted: true, until: start + 60_000 })
    const short = await makeLeaf(root, { notAfter: start + 5_000 })
    t.match(await judge.judge([short]), { accepted: true, until: start + 5_000 })
  })
  t.test('or with our own, where the container sees it', async t => {
    const credential = await makeCredential({ notAfter: start + 7_000 })
    const own = { credential: () => credential }
    t.match(await judgeOf(policy, own).judge([good]), { until: start + 60_000 })
    const showing = { ...policy, upstream: { ...policy.upstream, clientCertificate: true } }
    t.match(await judgeOf(showing, own).judge([good]), { until: start + 37_000 })
  })
})

t.test('a bundle that is replaced', async t => {
  const time = new FakeClock()
  const [first, second] = [await makeRoot('first'), await makeRoot('second')]
  const bundle = new TrustBundle(time, [first.certificate])
  const policy = withUpstream({ mode: 'ca', ca: { bundle: pem(first.certificate), san: 'app.example.org' } })
  const judge = judgeOf(policy, {}, time, bundle)
  const [old, young] = [await makeLeaf(first), await makeLeaf(second)]
  const both = async (): Promise<string[]> => [verdict(await judge.judge([old])), verdict(await judge.judge([young]))]
  const context = judge.secureContext()
  t.same(await both(), ['accepted', 'chain'])
  t.equal(judge.secureContext(), context)

  bundle.replace([second.certificate], 1000)
  const during = judge.secureContext()
  t.not(during, context, 'OpenSSL is told, which refuses first')
  t.same(await both(), ['accepted', 'accepted'])
  t.equal(judge.collateralGeneration(), 0, 'open connections go on')

  time.jump(1000)
  t.not(judge.secureContext(), during)
  t.same(await both(), ['chain', 'accepted'])
  t.equal(judge.collateralGeneration(), 1, 'connections that were judged by what is gone take no more requests')
})

t.test('pinned', async t => {
  const key = generateKey()
  const make = (pair: KeyPair = key, fields = dates): Promise<Uint8Array> =>
    selfSigned({ subject: { commonName: 'app' }, key: pair, ...fields })
  const hash = createHash('sha256').update(key.publicKey.export({ type: 'spki', format: 'der' }))
  const judge = judgeOf(withUpstream({ mode: 'pinned', pins: [`sha256/${hash.digest('base64')}`] }))
  t.equal(judge.chainToContext, false)
  const rows: [name: string, leaf: Uint8Array, want: string][] = [
    ['the pinned key', await make(), 'accepted'],
    ['the pinned key in a new certificate', await make(key, { ...dates, notBefore: start - 1000 }), 'accepted'],
    ['another key', await make(generateKey()), 'pin'],
    [
      'an expired certificate',
      await make(key, { notBefore: start - 9000, notAfter: start - 5000 }),
      'certificate-dates',
    ],
    ['one of the future', await make(key, { notBefore: start + 5000, notAfter: start + 9000 }), 'certificate-dates'],
    ['nonsense', Uint8Array.of(1, 2, 3), 'certificate-malformed'],
  ]
  for (const [name, leaf, want] of rows) {
    t.test(`${name}: ${want}`, async t => t.equal(verdict(await judge.judge([leaf])), want))
  }
})

t.test('what we show ourselves', async t => {
  const credential = await demoCredential(demoProxy())
  const another = await demoCredential(demoProxy())

  t.test('is ours of the moment, where the policy wants it shown', async t => {
    let current: Credential | undefined
    const judge = judgeOf(read(demo), { credential: () => current })
    const bare = judge.secureContext()
    t.equal(judge.secureContext(), bare)
    current = credential
    const first = judge.secureContext()
    t.not(first, bare)
    t.equal(judge.secureContext(), first, 'made once')
    current = another
    t.not(judge.secureContext(), first)
  })

  t.test('ends the connection that it was shown on: before a container that judges us does', async t => {
    const { chain } = await demoCredential(demoFunction())
    const at = Date.now()
    const untilWith = async (notAfter: number | undefined, policy = read(demo)): Promise<number> => {
      const own = notAfter === undefined ? undefined : { ...credential, notAfter }
      const finding = await judgeOf(policy, { credential: () => own }, { ...systemClock, now: () => at }).judge(chain)
      return finding.accepted ? finding.until - at : Number.NaN
    }
    const without = await untilWith(undefined)
    t.ok(without > 60_000)
    t.equal(await untilWith(at + 6_000), 36_000, 'half a minute is for what is under way')
    t.equal(await untilWith(at + 7_200_000), without, 'ours is not the first to end')
    t.equal(await untilWith(at - 1), without, 'it was accepted all the same')
    const silent = read(demo.replace('"clientCertificate": true', '"clientCertificate": false'))
    t.equal(await untilWith(at + 6_000, silent), without, 'nobody has seen it')
  })

  t.test('is nothing, where it does not', async t => {
    const policy = withUpstream({ mode: 'pinned', pins: [`sha256/${'A'.repeat(43)}=`] })
    let asked = 0
    const judge = judgeOf(policy, {
      credential: () => {
        asked++
        return credential
      },
    })
    t.equal(judge.secureContext(), judge.secureContext())
    t.equal(asked, 0)
  })
})
