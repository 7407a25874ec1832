// A signed policy on its way into the process as Knative delivers it, and everybody else's: who is refused starts nothing,
// opens no port and reaches no container.

import { spawnSync } from 'node:child_process'
import { createHash, createHmac } from 'node:crypto'
import { connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { judgePeer } from '../../src/attest/peer.ts'
import { toHex } from '../../src/base/bytes.ts'
import { demo } from '../../src/config/policies.ts'
import { policyDigest } from '../../src/config/policy.ts'
import { demoFunction, demoProxy, demoStranger } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { bytesOf, startContainer } from '../support/engine-containers.ts'
import { makeRule, trust } from '../support/evidence.ts'
import { ask, choosePorts, environment, postern, type Started, start, stopAtOnce, until } from '../support/process.ts'
import { sandboxMissing } from '../support/sandbox.ts'
import { base64url, ed25519Key, headerOf, p256Key, payloadOf, type Said, signedBy, tokenOf } from '../support/signed.ts'

t.jobs = 2

const ops = p256Key()
const dev = ed25519Key()
const hello = 'spiffe://c1.example.org/ns/default/svc/hello'
const measured = (enclave: { mrenclave: Uint8Array }) => [{ mrenclave: toHex(enclave.mrenclave) }]
const may = ['service', 'hosts', 'limits.concurrency', 'peers.app.enclaves']

/** The demo's policy with signers; it accepts nobody until one of them has signed for whom. */
function base(signed: object = {}): string {
  const { peers, ...rest } = JSON.parse(demo)
  const signers = [
    { kid: 'ops-1', jwk: ops.jwk, services: ['spiffe://c1.example.org/ns/default/'], may, minSerial: 17 },
    { kid: 'dev-1', jwk: dev.jwk, services: ['spiffe://c1.example.org/ns/test/'], may },
  ]
  return JSON.stringify({
    ...rest,
    limits: { concurrency: 4 },
    peers: { app: { enclaves: [] } },
    signed: { from: ['podinfo', 'rootCa'], signers, ...signed },
  })
}

const seconds = Math.floor(Date.now() / 1000)
const good = (said: Said = {}): Said => ({
  service: hello,
  nbf: seconds - 60,
  exp: seconds + 3600,
  grant: { 'peers.app.enclaves': measured(demoFunction()), 'limits.concurrency': 2 },
  ...said,
})

/** Starts the role with what ROOT_CA brings; the short quiet period makes it a build that knows synthetic evidence. */
function begin(t: Test, file: string, rootCa: string, env: Record<string, string>): Started {
  return start(t, ['proxy', '--policy', file], { env: { ...env, ROOT_CA: rootCa }, quietMs: 50 })
}

/** The certificate that is shown on a port. */
function leafOf(port: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const raw = socket.getPeerX509Certificate()?.raw
      socket.destroy()
      if (raw) resolve(new Uint8Array(raw))
      else reject(new Error('no certificate'))
    })
  })
}

