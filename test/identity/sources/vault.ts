import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readCertificate } from '../../../src/attest/certificate.ts'
import { readEvidence } from '../../../src/attest/ratls.ts'
import type { Clock } from '../../../src/base/clock.ts'
import type { Fault } from '../../../src/base/errors.ts'
import { demoProxy } from '../../../src/demo/enclaves.ts'
import { type Credential, checkCredential, toCredential, withKeyPem } from '../../../src/identity/credential.ts'
import { type VaultOptions, vaultSource } from '../../../src/identity/sources/vault.ts'
import type { VaultLogin } from '../../../src/identity/vault/login.ts'
import { generateKey, issue } from '../../../src/identity/x509.ts'
import { refusingTee } from '../../support/evidence.ts'
import { dates, eventually, FakeClock, hour, makeRoot, start } from '../../support/identity.ts'
import { FakeVault, type FakeVaultOptions, makeJwt, patient, pkiMount, pkiRole, reach } from '../../support/vault.ts'

const jwtKeys = generateKey()
const uri = 'spiffe://c1.example.org/ns/team-a/svc/hello/proxy'
const names = ['kn-user-team-a', 'data-plane.knative.dev']
const measurement = Buffer.from(demoProxy().mrenclave).toString('hex')

async function setUp(t: Test, more: Partial<VaultOptions> = {}, fake: Partial<FakeVaultOptions> = {}) {
  const clock = new FakeClock()
  const clientCa = await makeRoot('clients')
  const enclaves = { hello: measurement }
  const vault = await FakeVault.open({ now: () => clock.now(), jwtKey: jwtKeys.publicKey, clientCa, enclaves, ...fake })
  t.teardown(() => vault.close())
  const folder = t.testdir({ token: makeJwt(jwtKeys.privateKey) })
  const login: VaultLogin = { kind: 'jwt', mount: 'jwt', role: 'postern', file: join(folder, 'token') }
  const options: VaultOptions = {
    server: reach(vault.port, vault.serverCa.certificate, patient(clock)),
    login,
    mount: pkiMount,
    role: pkiRole,
    dnsNames: names,
    uris: [uri],
    lifetimeMs: 24 * hour,
    evidence: undefined,
    ...more,
  }
  return { clock, vault, clientCa, folder, options, follow: () => follow(t, options, clock) }
}

/** Follows the source, and stops when the test does. */
function follow(t: Test, options: VaultOptions, clock: Clock) {
  const stop = new AbortController()
  const got: Credential[] = []
  const faults: Fault[] = []
  const source = vaultSource(options)
  const done = (async () => {
    for await (const each of source.credentials(stop.signal, fault => faults.push(fault))) {
      checkCredential(each, clock.now())
      got.push(each)
    }
  })()
  t.teardown(() => {
    stop.abort()
    return done
  })
  return {
    source,
    stop,
    done,
    faults,
    next: async (count = 1): Promise<Credential> => {
      await eventually(() => got.length >= count || faults.length > 50)
      return got[count - 1] as Credential
    },
    failed: async (count = 1): Promise<Fault> => {
      await eventually(() => faults.length >= count)
      return faults[count - 1] as Fault
    },
  }
}

const subjectAltName = ({ chain }: Credential): string => readCertificate(chain[0]).x509.subjectAltName ?? ''

t.test('a key of ours, certified for the names that were asked for', async t => {
  const { vault, follow } = await setUp(t)
  const { source, next } = follow()
  const credential = await next()
  t.match([source.name, source.attested], ['vault', false])
  t.equal(subjectAltName(credential), `DNS:${names[0]}, DNS:${names[1]}, URI:${uri}`)
  t.equal(credential.keyOrigin, 'enclave')
  t.equal(credential.chain.length, 2, 'leaf and intermediate; the root is for those who trust it')
  t.equal(credential.notAfter, start + 24 * hour)
  t.same(
    vault.asked.map(({ path }) => path),
    ['auth/jwt/login', 'pki/sign/proxy'],
    'a request is signed; nothing is issued with a key',
  )
  const key = withKeyPem(credential, ({ key }) => key.toString())
  t.notOk(JSON.stringify(vault.asked).includes(key.slice(40, 80)))
  t.match(vault.asked[1]?.body, { common_name: names[0], ttl: '86400s', exclude_cn_from_sans: true })
})

