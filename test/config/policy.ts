import { createHash } from 'node:crypto'
import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import { compatible, confidential, demo } from '../../src/config/policies.ts'
import { dangers, loadPolicy, policyDigest, readPolicy, weaknesses } from '../../src/config/policy.ts'
import { syntheticRoot } from '../../src/demo/tee.ts'
import { cart, ed25519Key, noon, p256Key, payloadOf, type Said, signedBy } from '../support/signed.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const noFile = (): Uint8Array => {
  throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
}
const hex = 'ab'.repeat(32)
const filled = confidential.replace('"enclaves": []', `"enclaves": [{ "mrenclave": "${hex}" }]`)

t.test('confidential as shipped says what to do', async t => {
  t.throws(() => loadPolicy('confidential', noFile), {
    code: 'policy-invalid',
    message:
      'policy confidential: it accepts nobody: copy it, add measurements or signers under peers.app.enclaves, start with --policy FILE',
  })
})

t.test('confidential, filled', async t => {
  const { policy, bytes, digest } = loadPolicy('my.json', path => {
    t.equal(path, 'my.json')
    return bytesOf(filled)
  })
  t.same(bytes, bytesOf(filled))
  t.same(digest, policyDigest(bytesOf(filled)))
  t.match(policy, {
    name: 'confidential',
    service: undefined,
    maxConcurrency: undefined,
    inbound: { plaintext: 'probes-only', tlsFloor: 'TLSv1.3' },
    identity: { source: 'self-signed' },
    upstream: {
      mode: 'attested',
      accept: 'app',
      clientCertificate: true,
      upgrades: ['websocket'],
      allowUnframed: false,
    },
  })
  t.same(dangers(policy), [])
  t.same(weaknesses(policy), ['upstream.trust=measurement', 'upstream.freshness=none'])
  t.ok(Object.isFrozen(policy) && Object.isFrozen(policy.upstream) && Object.isFrozen(policy.peers['app']?.enclaves[0]))
})

t.test('evidence made for each connection is no weakness', async t => {
  const text = demo.replace('"freshness": "none"', '"freshness": "challenge"')
  const policy = readPolicy(new TextEncoder().encode(text), 'test')
  t.equal(policy.upstream.mode === 'attested' && policy.upstream.freshness, 'challenge')
  t.same(weaknesses(policy), ['upstream.trust=measurement'])
})

const issued = {
  version: 1,
  name: 'acme',
  service: cart,
  identity: { source: 'provision', provision: { url: 'https://ca.example', accept: 'app' } },
  upstream: { mode: 'attested', accept: 'app' },
  peers: { app: { enclaves: [{ mrenclave: hex }] } },
}

t.test('with the attesting CA, the defaults are the strong ones, and no weakness', async t => {
  const policy = readPolicy(bytesOf(JSON.stringify(issued)), 'f')
  t.match(policy.upstream, { trust: 'service', freshness: 'issued' })
  t.same(weaknesses(policy), [])
})

t.test('trust by service needs one, of the policy itself or of a signed part that is to come', async t => {
  const nameless = { ...issued, service: undefined }
  const message = 'policy f: /service: want a service, as /upstream/trust is "service" (the default), got null'
  t.throws(() => readPolicy(bytesOf(JSON.stringify(nameless)), 'f'), { code: 'policy-invalid', message })
  const later = { kind: 'later' } as const
  t.throws(() => readPolicy(bytesOf(JSON.stringify(nameless)), 'f', later), { message })
  const signer = { kid: 'a', jwk: p256Key().jwk, services: ['spiffe://c1.example.org/'], may: ['service'] }
  const open = bytesOf(JSON.stringify({ ...nameless, signed: { from: ['podinfo'], signers: [signer] } }))
  t.match(readPolicy(open, 'f', later), { service: undefined, upstream: { trust: 'service' } })
  t.throws(() => readPolicy(open, 'f'), { message })
})