t.test('whom a service accepts, its name and its limits are what was signed, and its evidence says so', async t => {
  const folder = t.testdir({ 'base.json': base({ required: true }) })
  const ports = await choosePorts()
  const payload = payloadOf(good())
  const token = tokenOf(ops, headerOf(ops, 'ops-1'), payload)
  const proxy = begin(t, `${folder}/base.json`, `postern-policy:${token}`, environment(ports))
  await until('the TLS port answers', () => {
    if (proxy.exited()) throw new Error(proxy.stderr())
    return proxy.stdout().includes('certificate installed')
  })

  const digest = policyDigest(Buffer.from(base({ required: true })), Buffer.from(payload))
  const first = proxy.lines().find(line => String(line['message']).startsWith('Starting queue-proxy'))
  t.match(first, {
    policyDigest: toHex(digest),
    signed: { kid: 'ops-1', service: hello, serial: 17, grants: ['peers.app.enclaves', 'limits.concurrency'] },
    config: { concurrency: '2 (policy)' },
  })
  const leaf = await leafOf(ports.tls)
  const reasons = (named: Uint8Array, service: string) => {
    const rule = makeRule({ enclaves: measured(demoProxy()), policyDigests: [toHex(named)], service })
    const judgement = judgePeer(leaf, rule, trust, Date.now())
    return judgement.accepted ? [] : judgement.reasons.map(({ rule }) => rule)
  }
  // A proxy is never taken for a container; nothing else may be wrong.
  t.same(reasons(digest, hello), ['role-proxy'])
  t.same(reasons(policyDigest(Buffer.from(base({ required: true }))), hello), ['role-proxy', 'policy'])
  t.same(reasons(digest, hello.replace('hello', 'pay')), ['role-proxy', 'service'])

  const stranger = await startContainer(ports.user, await demoCredential(demoStranger()))
  t.match(await ask(ports.tls, { tls: true, path: '/secret' }), { status: 502, body: /mrenclave/ })
  t.equal(bytesOf(stranger), 0)
  await stranger.close()
  const container = await startContainer(ports.user, await demoCredential(demoFunction()))
  t.teardown(() => container.close())
  t.match(await ask(ports.tls, { tls: true, path: '/secret' }), { status: 200, body: 'hello' })
  const elsewhere = { 'Knative-Serving-Namespace': 'bank' }
  t.match(await ask(ports.tls, { tls: true, headers: elsewhere }), { status: 421 })
  await stopAtOnce(proxy)
})

