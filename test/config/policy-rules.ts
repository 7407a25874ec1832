import t from 'tap'
import { contradictions, peersOf, trustOf, unimplemented } from '../../src/config/policy-rules.ts'
import { policyShape } from '../../src/config/policy-shape.ts'
import { type Complaint, told, unfit } from '../../src/config/shape.ts'
import { syntheticRootPem } from '../../src/demo/tee.ts'
import { p256Key } from '../support/signed.ts'

const hex = 'ab'.repeat(32)
const enclaves = [{ mrenclave: hex }]
const attested = { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' }

function judged(part: object) {
  const complaints: Complaint[] = []
  const value = { version: 1, name: 'x', upstream: { mode: 'plaintext' }, ...part }
  const document = policyShape.read(value, '', complaints)
  if (document === unfit) throw new Error(complaints.map(told).join('; '))
  complaints.push(...unimplemented(document), ...contradictions(document))
  const trust = trustOf(document, complaints)
  return { trust, complaints: complaints.map(told), document }
}

const peers = (entry: object) => ({ peers: { app: { enclaves, ...entry } } })

const signer = (entry: object = {}) => ({
  kid: 'a',
  jwk: p256Key().jwk,
  services: ['spiffe://c1/'],
  may: ['service'],
  ...entry,
})
const signed = (signers: object[], from = ['podinfo']) => ({ signed: { from, signers } })

const refused: [name: string, part: object, complaint: string | RegExp][] = [
  [
    'tunnels over HTTP/2 where there are none',
    {
      inbound: { http2: { extendedConnect: true } },
      upstream: { mode: 'plaintext', upgrade: { allow: [] } },
    },
    '/inbound/http2/extendedConnect: want false, as /upstream/upgrade/allow is empty, got true',
  ],
  [
    'tunnels to a container of HTTP/2 alone',
    {
      inbound: { http2: { extendedConnect: true } },
      upstream: { mode: 'plaintext', protocol: 'h2', upgrade: { allow: ['websocket'] } },
    },
    '/inbound/http2/extendedConnect: want false, as a tunnel needs a container of HTTP/1.1, got true',
  ],
  ['ALPN', { upstream: { mode: 'plaintext', protocol: 'auto' } }, /^\/upstream\/protocol/],
  [
    'collateral for synthetic evidence',
    {
      name: 'demo',
      dangerSyntheticRoot: syntheticRootPem,
      collateral: { sources: [{ kind: 'directory', at: '/c' }] },
    },
    /^\/collateral\/sources: want nothing, as there is no collateral for synthetic evidence/,
  ],
  ['spans', { observe: { otlp: 'https://a' } }, /^\/observe\/otlp/],
  ['sealed records', { observe: { sealTo: 'k' } }, /^\/observe\/sealTo/],
  [
    'a signed policy that nobody may sign',
    { signed: { required: true } },
    '/signed/signers: want a signer, as /signed/required is true, got []',
  ],
  ['a place to look for what nobody may sign', { signed: { from: ['podinfo'] } }, /^\/signed\/from: want nothing/],
  ['signers of what nobody looks for', signed([signer()], []), /^\/signed\/from: want a place to look/],
  [
    'two signers of one name',
    signed([signer(), signer()]),
    /^\/signed\/signers\/1\/kid: want a name of its own, got "a"/,
  ],
  ['a signer for no service', signed([signer({ services: [] })]), /^\/signed\/signers\/0\/services: want a service/],
  [
    'a signer of what nobody may sign',
    signed([signer({ may: ['upstream.mode'] })]),
    /^\/signed\/signers\/0\/may: want one of service, hosts, .*peers\.<name>\.enclaves.*, got "upstream\.mode"$/,
  ],
  [
    'a signer of dangers',
    signed([signer({ may: ['dangerSyntheticRoot'] })]),
    /^\/signed\/signers\/0\/may: want one of/,
  ],
  [
    'a signer of a whole part',
    { ...signed([signer({ may: ['peers.app'] })]), ...peers({}) },
    /^\/signed\/signers\/0\/may: want one of/,
  ],
  [
    'a signer of a peer that is not there',
    { ...signed([signer({ may: ['peers.ap.enclaves'] })]), ...peers({}) },
    '/signed/signers/0/may: want a key of /peers, got "peers.ap.enclaves"',
  ],
  [
    'advisories that nobody would look at',
    peers({ tcb: { advisories: ['INTEL-SA-00001'] } }),
    '/peers/app/tcb/advisories: want nothing, as the profile is "strict", got ["INTEL-SA-00001"]',
  ],
  [
    'advisories where everything goes',
    peers({ tcb: { profile: 'dangerOutOfDate', advisories: ['INTEL-SA-00001'] } }),
    /^\/peers\/app\/tcb\/advisories: want nothing/,
  ],
  [
    'trust by service',
    { upstream: { ...attested, trust: 'service' }, ...peers({}) },
    /^\/upstream\/trust: want "measurement", .*needs \/identity\/source "provision", not "self-signed", got "service"/,
  ],
  ['trust left out', { upstream: { ...attested, trust: undefined }, ...peers({}) }, /^\/upstream\/trust: /],
  [
    'evidence as fresh as a certificate of the attesting CA',
    { upstream: { ...attested, freshness: 'issued' }, ...peers({}) },
    /^\/upstream\/freshness: .*needs \/identity\/source "provision", not "self-signed", got "issued"/,
  ],
  ['freshness left out', { upstream: { ...attested, freshness: undefined }, ...peers({}) }, /^\/upstream\/freshness: /],
  [
    'a peer that is not there',
    { upstream: { ...attested, accept: 'ap' }, ...peers({}) },
    '/upstream/accept: want a key of /peers, got "ap"',
  ],
  ['an inherited peer', { upstream: { ...attested, accept: 'constructor' }, ...peers({}) }, /^\/upstream\/accept: /],
  [
    'no peer',
    { upstream: { ...attested, accept: undefined } },
    /^\/upstream\/accept: want a key of \/peers, got nothing/,
  ],
  [
    'pins in another mode',
    { upstream: { ...attested, pins: [] }, ...peers({}) },
    '/upstream/pins: want nothing, as mode is "attested", got a value',
  ],
  ['a peer in another mode', { upstream: { mode: 'plaintext', accept: 'app' } }, /^\/upstream\/accept: want nothing/],
  ['no pins', { upstream: { mode: 'pinned', pins: [] } }, /^\/upstream\/pins: want at least one pin/],
  ['no CA', { upstream: { mode: 'ca' } }, /^\/upstream\/ca: want bundle and san/],
  [
    'a certificate in plaintext',
    { upstream: { mode: 'plaintext', clientCertificate: true } },
    /^\/upstream\/clientCertificate/,
  ],
  [
    'a synthetic root outside of demo',
    { dangerSyntheticRoot: syntheticRootPem },
    /^\/dangerSyntheticRoot: want nothing/,
  ],
  ['files without their danger', { identity: { source: 'files' } }, /^\/identity\/dangerAcceptForeignKey: want true/],
  [
    'any tunnel and one',
    { upstream: { mode: 'plaintext', upgrade: { allow: ['*', 'a'] } } },
    /^\/upstream\/upgrade\/allow: want "\*" alone/,
  ],
  ['any field and one', { observe: { allow: ['*', 'method'] } }, /^\/observe\/allow: want "\*" alone/],
]
for (const [name, part, complaint] of refused) {
  t.test(`${name}: refused by name`, async t => {
    // A key that is undefined in a row above is one that the document leaves out.
    const { complaints } = judged(JSON.parse(JSON.stringify(part)))
    t.equal(complaints.length, 1)
    t.match(complaints, [complaint])
  })
}

t.test('each mode yields what it needs', async t => {
  const kss = { isvExtProdId: undefined, isvFamilyId: undefined, configId: undefined, minConfigSvn: undefined }
  const floors = {
    tcbInfo: undefined,
    qeIdentity: undefined,
    rootCrl: undefined,
    pckCrl: undefined,
    tcbDate: undefined,
    issuedAt: undefined,
  }
  const accepted = {
    enclaves: [{ mrenclave: hex, ...kss, until: undefined }],
    tcb: { profile: 'strict', advisories: [], floors },
    platforms: [],
    policyDigests: [],
    dangerAllowDebug: false,
  }
  t.same(judged({ upstream: attested, ...peers({}) }), {
    trust: { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app', accepted },
    complaints: [],
    document: judged({ upstream: attested, ...peers({}) }).document,
  })
  const asking = { ...attested, freshness: 'challenge' }
  t.match(judged({ upstream: asking, ...peers({}) }), { trust: { freshness: 'challenge' }, complaints: [] })
  const strong = { upstream: { mode: 'attested', accept: 'app' }, identity: { source: 'provision' }, ...peers({}) }
  t.match(judged(strong), { trust: { trust: 'service', freshness: 'issued' }, complaints: [] })
  const ca = judged({ upstream: { mode: 'ca', ca: { bundle: syntheticRootPem, san: 'a.example' } } }).trust
  t.same(ca, { mode: 'ca', bundle: [syntheticRootPem], san: 'a.example' })
  const pin = `sha256/${Buffer.alloc(32, 1).toString('base64')}`
  t.same(judged({ upstream: { mode: 'pinned', pins: [pin] } }).trust, { mode: 'pinned', pins: ['01'.repeat(32)] })
  t.same(judged({}).trust, { mode: 'plaintext' })
})

t.test('everything that a peer entry asks for reaches its judge', async t => {
  const entry = {
    enclaves: [
      { mrsigner: hex, isvProdId: 1, minIsvSvn: 2, isvExtProdId: 'AA'.repeat(16), configId: '01'.repeat(64) },
      { mrenclave: hex, isvFamilyId: '02'.repeat(16), minConfigSvn: 3 },
    ],
    tcb: {
      profile: 'swHardeningOk',
      advisories: ['INTEL-SA-00615'],
      minEvaluationDataNumber: { tcbInfo: 17, qeIdentity: 18 },
      minCrlNumber: { root: 3, pck: 4 },
      minTcbDate: '2024-03-13T00:00:00Z',
      minIssueDate: '2025-01-01T00:00:00Z',
    },
    platforms: ['BB'.repeat(16)],
    policyDigests: [hex],
    dangerAllowDebug: true,
  }
  const peer = judged({ upstream: attested, ...peers(entry) })
  t.same(peer.complaints, [])
  const app = peer.document.peers['app']
  if (!app) throw new Error('no peer')
  t.match(peersOf(app), {
    enclaves: [
      { mrsigner: hex, isvProdId: 1, minIsvSvn: 2, isvExtProdId: 'aa'.repeat(16), configId: '01'.repeat(64) },
      { mrenclave: hex, isvFamilyId: '02'.repeat(16), minConfigSvn: 3 },
    ],
    tcb: {
      profile: 'swHardeningOk',
      advisories: ['INTEL-SA-00615'],
      floors: {
        tcbInfo: 17,
        qeIdentity: 18,
        rootCrl: 3,
        pckCrl: 4,
        tcbDate: Date.UTC(2024, 2, 13),
        issuedAt: Date.UTC(2025, 0, 1),
      },
    },
    platforms: ['bb'.repeat(16)],
    policyDigests: [hex],
    dangerAllowDebug: true,
  })
})