t.test('a namespace goes with every request', async t => {
  const { vault, options, clock } = await setUp(t)
  const server = reach(vault.port, vault.serverCa.certificate, clock, 'team/a')
  await follow(t, { ...options, server }, clock).next()
  t.same(
    vault.asked.map(({ namespace }) => namespace),
    ['team/a', 'team/a'],
  )
})

t.test('names from the policy alone may be URIs alone', async t => {
  const { follow } = await setUp(t, { dnsNames: [] })
  t.equal(subjectAltName(await follow().next()), `URI:${uri}`)
})

t.test('logins', async t => {
  t.test('kubernetes: another mount, the same thing', async t => {
    const { vault, options, clock } = await setUp(t)
    const { login } = options
    const kubernetes = { ...login, kind: 'kubernetes', mount: 'kubernetes' } as VaultLogin
    const { source, next } = follow(t, { ...options, login: kubernetes }, clock)
    await next()
    t.match(vault.asked[0], { path: 'auth/kubernetes/login', body: { role: 'postern', jwt: /\./ } })
    t.equal(source.attested, false)
  })
  t.test('certificate: the pair of a folder is shown, with or without the name of a role', async t => {
    const { vault, options, clock, clientCa, folder } = await setUp(t)
    const key = generateKey()
    const leaf = await issue({ ...dates, subject: { commonName: 'a' }, issuer: clientCa, publicKey: key.publicKey })
    withKeyPem(toCredential([leaf], key.privateKey, 'file'), ({ key, cert }) => {
      writeFileSync(join(folder, 'tls.crt'), cert)
      writeFileSync(join(folder, 'tls.key'), key)
    })
    for (const role of [undefined, 'one']) {
      const login: VaultLogin = { kind: 'certificate', mount: 'cert', role, folder }
      const { source, next } = follow(t, { ...options, login }, clock)
      await next()
      t.match(vault.asked.at(-2), { path: 'auth/cert/login', body: role ? { name: role } : {} })
      t.equal(source.attested, false, 'the folder is the host’s')
    }
    t.test('its lease is renewed by who shows the certificate again', async t => {
      const login: VaultLogin = { kind: 'certificate', mount: 'cert', role: undefined, folder }
      const { next } = follow(t, { ...options, login, lifetimeMs: hour }, clock)
      await next()
      vault.asked.length = 0
      await clock.advance(0.7 * hour)
      await next(2)
      t.same(
        vault.asked.map(({ path }) => path),
        ['auth/token/renew-self', 'pki/sign/proxy'],
      )
    })
  })
  t.test("sgx: enclaive's plug-in gets a quote over the certificate of the connection", async t => {
    const { vault, options, clock } = await setUp(t)
    const login: VaultLogin = { kind: 'sgx', mount: 'sgx-auth', id: 'hello', quotes: demoProxy() }
    const { source, next } = follow(t, { ...options, login }, clock)
    await next()
    t.equal(source.attested, true)
    t.match(vault.asked[0], { path: 'auth/sgx-auth/login', body: { id: 'hello', attestation: String } })
    t.test('and is not asked to renew, which it cannot', async t => {
      vault.asked.length = 0
      await clock.advance(16 * hour)
      await next(2)
      t.equal(vault.asked[0]?.path, 'auth/sgx-auth/login')
    })
    t.test('an enclave that is not registered is refused', async t => {
      const other: VaultLogin = { ...login, id: 'other' }
      const { failed } = follow(t, { ...options, login: other }, clock)
      t.match(await failed(), { code: 'issuer-refused', message: /sgx-auth\/login: status 403: permission denied/ })
    })
    t.test('without a TEE there is nothing to log in with', async t => {
      const none: VaultLogin = { ...login, quotes: refusingTee('no TEE here') }
      t.match(await follow(t, { ...options, login: none }, clock).failed(), { code: 'tee-unavailable' })
    })
  })
  const files: [name: string, content: string | undefined, message: RegExp][] = [
    ['a token that is not there', undefined, /token: ENOENT/],
    ['what is no JWT', 'secret-that-is-none', /want a JWT in its compact form/],
    ['far too much', 'a'.repeat(100_000), /more than 65536 bytes/],
  ]
  for (const [name, content, message] of files) {
    t.test(`${name} is told by its file, not by its content`, async t => {
      const { folder, options, clock } = await setUp(t)
      const file = join(folder, 'other-token')
      if (content !== undefined) writeFileSync(file, content)
      const login: VaultLogin = { kind: 'jwt', mount: 'jwt', role: 'postern', file }
      const fault = await follow(t, { ...options, login }, clock).failed()
      t.match(fault, { code: 'credential-invalid', message })
      t.notMatch(fault.message, 'secret')
    })
  }
})