t.test('compatible is what the Go queue-proxy does', async t => {
  const { policy } = loadPolicy('compatible', noFile)
  t.match(policy, {
    inbound: { plaintext: 'serve', strip: [], tlsFloor: 'TLSv1.2' },
    identity: { source: 'files' },
    upstream: { mode: 'plaintext', upgrades: ['*'], allowUnframed: true },
    observe: ['*'],
  })
  t.same(dangers(policy), ['identity.dangerAcceptForeignKey'])
  t.ok(weaknesses(policy).includes('upstream.mode=plaintext'))
})

t.test('demo trusts the synthetic root', async t => {
  const { policy } = loadPolicy('demo', noFile)
  t.same(policy.dangerSyntheticRoot, syntheticRoot)
  t.same(dangers(policy), ['dangerSyntheticRoot'])
})

t.test('dangers are found wherever they are', async t => {
  const debug = filled.replace('{ "app": {', '{ "app": { "dangerAllowDebug": true,')
  t.same(dangers(readPolicy(bytesOf(debug), 'x')), ['peers.app.dangerAllowDebug'])
  const old = filled.replace('{ "app": {', '{ "app": { "tcb": { "profile": "dangerOutOfDate" },')
  t.same(dangers(readPolicy(bytesOf(old), 'x')), ['peers.app.tcb.profile=dangerOutOfDate'])
})

t.test('a platform that needs hardening is a weakness', async t => {
  const soft = filled.replace('{ "app": {', '{ "app": { "tcb": { "profile": "swHardeningOk" },')
  t.ok(weaknesses(readPolicy(bytesOf(soft), 'x')).includes('peers.app.tcb.profile=swHardeningOk'))
})

const signer = `{ "mrsigner": "${hex}", "isvProdId": 2, "minIsvSvn": 1 }`
const authorities: [name: string, ca: string, weak: boolean][] = [
  ['by its signer', `{ "enclaves": [${signer}] }`, true],
  ['by its signer or its measurement', `{ "enclaves": [{ "mrenclave": "${hex}" }, ${signer}] }`, true],
  ['by its signer and its options', `{ "enclaves": [${signer}], "policyDigests": ["${hex}"] }`, false],
  ['by its measurement', `{ "enclaves": [{ "mrenclave": "${hex}" }] }`, false],
]
for (const [name, ca, weak] of authorities) {
  t.test(`the attesting CA ${name}: ${weak ? 'a weakness, whoever may unlock it' : 'no weakness'}`, async t => {
    const identity = '{ "source": "provision", "provision": { "url": "https://ca.example:8443", "accept": "ca" } }'
    const text = filled
      .replace('"identity": { "source": "self-signed" }', `"identity": ${identity}`)
      .replace('"peers": {', `"service": "spiffe://c1/ns/shop/svc/cart", "peers": { "ca": ${ca},`)
    t.equal(weaknesses(readPolicy(bytesOf(text), 'x')).includes('peers.ca.policyDigests=any'), weak)
  })
}

t.test('where collateral comes from, and how old it may be', async t => {
  const collateral = '"collateral": { "sources": [{ "kind": "directory", "at": "/c" }], "maxAgeSeconds": 60 },'
  const policy = readPolicy(bytesOf(filled.replace('"peers"', `${collateral} "peers"`)), 'x')
  t.same(policy.collateral, {
    sources: [{ kind: 'directory', at: '/c' }],
    evaluation: 'standard',
    maxAgeMs: 60_000,
    dangerPastNextUpdateSeconds: 0,
  })
  t.same(readPolicy(bytesOf(filled), 'x').collateral, {
    sources: [],
    evaluation: 'standard',
    maxAgeMs: undefined,
    dangerPastNextUpdateSeconds: 0,
  })
})

