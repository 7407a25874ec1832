import t from 'tap'
import { type PolicyDocument, policySchema, policyShape } from '../../src/config/policy-shape.ts'
import { type Complaint, told, type Unfit, unfit } from '../../src/config/shape.ts'
import { syntheticRootPem } from '../../src/demo/tee.ts'
import { ed25519Key, p256Key } from '../support/signed.ts'

const hex = 'ab'.repeat(32)
const { jwk } = p256Key()
const minimal = { version: 1, name: 'x', upstream: { mode: 'plaintext' } }

function read(value: unknown): { document: PolicyDocument | Unfit; complaints: readonly string[] } {
  const complaints: Complaint[] = []
  const document = policyShape.read(value, '', complaints)
  return { document, complaints: complaints.map(told) }
}

t.test('the smallest document gets the safe defaults', async t => {
  const { document } = read(minimal)
  t.match(document, {
    service: null,
    hosts: [],
    limits: { concurrency: null },
    inbound: { plaintext: 'probes-only', clients: { mode: 'none' }, identityHeader: null },
    identity: { source: 'self-signed', lifetimeSeconds: 86_400, legacyExtension: false, dangerAcceptForeignKey: false },
    upstream: { protocol: 'mirror', clientCertificate: false, upgrade: { allow: ['websocket'] }, allowUnframed: false },
    collateral: { sources: [], dangerPastNextUpdateSeconds: 0 },
    observe: { allow: ['method', 'status', 'route', 'bytes', 'duration', 'traceId'], otlp: null },
    signed: { required: false, signers: [] },
  })
})

t.test('every key of the format is read', async t => {
  const whole = {
    version: 1,
    name: 'acme-prod',
    service: 'spiffe://c1.example.org/ns/shop/svc/cart',
    hosts: ['cart.shop.svc.cluster.local', 'cart.example.org'],
    limits: { concurrency: 1 },
    inbound: {
      plaintext: 'probes-only',
      clients: { mode: 'none', allow: [{ spiffeId: 'spiffe://c1.example.org/ns/knative-serving/svc/activator' }] },
      identityHeader: null,
      strip: ['client-cert'],
    },
    identity: {
      source: 'provision',
      lifetimeSeconds: 86400,
      legacyExtension: false,
      provision: { url: 'https://provision.postern.svc:8443', accept: 'ca' },
      dangerAcceptForeignKey: false,
    },
    upstream: {
      mode: 'attested',
      trust: 'service',
      protocol: 'mirror',
      accept: 'app',
      clientCertificate: true,
      maxConnectionAgeSeconds: 3600,
      freshness: 'issued',
      upgrade: { allow: ['WebSocket'] },
      allowUnframed: false,
      probe: { path: '/healthz?a' },
      ca: { bundle: syntheticRootPem + syntheticRootPem, san: 'app.example.org' },
      pins: [`sha256/${Buffer.alloc(32, 1).toString('base64')}`],
    },
    peers: {
      app: {
        enclaves: [
          { mrenclave: hex.toUpperCase(), until: '2027-03-01T00:00:00Z' },
          { mrsigner: hex, isvProdId: 1, minIsvSvn: 3 },
        ],
        tcb: {
          profile: 'swHardeningOk',
          advisories: ['INTEL-SA-00615'],
          minEvaluationDataNumber: { tcbInfo: 17, qeIdentity: 17 },
          minTcbDate: null,
        },
        platforms: ['00'.repeat(16)],
        policyDigests: [hex],
        dangerAllowDebug: false,
      },
      ca: { enclaves: [] },
    },
    collateral: {
      sources: [{ kind: 'pccs', at: 'https://pccs:8081' }],
      maxAgeSeconds: 2592000,
      dangerPastNextUpdateSeconds: 0,
    },
    observe: { allow: ['method'], otlp: null, sealTo: null },
    signed: {
      required: false,
      from: ['podinfo', 'rootCa', 'configMap'],
      signers: [
        { kid: 'ops-1', jwk, services: ['spiffe://c1/'], may: ['peers.app-2.enclaves'], minSerial: 1 },
        {
          kid: 'ops-2',
          jwk: ed25519Key().jwk,
          services: ['spiffe://c1', 'spiffe://c1/ns/a'],
          may: [],
          narrowOnly: true,
          maxLifetimeSeconds: 60,
        },
      ],
    },
    dangerSyntheticRoot: syntheticRootPem,
  }
  const { document, complaints } = read(whole)
  t.same(complaints, [])
  if (document === unfit) return
  t.same(document.service, { id: whole.service, namespace: 'shop', name: 'cart' })
  t.same(document.upstream.upgrade.allow, ['websocket'])
  t.same(document.upstream.pins, ['01'.repeat(32)])
  t.equal(document.upstream.ca?.bundle.length, 2)
  t.match(document.signed.signers, [
    { kid: 'ops-1', jwk, narrowOnly: false, minSerial: 1, maxLifetimeSeconds: 2_592_000 },
    { kid: 'ops-2', narrowOnly: true, minSerial: 0, maxLifetimeSeconds: 60 },
  ])
  t.same(document.peers['app']?.enclaves, [
    { mrenclave: hex, until: Date.UTC(2027, 2, 1) },
    { mrsigner: hex, isvProdId: 1, minIsvSvn: 3, until: undefined },
  ])
})

const at = (path: string, value: unknown): unknown => {
  const [first = '', ...rest] = path.split('.')
  return rest.length === 0 ? { [first]: value } : { [first]: at(rest.join('.'), value) }
}
const peer = (entry: unknown) => ({ peers: { app: { enclaves: [entry] } } })
const signer = (entry: object) =>
  at('signed.signers', [{ kid: 'a', jwk, services: ['spiffe://c1/'], may: [], ...entry }])