const token = signedBy(ops, 'ops-1', good())
const [head = '', body = '', tail = ''] = token.split('.')
const hs256 = (): string => {
  const input = `${base64url(headerOf(ops, 'ops-1', { alg: 'HS256' }))}.${body}`
  const key = createHash('sha256').update(JSON.stringify(ops.jwk)).digest()
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`
}
const mine = (said: Said): string => signedBy(ops, 'ops-1', good(said))
const header = (more: object): string => tokenOf(ops, headerOf(ops, 'ops-1', more), payloadOf(good()))

const attacks: [name: string, token: string | undefined, reason: RegExp][] = [
  ['none, where one is required', undefined, /\/signed\/required: want a signed policy by way of podinfo or rootCa/],
  [
    "another service's policy",
    mine({ service: 'spiffe://c1.example.org/ns/default/svc/pay' }),
    /SERVING_SERVICE.*the policy is for spiffe:\/\/c1\.example\.org\/ns\/default\/svc\/pay: want .*pay.*, got .*hello/,
  ],
  [
    'a service outside of its signer’s',
    mine({ service: 'spiffe://c1.example.org/ns/bank/svc/hello' }),
    /service: "ops-1" signs for spiffe:\/\/c1\.example\.org\/ns\/default\/, not for/,
  ],
  ["another signer's service", signedBy(dev, 'dev-1', good()), /service: "dev-1" signs for .*ns\/test\/, not for/],
  ['an older policy', mine({ serial: 16 }), /serial: want at least 17 from "ops-1", got 16/],
  ['an expired one', mine({ nbf: seconds - 120, exp: seconds - 60 }), /exp: it expired at/],
  ['one that does not count yet', mine({ nbf: seconds + 1800 }), /nbf: it counts from .* on, not yet/],
  [
    'a widened one',
    mine({ grant: { 'limits.concurrency': 5 } }),
    /\/limits\/concurrency: want at most: 4, got 5, which is wider/,
  ],
  [
    'a grant that is not the signer’s',
    mine({ grant: { 'inbound.plaintext': 'serve' } }),
    /grant: "ops-1" may set .*, not inbound\.plaintext/,
  ],
  ['an unknown key', signedBy(p256Key(), 'ops-2', good()), /kid: want a signer of the base policy/],
  ['a stranger under a known name', signedBy(p256Key(), 'ops-1', good()), /the signature is not by the key of "ops-1"/],
  ['a stripped signature', `${head}.${body}.`, /want a JWS/],
  [
    'alg none',
    `${base64url(headerOf(ops, 'ops-1', { alg: 'none' }))}.${body}.${tail}`,
    /alg: want "ES256".*got "none"/,
  ],
  ['HS256 by the public key', hs256(), /alg: want "ES256".*got "HS256"/],
  ['RS256', header({ alg: 'RS256' }), /alg: want "ES256".*got "RS256"/],
  ['a key of its own', header({ jwk: ops.jwk }), /header: want exactly alg, kid, typ/],
  ['crit and b64', header({ crit: ['b64'], b64: false }), /header: want exactly alg, kid, typ/],
  [
    'a member twice',
    tokenOf(ops, headerOf(ops, 'ops-1'), payloadOf(good()).replace('{', '{"serial":99,')),
    /member "serial" twice/,
  ],
  ['trailing bytes', `${token}\n`, /signature: not base64url/],
  ['too many bytes', `${head}.${'A'.repeat(65_536)}.${tail}`, /want at most 65536 bytes/],
]
for (const [name, delivered, reason] of attacks) {
  t.test(`${name}: no start, no port, no call to the container`, async t => {
    const folder = t.testdir({ 'base.json': base({ required: true }) })
    const ports = await choosePorts()
    const container = await startContainer(ports.user, await demoCredential(demoFunction()))
    t.teardown(() => container.close())
    const rootCa = delivered === undefined ? '' : `postern-policy:${delivered}`
    const proxy = begin(t, `${folder}/base.json`, rootCa, environment(ports))
    t.match(await proxy.exit, { code: 1, signal: null })
    t.match(proxy.stderr() + proxy.stdout(), reason)
    t.notMatch(proxy.stdout(), /Starting/)
    t.equal(container.connections(), 0)
  })
}

/** The role with an /etc of its own that holds what is mounted there, and no variables: it gets as far as their names. */
function withMounted(base: string, path: string, content: string): string {
  const script =
    'mount -t tmpfs tmpfs /etc; mkdir -p "/etc/$(dirname "$1")"; printf %s "$2" > "/etc/$1"; shift 2; exec "$@"'
  const role = [process.execPath, postern, 'proxy', '--policy', base]
  const line = ['--mount', '--propagation', 'private', 'sh', '-euc', script, 'sh', path, content, ...role]
  const { status, stderr } = spawnSync('unshare', line, { encoding: 'utf8', env: { PATH: process.env['PATH'] } })
  t.equal(status, 1)
  return stderr
}

t.test('through the files that Kubernetes mounts', { skip: sandboxMissing() }, async t => {
  const signed = { from: ['podinfo', 'configMap'] }
  const folder = t.testdir({ 'base.json': base(signed), 'required.json': base({ ...signed, required: true }) })
  const inForce =
    /SERVING_SERVICE: the policy is for spiffe:\/\/c1\.example\.org\/ns\/default\/svc\/hello: want "hello"/
  const annotation = (value: string) => `a="b"\npostern.dev/policy=${JSON.stringify(value)}\nz="\\n"\n`
  const rows: [path: string, content: string, reason: RegExp][] = [
    ['podinfo/annotations', annotation(token), inForce],
    ['postern/policy.jws', `${token}\n`, inForce],
    [
      'podinfo/annotations',
      annotation(`${token}\n`),
      /want the bare token as the value of postern\.dev\/policy; it has a line end/,
    ],
    [
      'podinfo/annotations',
      annotation(mine({ serial: 16 })),
      /the signed policy in the annotation postern\.dev\/policy: serial: want at least 17/,
    ],
    ['podinfo/annotations', 'a="b"\n', /it accepts nobody until a signed policy sets peers\.app\.enclaves/],
    ['postern/policy.jws', 'x'.repeat(100_000), /\/etc\/postern\/policy\.jws: want at most 65537 bytes, got more/],
  ]
  for (const [path, content, reason] of rows) t.match(withMounted(`${folder}/base.json`, path, content), reason)
  t.match(
    withMounted(`${folder}/required.json`, 'x', ''),
    /\/signed\/required: want a signed policy by way of podinfo or configMap/,
  )
})
