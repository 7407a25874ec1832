import { once } from 'node:events'
import { type AddressInfo, createServer as createPlain } from 'node:net'
import { createServer } from 'node:tls'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { demo } from '../../src/config/policies.ts'
import { type Policy, readPolicy } from '../../src/config/policy.ts'
import { demoFunction, demoProxy, demoStranger } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import type { Decide } from '../../src/engine/dial.ts'
import { type Credential, chainPem, toCredential, withKeyPem } from '../../src/identity/credential.ts'
import { generateKey, issue } from '../../src/identity/x509.ts'
import { evidenceJudge } from '../../src/proxy/upstream.ts'
import { openVault, type VaultWiring, vaultServer } from '../../src/proxy/vault.ts'
import { makeRoot, type TestAuthority } from '../support/identity.ts'
import { until } from '../support/process.ts'

const hour = 3_600_000
const now = { notBefore: Date.now() - hour, notAfter: Date.now() + hour }

/** A server that keeps every byte it is sent, and what it was asked by name. */
async function listener(t: Test, credential: Credential) {
  const heard: string[] = []
  const asked: unknown[] = []
  const leaves: boolean[] = []
  const server = withKeyPem(credential, pem => createServer({ ...pem, requestCert: true, rejectUnauthorized: false }))
  server.on('secureConnection', socket => {
    asked.push('servername' in socket && socket.servername)
    leaves.push(socket.getPeerX509Certificate() !== undefined)
    socket.on('error', () => {})
    socket.on('data', chunk => heard.push(chunk.toString('latin1')))
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, heard, asked, leaves }
}

async function certified(root: TestAuthority, name = 'vault.example.org', dates = now): Promise<Credential> {
  const key = generateKey()
  const fields = {
    ...dates,
    subject: { commonName: 'vault' },
    dnsNames: [name],
    issuer: root,
    publicKey: key.publicKey,
  }
  return toCredential([await issue(fields)], key.privateKey, 'file')
}

const policyText = (root: TestAuthority, vault: object = {}, more: object = {}): string =>
  JSON.stringify({
    version: 1,
    name: 'mine',
    service: 'spiffe://c1.example.org/ns/team-a/svc/hello',
    identity: {
      source: 'vault',
      allowUnattestedIssuer: true,
      vault: {
        url: 'https://vault.example.org:8200',
        server: { bundle: chainPem([root.certificate]) },
        login: { jwt: { role: 'postern', file: '/nonexistent/token' } },
        pki: { role: 'proxy' },
        ...vault,
      },
    },
    upstream: { mode: 'plaintext' },
    ...more,
  })

function wiring(policy: Policy, port: number, more: Partial<VaultWiring> = {}): VaultWiring {
  const issuer = policy.identity.vault
  if (!issuer) throw new Error('no vault')
  const evidenceOf = (): Decide => t.fail('not asked') as never
  return {
    issuer: { ...issuer, host: '127.0.0.1', port },
    evidenceOf,
    clock: systemClock,
    tee: undefined,
    own: { role: 'proxy', policyDigest: new Uint8Array(32), service: undefined },
    names: ['kn-user-team-a', 'spiffe://c1.example.org/ns/team-a/svc/hello/proxy'],
    lifetimeMs: hour,
    ...more,
  }
}

const read = (text: string): Policy => readPolicy(Buffer.from(text), 'test')
const never = new AbortController().signal

t.test('by a CA', async t => {
  const root = await makeRoot('vault CA', now)
  const policy = read(policyText(root))
  const over = { notBefore: now.notBefore - 9 * hour, notAfter: Date.now() - hour }
  const rows: [name: string, credential: Credential, want: string | RegExp][] = [
    ['the server that the policy means', await certified(root), 'connected'],
    ["another CA's", await certified(await makeRoot('another', now)), /^issuer-untrusted: vault: .*handshake/],
    [
      'another name',
      await certified(root, 'other.example.org'),
      /^issuer-untrusted: vault: .*san: want dns:vault\.example/,
    ],
    [
      'a certificate that is over',
      await certified(root, 'vault.example.org', over),
      /^issuer-untrusted: vault: .*EXPIRED/,
    ],
  ]
  for (const [name, credential, want] of rows) {
    t.test(`${name}: ${want}`, async t => {
      const { port, heard } = await listener(t, credential)
      const server = vaultServer(wiring(policy, port))
      const outcome = await server.connect(undefined, never).then(
        socket => {
          socket.destroy()
          return 'connected'
        },
        error => `${error.code}: ${error.message}`,
      )
      t.match(outcome, want)
      t.same(heard, [], 'nothing was said before the verdict')
    })
  }
  t.test('a name of its own in the policy', async t => {
    const named = read(policyText(root, { server: { bundle: chainPem([root.certificate]), san: 'other.example.org' } }))
    const { port } = await listener(t, await certified(root, 'other.example.org'))
    const socket = await vaultServer(wiring(named, port)).connect(undefined, never)
    socket.destroy()
    t.pass('is the one that counts')
  })
  t.test('a certificate is shown where a login has one, and an address is no name to ask for', async t => {
    const { port, asked, leaves } = await listener(t, await certified(root))
    const server = vaultServer(wiring(policy, port))
    for (const credential of [undefined, await certified(root)]) {
      const socket = await server.connect(credential, never)
      await until('the server has it', () => asked.length === (credential ? 2 : 1))
      socket.destroy()
    }
    t.same(leaves, [false, true])
    t.same(asked, [false, false])
  })
  t.test('a host name is asked for', async t => {
    const { port, asked } = await listener(t, await certified(root))
    const wired = wiring(policy, port)
    const server = vaultServer({ ...wired, issuer: { ...wired.issuer, host: 'localhost' } })
    const socket = await server.connect(undefined, never)
    await until('the server has it', () => asked.length === 1)
    socket.destroy()
    t.same([asked, server.authority], [['localhost'], `localhost:${port}`])
  })
  t.test('nobody there, or nobody who answers', async t => {
    const refusing = await listener(t, await certified(root))
    const mute = createPlain(() => {}).listen(0, '127.0.0.1')
    await once(mute, 'listening')
    t.teardown(() => mute.close())
    await t.rejects(vaultServer(wiring(policy, 1)).connect(undefined, never), {
      code: 'issuer-unavailable',
      message: /connection refused/,
    })
    const stop = new AbortController()
    const given = vaultServer(wiring(policy, (mute.address() as AddressInfo).port)).connect(undefined, stop.signal)
    stop.abort()
    await t.rejects(given, { code: 'issuer-unavailable', message: /given up/ })
    await t.rejects(vaultServer(wiring(policy, refusing.port)).connect(undefined, stop.signal), { message: /given up/ })
  })
})

t.test('by evidence: the enclave of the policy, and nobody else', async t => {
  const document = { ...JSON.parse(demo), service: 'spiffe://c1.example.org/ns/team-a/svc/hello' }
  const { identity } = JSON.parse(policyText(await makeRoot('none', now), { server: { accept: 'app' } }))
  const policy = read(JSON.stringify({ ...document, identity }))
  const own = { mrenclave: undefined, leafSha256s: new Set<string>(), credential: () => undefined }
  const judging = { policy, policyDigest: '00', clock: systemClock, own, collateral: undefined }
  const evidenceOf = (accept: string): Decide => evidenceJudge(judging, accept)
  const rows = [
    ['accepted', demoFunction()],
    ['mrenclave', demoStranger()],
  ] as const
  for (const [want, enclave] of rows) {
    t.test(want, async t => {
      const { port, heard } = await listener(t, await demoCredential(enclave))
      const connected = vaultServer(wiring(policy, port, { evidenceOf })).connect(undefined, never)
      if (want === 'accepted') (await connected).destroy()
      else await t.rejects(connected, { code: 'issuer-untrusted', message: /mrenclave: want/ })
      t.same(heard, [])
    })
  }
  t.throws(() => evidenceOf('nobody'), { code: 'internal' })
})

t.test('each login of the policy', async t => {
  const root = await makeRoot('vault CA', now)
  const rows: [name: string, login: object, attested: boolean][] = [
    ['jwt', { jwt: { role: 'a', file: '/a' } }, false],
    ['kubernetes', { kubernetes: { role: 'a', file: '/a' } }, false],
    ['certificate', { certificate: { folder: '/a' } }, false],
    ['sgx', { sgx: { id: 'hello' } }, true],
  ]
  for (const [name, login, attested] of rows) {
    t.test(`${name} is attested: ${attested}`, async t => {
      const source = openVault(wiring(read(policyText(root, { login })), 1, { tee: demoProxy() }))
      t.match(source, { name: 'vault', attested })
    })
  }
  t.test('sgx, and evidence, need a TEE', async t => {
    const wants = [{ login: { sgx: { id: 'hello' } } }, { pki: { role: 'proxy', evidence: true } }]
    for (const vault of wants) {
      t.throws(() => openVault(wiring(read(policyText(root, vault)), 1)), { code: 'tee-unavailable' })
    }
    t.match(openVault(wiring(read(policyText(root, wants[1])), 1, { tee: demoProxy() })), { name: 'vault' })
  })
})