t.test('a policy of an operator', async t => {
  const policy = readPolicy(
    bytesOf(
      JSON.stringify({
        version: 1,
        name: 'acme',
        service: 'spiffe://c1/ns/shop/svc/cart',
        hosts: ['cart.example.org'],
        limits: { concurrency: 2 },
        upstream: {
          mode: 'pinned',
          pins: [`sha256/${Buffer.alloc(32).toString('base64')}`],
          protocol: 'http/1.1',
          allowUnframed: true,
          probe: { path: '/ready' },
          maxConnectionAgeSeconds: 60,
        },
      }),
    ),
    'acme.json',
  )
  t.match(policy, {
    service: { namespace: 'shop', name: 'cart' },
    hosts: ['cart.example.org'],
    maxConcurrency: 2,
    upstream: { mode: 'pinned', protocol: 'http/1.1', probePath: '/ready', maxConnectionAgeMs: 60_000 },
  })
  t.same(weaknesses(policy), ['upstream.mode=pinned', 'upstream.allowUnframed'])
})

t.test('the digest is over the exact bytes, framed', async t => {
  const framed = (bytes: Uint8Array) => {
    const length = [bytes.length >>> 24, (bytes.length >>> 16) & 255, (bytes.length >>> 8) & 255, bytes.length & 255]
    return Buffer.concat([Buffer.from('postern policy v1\0'), Buffer.from(length), bytes, Buffer.alloc(4)])
  }
  for (const text of [compatible, demo, '']) {
    const expected = createHash('sha256')
      .update(framed(bytesOf(text)))
      .digest('hex')
    t.equal(Buffer.from(policyDigest(bytesOf(text))).toString('hex'), expected)
  }
  t.notSame(policyDigest(bytesOf(demo)), policyDigest(bytesOf(`${demo} `)))
  // These bytes are what evidence names: a change here is a new policy, and a line in the change log.
  t.equal(
    Buffer.from(loadPolicy('compatible', noFile).digest).toString('hex'),
    Buffer.from(policyDigest(bytesOf(compatible))).toString('hex'),
  )
})

const refused: [name: string, bytes: Uint8Array, message: string | RegExp][] = [
  ['bytes that are no UTF-8', Uint8Array.of(0x22, 0xff, 0x22), 'policy f: not valid UTF-8'],
  ['a byte order mark', bytesOf('\ufeff{}'), /^policy f: not JSON: line 1, column 1/],
  ['bad JSON', bytesOf('{\n "a"'), 'policy f: not JSON: line 2, column 5: want a colon, got the end'],
  ['too much', new Uint8Array(1024 * 1024 + 1), 'policy f: want at most 1048576 bytes, got 1048577'],
  ['another document', bytesOf('[]'), 'policy f: /: want an object, got []'],
  [
    'several mistakes, all told',
    bytesOf('{"version":1,"name":"X","upstream":{"mode":"open"}}'),
    /^policy f: \/name: want .*; \/upstream\/mode: want one of attested, ca, pinned, plaintext, got "open"$/,
  ],
  [
    'several things that this version does not do, all told',
    bytesOf('{"version":1,"name":"x","upstream":{"mode":"pinned"},"observe":{"otlp":"https://a"}}'),
    /^policy f: \/observe\/otlp: .*; \/upstream\/pins: /,
  ],
]
for (const [name, bytes, message] of refused) {
  t.test(`${name}: one sentence`, async t => {
    t.throws(() => loadPolicy('f', () => bytes), { message, code: 'policy-invalid' })
    t.throws(() => loadPolicy('f', () => bytes), Fault)
  })
}

t.test('a name is a shipped one, anything else a file', async t => {
  for (const name of ['constructor', '__proto__', 'nowhere.json']) {
    t.throws(() => loadPolicy(name, noFile), {
      code: 'policy-invalid',
      message: `policy ${name}: neither shipped (confidential, compatible, demo) nor a readable file (ENOENT)`,
    })
  }
  const read = () => {
    throw new Error('secret')
  }
  t.throws(() => loadPolicy('x', read), { message: /\(no reason given\)$/ })
})

t.test('what was checked is what was digested', async t => {
  const mine = bytesOf(filled)
  const { bytes } = loadPolicy('x', () => mine)
  mine.fill(0)
  t.same(bytes, bytesOf(filled))
})

