import { createHash } from 'node:crypto'
import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import { compatible, confidential, demo } from '../../src/config/policies.ts'
import { dangers, loadPolicy, policyDigest, readPolicy, weaknesses } from '../../src/config/policy.ts'
import { syntheticRoot } from '../../src/demo/tee.ts'

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

t.test('where collateral comes from, and how old it may be', async t => {
  const collateral = '"collateral": { "sources": [{ "kind": "directory", "at": "/c" }], "maxAgeSeconds": 60 },'
  const policy = readPolicy(bytesOf(filled.replace('"peers"', `${collateral} "peers"`)), 'x')
  t.same(policy.collateral, { directories: ['/c'], maxAgeMs: 60_000 })
  t.same(readPolicy(bytesOf(filled), 'x').collateral, { directories: [], maxAgeMs: 2_592_000_000 })
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
    bytesOf('{"version":1,"name":"x","upstream":{"mode":"pinned"},"identity":{"source":"provision"}}'),
    /^policy f: \/identity\/source: .*; \/upstream\/pins: /,
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