const upstream = (values: object) => ({ upstream: { mode: 'plaintext', ...values } })

const refused: [name: string, part: unknown, complaint: RegExp][] = [
  ['another version', { version: 2 }, /^\/version: want one of 1, got 2/],
  ['an unknown key', { inbond: {} }, /^\/inbond: want no such key/],
  ['an unknown key within', at('inbound.plain', true), /^\/inbound\/plain: want no such key/],
  ['a name with a blank', { name: 'a b' }, /^\/name: /],
  ['a service that is no SPIFFE ID', { service: 'cart' }, /^\/service: want spiffe/],
  ['a service with more path', { service: 'spiffe://c/ns/a/svc/b/c' }, /^\/service: /],
  ['a host with a port', { hosts: ['a:80'] }, /^\/hosts\/0: /],
  ['no concurrency at all', at('limits.concurrency', 0), /^\/limits\/concurrency: /],
  ['no mode', { upstream: {} }, /^\/upstream\/mode: want this key/],
  ['h2c as a tunnel', upstream({ upgrade: { allow: ['H2C'] } }), /^\/upstream\/upgrade\/allow\/0: /],
  ['HTTP as a tunnel', upstream({ upgrade: { allow: ['HTTP/2.0'] } }), /^\/upstream\/upgrade\/allow\/0: /],
  ['TLS as a tunnel', upstream({ upgrade: { allow: ['TLS/1.0'] } }), /^\/upstream\/upgrade\/allow\/0: /],
  ['another channel', at('signed.from', ['dns']), /^\/signed\/from\/0: want one of podinfo, rootCa, configMap/],
  [
    'a signer for everybody',
    signer({ services: ['spiffe://'] }),
    /^\/signed\/signers\/0\/services\/0: want a SPIFFE ID/,
  ],
  ['a signer for a pattern', signer({ services: ['spiffe://c1/ns/*'] }), /^\/signed\/signers\/0\/services\/0: /],
  ['a signer with a private key', signer({ jwk: { ...jwk, d: 'secret' } }), /^\/signed\/signers\/0\/jwk: (?!.*secret)/],
  ['a signer without a key', signer({ jwk: undefined }), /^\/signed\/signers\/0\/jwk: /],
  ['a signer of patterns', signer({ may: ['peers.*.enclaves'] }), /^\/signed\/signers\/0\/may\/0: want a dotted/],
  ['a signer for ever', signer({ maxLifetimeSeconds: 31_536_001 }), /^\/signed\/signers\/0\/maxLifetimeSeconds: /],
  ['a probe elsewhere', upstream({ probe: { path: 'http://x/' } }), /^\/upstream\/probe\/path: /],
  ['a probe with a line break', upstream({ probe: { path: '/\r\n' } }), /^\/upstream\/probe\/path: /],
  ['a short pin', upstream({ pins: ['sha256/AAAA'] }), /^\/upstream\/pins\/0: /],
  ['a bundle that is none', upstream({ ca: { bundle: 'PEM', san: 'a' } }), /^\/upstream\/ca\/bundle: /],
  ['two roots', { dangerSyntheticRoot: syntheticRootPem.repeat(2) }, /^\/dangerSyntheticRoot: want one certificate/],
  [
    'a certificate that does not parse',
    { dangerSyntheticRoot: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' },
    /^\/dangerSyntheticRoot: want one certificate/,
  ],
  ['a short measurement', peer({ mrenclave: 'ab' }), /^\/peers\/app\/enclaves\/0\/mrenclave: want 64 hex digits/],
  ['a signer without a product', peer({ mrsigner: hex, minIsvSvn: 0 }), /isvProdId: want this key/],
  ['both measurements', peer({ mrenclave: hex, mrsigner: hex }), /mrsigner: want no such key/],
  ['an empty entry', peer({}), /want an object with mrenclave or mrsigner/],
  ['a day that is not', peer({ mrenclave: hex, until: '2027-02-30T00:00:00Z' }), /until: want an RFC 3339 time/],
  ['an hour that is not', peer({ mrenclave: hex, until: '2027-02-03T25:00:00Z' }), /until: /],
  ['an offset that is not', peer({ mrenclave: hex, until: '2027-02-03T05:00:00+99:99' }), /until: /],
  ['a date', peer({ mrenclave: hex, until: '2027-02-03' }), /until: /],
  ['an inherited name of a peer', JSON.parse('{"peers":{"constructor":{"enclaves":[]}}}'), /^\/peers\/constructor: /],
  ['a planted prototype', JSON.parse('{"__proto__":{"name":"y"}}'), /^\/__proto__: want no such key/],
]
for (const [name, part, complaint] of refused) {
  t.test(`${name} is refused`, async t => {
    // Not a spread: it would run the setter of __proto__ or drop the key.
    const value = Object.defineProperties({ ...minimal }, Object.getOwnPropertyDescriptors(Object(part)))
    const { document, complaints } = read(value)
    t.equal(document, unfit)
    t.match(complaints, [complaint])
    t.equal(complaints.length, 1)
  })
}

t.test('times have offsets and fractions', async t => {
  const until = '2027-03-01T01:30:00.5+01:30'
  const { document } = read({ ...minimal, ...peer({ mrenclave: hex, until }) })
  t.match(document, peer({ until: Date.UTC(2027, 2, 1) + 500 }))
})

t.test('every key of the schema has a type or says what it is', async t => {
  const schema = policySchema()
  t.equal(schema['$schema'], 'https://json-schema.org/draft/2020-12/schema')
  t.same(schema['required'], ['version', 'name', 'upstream'])
})