const ops = p256Key()
const attested = { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' }
const enclaves = [{ mrenclave: hex }]

/** A base policy with one signer, and how its service's part is delivered. */
function base(signed: object = {}, more: object = {}): Uint8Array {
  const signers = [
    { kid: 'ops-1', jwk: ops.jwk, services: ['spiffe://c1.example.org/'], may: ['service', 'peers.app.enclaves'] },
  ]
  const part = { from: ['podinfo', 'rootCa', 'configMap'], signers, ...signed }
  const document = {
    version: 1,
    name: 'acme',
    upstream: attested,
    peers: { app: { enclaves: [] } },
    signed: part,
    ...more,
  }
  return bytesOf(JSON.stringify(document))
}
const host = (rootCa: string | undefined, at = noon) =>
  ({
    kind: 'host',
    at,
    get: (name: string) => (name === 'ROOT_CA' && rootCa !== undefined ? `postern-policy:${rootCa}` : undefined),
    readFile: () => undefined,
  }) as const
const part: Said = { grant: { 'peers.app.enclaves': enclaves } }

t.test('a service brings its own part', async t => {
  const token = signedBy(ops, 'ops-1', part)
  const { policy, digest, bytes, written } = loadPolicy('f', () => base(), host(token))
  t.match(policy, {
    name: 'acme',
    service: { id: cart, namespace: 'shop', name: 'cart' },
    upstream: { mode: 'attested', accepted: { enclaves } },
    signed: { required: false, part: { kid: 'ops-1', serial: 17, service: cart, grants: ['peers.app.enclaves'] } },
  })
  t.ok(Object.isFrozen(policy.signed?.part))
  t.same(bytes, base(), 'the base as it was')
  t.match(written, { name: 'acme', service: cart, peers: { app: { enclaves } } })
  t.same(digest, policyDigest(base(), bytesOf(payloadOf(part))))
  t.same(weaknesses(policy).includes('signed.required=false'), true)
  const required = readPolicy(base({ required: true }), 'f', host(token))
  t.notOk(weaknesses(required).includes('signed.required=false'))
})

t.test('the digest is over base and payload, each with its length, and not over the signature', async t => {
  const u32 = (n: number) => Buffer.from([n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255])
  const framed = (b: Uint8Array, j: Uint8Array) =>
    Buffer.concat([Buffer.from('postern policy v1\0'), u32(b.length), b, u32(j.length), j])
  const payload = bytesOf(payloadOf(part))
  const { digest } = loadPolicy('f', () => base(), host(signedBy(ops, 'ops-1', part)))
  t.equal(Buffer.from(digest).toString('hex'), createHash('sha256').update(framed(base(), payload)).digest('hex'))
  const again = loadPolicy('f', () => base(), host(signedBy(ops, 'ops-1', part))).digest
  t.same(again, digest, 'a second signature is the same policy')
  const later = loadPolicy('f', () => base(), host(signedBy(ops, 'ops-1', { ...part, serial: 18 }))).digest
  t.notSame(later, digest)
  t.notSame(policyDigest(bytesOf('ab'), bytesOf('c')), policyDigest(bytesOf('a'), bytesOf('bc')))
})

t.test('without its part', async t => {
  t.throws(() => loadPolicy('f', () => base(), host(undefined)), {
    message: 'policy f: it accepts nobody until a signed policy sets peers.app.enclaves',
  })
  const filledIn = base({}, { peers: { app: { enclaves } } })
  const { policy, digest } = loadPolicy('f', () => filledIn, host(undefined))
  t.same(policy.service, undefined)
  t.match(policy.signed, { required: false, part: undefined, signers: [{ kid: 'ops-1', minSerial: 0 }] })
  t.notOk('jwk' in (policy.signed?.signers[0] ?? {}))
  t.same(digest, policyDigest(filledIn))
  for (const delivery of [host(undefined), undefined]) {
    t.throws(() => loadPolicy('f', () => base({ required: true }, { peers: { app: { enclaves } } }), delivery), {
      code: 'policy-invalid',
      message:
        'policy f: /signed/required: want a signed policy by way of podinfo or rootCa or configMap, and found none',
    })
  }
})

t.test('tools look at the base by itself', async t => {
  const { policy } = loadPolicy('f', () => base({ required: true }), { kind: 'later' })
  t.match(policy, { upstream: { accepted: { enclaves: [] } }, signed: { required: true, part: undefined } })
  const nobody = base({ signers: [{ kid: 'a', jwk: ops.jwk, services: ['spiffe://c1/'], may: [] }] })
  t.throws(() => loadPolicy('f', () => nobody, { kind: 'later' }), { message: /^policy f: it accepts nobody: copy it/ })
})

t.test('a token in the hand', async t => {
  const token = signedBy(ops, 'ops-1', part)
  const given = { kind: 'given', token, from: 'a.jws', at: undefined } as const
  t.equal(readPolicy(base(), 'f', given).signed?.part?.serial, 17)
  t.throws(() => readPolicy(base(), 'f', { ...given, at: noon * 2 }), {
    message: /^policy f: the signed policy in a\.jws: exp: /,
  })
})

t.test('what is not looked for is not read', async t => {
  const filledIn = base({ from: ['podinfo'] }, { peers: { app: { enclaves } } })
  t.equal(readPolicy(filledIn, 'f', host(signedBy(ops, 'ops-1', part))).service, undefined)
  t.equal(loadPolicy('demo', noFile, host('no token')).policy.signed, undefined)
})

t.test('a refused part stops the start, and never leaves the base alone', async t => {
  const filledIn = () => base({}, { peers: { app: { enclaves } } })
  const tokens: [name: string, token: string, reason: RegExp][] = [
    ['an unknown key', signedBy(ed25519Key(), 'dev-1', part), /kid: want a signer/],
    ['a stranger', signedBy(p256Key(), 'ops-1', part), /the signature is not by the key/],
    ['an expired one', signedBy(ops, 'ops-1', { ...part, exp: noon / 1000 }), /exp: it expired/],
    [
      'a wider one',
      signedBy(ops, 'ops-1', { grant: { 'peers.app.enclaves': [{ mrenclave: 'cd'.repeat(32) }] } }),
      /which is wider/,
    ],
    ['nothing', '', /want a JWS/],
  ]
  for (const [name, token, reason] of tokens) {
    t.throws(() => loadPolicy('f', filledIn, host(token)), { code: 'policy-invalid', message: reason }, name)
  }
  const broken = { ...host(undefined), readFile: () => Reflect.apply(noFile, undefined, []) }
  t.throws(() => loadPolicy('f', filledIn, broken), { message: 'policy f: /etc/podinfo/annotations: ENOENT' })
  const twice = { ...host('a.b.c'), readFile: (path: string) => (path.endsWith('.jws') ? bytesOf('a.b.c') : undefined) }
  t.throws(() => loadPolicy('f', filledIn, twice), { message: /^policy f: there is a signed policy in ROOT_CA and in/ })
})

t.test('the outcome is judged by every rule for policies', async t => {
  const soft = { peers: { app: { enclaves, tcb: { profile: 'swHardeningOk', advisories: ['INTEL-SA-00615'] } } } }
  const signers = [
    { kid: 'ops-1', jwk: ops.jwk, services: ['spiffe://c1.example.org/'], may: ['service', 'peers.app.tcb.profile'] },
  ]
  const token = signedBy(ops, 'ops-1', { grant: { 'peers.app.tcb.profile': 'strict' } })
  t.throws(() => readPolicy(base({ signers }, soft), 'f', host(token)), {
    message: /^policy f: \/peers\/app\/tcb\/advisories: want nothing, as the profile is "strict"/,
  })
})

t.test('an error of ours is none of the policy', async t => {
  const broken = {
    ...host(undefined),
    get: () => {
      throw new TypeError('ours')
    },
  }
  t.throws(() => readPolicy(base({ from: ['rootCa'] }), 'f', broken), TypeError)
})
