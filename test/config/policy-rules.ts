import t from 'tap'
import { contradictions, peersOf, trustOf, unimplemented } from '../../src/config/policy-rules.ts'
import { policyShape } from '../../src/config/policy-shape.ts'
import { type Complaint, told, unfit } from '../../src/config/shape.ts'
import { syntheticRootPem } from '../../src/demo/tee.ts'

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

const refused: [name: string, part: object, complaint: string | RegExp][] = [
  [
    'client certificates',
    { inbound: { clients: { mode: 'required' } } },
    '/inbound/clients/mode: want this version does only "none", got "required"',
  ],
  [
    'clients without their certificates',
    { inbound: { clients: { allow: [{ spiffeId: 'spiffe://a/b' }] } } },
    /^\/inbound\/clients\/allow/,
  ],
  ['an identity header', { inbound: { identityHeader: 'postern-peer' } }, /^\/inbound\/identityHeader/],
  ['the CA', { identity: { source: 'provision' } }, /^\/identity\/source: .*got "provision"/],
  ['Vault', { identity: { source: 'vault' } }, /^\/identity\/source: .*got "vault"/],
  ["the CA's address", { identity: { provision: { url: 'https://a', accept: 'b' } } }, /^\/identity\/provision/],
  ['HTTP/2 only', { upstream: { mode: 'plaintext', protocol: 'h2' } }, /^\/upstream\/protocol/],
  ['ALPN', { upstream: { mode: 'plaintext', protocol: 'auto' } }, /^\/upstream\/protocol/],
  ['collateral sources', { collateral: { sources: [{ kind: 'pcs', at: 'https://a' }] } }, /^\/collateral\/sources/],
  ['an age of collateral', { collateral: { maxAgeSeconds: 1 } }, /^\/collateral\/maxAgeSeconds/],
  ['late collateral', { collateral: { dangerPastNextUpdateSeconds: 1 } }, /^\/collateral\/dangerPastNextUpdateSeconds/],
  ['spans', { observe: { otlp: 'https://a' } }, /^\/observe\/otlp/],
  ['sealed records', { observe: { sealTo: 'k' } }, /^\/observe\/sealTo/],
  ['signed policies', { signed: { required: true } }, /^\/signed\/required/],
  ['sources of signed policies', { signed: { from: ['podinfo'] } }, /^\/signed\/from/],
  ['signers', { signed: { signers: [{ kid: 'a', jwk: {}, services: [], may: [] }] } }, /^\/signed\/signers/],
  ['another TCB profile', peers({ tcb: { profile: 'dangerOutOfDate' } }), /^\/peers\/app\/tcb\/profile/],
  ['advisories', peers({ tcb: { advisories: ['INTEL-SA-00001'] } }), /^\/peers\/app\/tcb\/advisories/],
  [
    'evaluation numbers',
    peers({ tcb: { minEvaluationDataNumber: { tcbInfo: 1, qeIdentity: 1 } } }),
    /minEvaluationDataNumber/,
  ],
  ['a TCB date', peers({ tcb: { minTcbDate: '2027-01-01T00:00:00Z' } }), /^\/peers\/app\/tcb\/minTcbDate/],
  ['platforms', peers({ platforms: ['00'.repeat(16)] }), /^\/peers\/app\/platforms/],
  ['policies of peers', peers({ policyDigests: [hex] }), /^\/peers\/app\/policyDigests/],
  [
    'trust by service',
    { upstream: { ...attested, trust: 'service' }, ...peers({}) },
    /^\/upstream\/trust: want "measurement", .*got "service"/,
  ],
  ['trust left out', { upstream: { ...attested, trust: undefined }, ...peers({}) }, /^\/upstream\/trust: /],
  [
    'fresh evidence',
    { upstream: { ...attested, freshness: 'challenge' }, ...peers({}) },
    /^\/upstream\/freshness: .*got "challenge"/,
  ],
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
  const accepted = { enclaves: [{ mrenclave: hex, until: undefined }], dangerAllowDebug: false }
  t.same(judged({ upstream: attested, ...peers({}) }), {
    trust: { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app', accepted },
    complaints: [],
    document: judged({ upstream: attested, ...peers({}) }).document,
  })
  const ca = judged({ upstream: { mode: 'ca', ca: { bundle: syntheticRootPem, san: 'a.example' } } }).trust
  t.same(ca, { mode: 'ca', bundle: [syntheticRootPem], san: 'a.example' })
  const pin = `sha256/${Buffer.alloc(32, 1).toString('base64')}`
  t.same(judged({ upstream: { mode: 'pinned', pins: [pin] } }).trust, { mode: 'pinned', pins: ['01'.repeat(32)] })
  t.same(judged({}).trust, { mode: 'plaintext' })
})

t.test('of a peer this version judges by enclaves and debug', async t => {
  const peer = judged({ upstream: attested, ...peers({ dangerAllowDebug: true }) }).document.peers['app']
  t.same(peer && Object.keys(peersOf(peer)), ['enclaves', 'dangerAllowDebug'])
})