t.test('a held token', async t => {
  t.test('is used again in the first half of its lease', async t => {
    const { vault, clock, follow } = await setUp(t, { lifetimeMs: hour }, { leaseSeconds: 7200 })
    const { next } = follow()
    await next()
    await clock.advance(0.7 * hour)
    await next(2)
    t.same(
      vault.asked.map(({ path }) => path),
      ['auth/jwt/login', 'pki/sign/proxy', 'pki/sign/proxy'],
    )
  })
  t.test('is renewed in the second, and a login follows where that is refused', async t => {
    const { vault, clock, follow } = await setUp(t, { lifetimeMs: hour }, { leaseSeconds: 3600 })
    const { next, faults } = follow()
    await next()
    await clock.advance(0.7 * hour)
    await next(2)
    vault.renewable = false
    await clock.advance(0.7 * hour)
    await next(3)
    t.same(faults, [])
    t.same(
      vault.asked.map(({ path }) => path.replace(/^auth\//, '')),
      [
        ...['jwt/login', 'pki/sign/proxy', 'token/renew-self', 'pki/sign/proxy'],
        ...['token/renew-self', 'jwt/login', 'pki/sign/proxy'],
      ],
    )
  })
  t.test('is dropped with its lease', async t => {
    // Over when a certificate of a day is due, after 13.6 hours at the earliest; the next one lasts beyond the latest, 16.
    const { vault, clock, follow } = await setUp(t, {}, { leaseSeconds: 3 * 3600 })
    const { next } = follow()
    await next()
    await clock.advance(16 * hour)
    await next(2)
    t.equal(vault.asked.filter(({ path }) => path === 'auth/jwt/login').length, 2)
    t.equal(vault.asked.filter(({ path }) => path.includes('renew')).length, 0)
  })
  t.test('that was revoked is replaced at once', async t => {
    const { vault, clock, follow } = await setUp(t, { lifetimeMs: hour }, { leaseSeconds: 7200 })
    const { next, faults } = follow()
    await next()
    vault.revokeTokens()
    await clock.advance(0.7 * hour)
    await next(2)
    t.same(
      vault.asked.map(({ path }) => path.replace(/^auth\//, '')),
      ['jwt/login', 'pki/sign/proxy', 'pki/sign/proxy', 'jwt/login', 'pki/sign/proxy'],
    )
    t.same(faults, [])
  })
})

t.test('evidence', async t => {
  const source = demoProxy()
  const evidence = { source, role: 'proxy', policyDigest: new Uint8Array(32).fill(5), service: undefined } as const

  t.test('is in the certificate, over its own key, and in each that follows', async t => {
    const { vault, clock, follow } = await setUp(t, { evidence })
    const { next } = follow()
    const first = await next()
    await clock.advance(16 * hour)
    for (const credential of [first, await next(2)]) {
      const { postern } = readEvidence(readCertificate(credential.chain[0]))
      t.match(postern, { use: 'tls', role: 'proxy', policyDigest: evidence.policyDigest })
    }
    t.match(vault.asked[1], { path: 'pki/sign-verbatim/proxy', body: { key_usage: 'DigitalSignature' } })
    t.notSame(first.chain[0], (await next(2)).chain[0])
  })
  t.test('that does not come back is a failure', async t => {
    const { vault, follow } = await setUp(t, { evidence })
    vault.twist = { extensions: [] }
    t.match(await follow().failed(), { code: 'credential-invalid', message: /came without its evidence \(2\.23\.133/ })
  })
})

t.test('a certificate that is not what was asked for is none', async t => {
  const rows: [name: string, twist: FakeVault['twist'], message: RegExp][] = [
    ['for another key', { key: generateKey().publicKey }, /key does not fit the leaf/],
    [
      'for a name less',
      { dnsNames: names.slice(1) },
      /want a certificate for DNS:kn-user-team-a, .* got one for DNS:data/,
    ],
    ['for a name more', { dnsNames: [...names, 'kn-user-team-b'] }, /got one for .*kn-user-team-b/],
    ['for no life at all', { lifeMs: 1000 - 30_000 }, /expired/],
  ]
  for (const [name, twist, message] of rows) {
    t.test(name, async t => {
      const { vault, clock, follow } = await setUp(t)
      vault.twist = twist
      const { next, failed } = follow()
      t.match(await failed(), { code: 'credential-invalid', message })
      vault.twist = {}
      await clock.advance(1000)
      await next()
    })
  }
  t.test('a name that the role does not allow is refused in its words', async t => {
    const { follow } = await setUp(t, { dnsNames: ['kn-user-team-b'] })
    t.match(await follow().failed(), {
      code: 'issuer-refused',
      message: /pki\/sign\/proxy: status 400: .*kn-user-team-b not/,
    })
  })
  t.test('a role that is not there too', async t => {
    const { follow } = await setUp(t, { role: 'another' })
    t.match(await follow().failed(), { code: 'issuer-refused', message: /status 403/ })
  })
})

t.test('while the server', async t => {
  const rows: [mood: FakeVault['mood'], code: string, message: RegExp][] = [
    ['sealed', 'issuer-unavailable', /status 503: Vault is sealed/],
    ['busy', 'issuer-unavailable', /status 429: rate limit quota exceeded by <secret>/],
    ['html', 'issuer-unavailable', /status 502: no JSON/],
    ['garbage', 'issuer-malformed', /the answer has no JSON/],
    ['huge', 'issuer-malformed', /more than 1048576 bytes/],
    ['redirect', 'issuer-refused', /status 307; redirects are not followed/],
    ['hangs-up', 'issuer-unavailable', /ECONNRESET/],
  ]
  for (const [mood, code, message] of rows) {
    t.test(`is ${mood}: ${code}; it goes on by itself afterwards`, async t => {
      const { vault, clock, folder, follow } = await setUp(t)
      const secret = makeJwt(jwtKeys.privateKey)
      writeFileSync(join(folder, 'token'), secret)
      vault.mood = mood
      const { next, failed, faults } = follow()
      t.match(await failed(), { code, message })
      await clock.advance(1000)
      await failed(2)
      vault.mood = 'good'
      await clock.advance(300_000)
      await next()
      t.notMatch(faults.map(({ message }) => message).join(), secret)
    })
  }
  t.test('is slow: one deadline for all of it', async t => {
    const { vault, clock, options } = await setUp(t)
    vault.mood = 'slow'
    const server = reach(vault.port, vault.serverCa.certificate, clock)
    const { failed } = follow(t, { ...options, server }, clock)
    await eventually(() => vault.asked.length === 1)
    await clock.advance(15_000)
    t.match(await failed(), { code: 'issuer-unavailable', message: /no whole answer within 15000 ms/ })
  })
  t.test('is slow, and we leave: nothing stays', async t => {
    const { vault, clock, follow } = await setUp(t)
    vault.mood = 'slow'
    const { stop, done, faults } = follow()
    await eventually(() => vault.asked.length === 1)
    stop.abort()
    await done
    await eventually(() => clock.pending === 0)
    t.same(faults, [])
  })
  t.test('refuses a login: without the token in the reason', async t => {
    const { folder, follow } = await setUp(t)
    const secret = makeJwt(generateKey().privateKey)
    writeFileSync(join(folder, 'token'), secret)
    const fault = await follow().failed()
    t.match(fault, {
      code: 'issuer-refused',
      message: /status 400: error validating token: invalid signature: <secret>$/,
    })
  })
})
