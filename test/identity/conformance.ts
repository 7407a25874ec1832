// What every source of our certificate must do, whatever stands behind it. Vault here is the fake of support/vault.ts; on a
// real one the same is asked by suites of their own.

import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { QuoteSource } from '../../src/attest/evidence.ts'
import { Fault } from '../../src/base/errors.ts'
import { demoProxy } from '../../src/demo/enclaves.ts'
import { type CertificateSource, type Credential, chainPem, withKeyPem } from '../../src/identity/credential.ts'
import { Keeper, type KeeperEvent } from '../../src/identity/keeper.ts'
import { files } from '../../src/identity/sources/files.ts'
import { selfSignedSource } from '../../src/identity/sources/self-signed.ts'
import { vaultSource } from '../../src/identity/sources/vault.ts'
import { generateKey } from '../../src/identity/x509.ts'
import { eventually, FakeClock, hour, makeCredential, makeRoot } from '../support/identity.ts'
import { FakeVault, makeJwt, patient, pkiMount, pkiRole, reach } from '../support/vault.ts'

interface Subject {
  readonly source: CertificateSource
  /** What the chain hangs from, DER; undefined where it is the leaf itself. */
  readonly root: Uint8Array | undefined
  readonly attested: boolean
  readonly keyOrigin: Credential['keyOrigin']
  /** From now on no attempt succeeds, and then again each. */
  fail(): Promise<void>
  mend(): Promise<void>
  /** Makes the next one due, of so long a life. */
  renew(): Promise<void>
}

const lifeMs = 9 * hour

const subjects: Record<string, (t: Test, clock: FakeClock) => Promise<Subject>> = {
  async 'self-signed'(_t, clock) {
    let broken = false
    const tee = demoProxy()
    const source: QuoteSource = {
      ...tee,
      quote: data => (broken ? Promise.reject(new Fault('tee-unavailable', 'no quote')) : tee.quote(data)),
    }
    const own = { role: 'proxy', policyDigest: new Uint8Array(32), service: undefined } as const
    return {
      source: selfSignedSource({ source, ...own, dnsNames: ['data-plane.knative.dev'], lifetimeMs: lifeMs, clock }),
      root: undefined,
      attested: true,
      keyOrigin: 'enclave',
      fail: async () => void (broken = true),
      mend: async () => void (broken = false),
      renew: async () => clock.advance(lifeMs * 0.7),
    }
  },
  async files(t, clock) {
    const folder = t.testdir({})
    const put = async (): Promise<void> => {
      const now = clock.now()
      const credential = await makeCredential({ notBefore: now, notAfter: now + lifeMs })
      const { key, cert } = withKeyPem(credential, pem => ({ key: pem.key.toString(), cert: pem.cert }))
      await writeFile(join(folder, 'tls.key'), key)
      await writeFile(join(folder, 'tls.crt'), cert)
    }
    await put()
    return {
      source: files({ folder, clock }),
      root: undefined,
      attested: false,
      keyOrigin: 'file',
      fail: () => writeFile(join(folder, 'tls.key'), 'nonsense'),
      mend: put,
      async renew() {
        await clock.advance(lifeMs * 0.7)
        await put()
        await clock.advance(60_000)
      },
    }
  },
  async vault(t, clock) {
    const jwt = generateKey()
    const clientCa = await makeRoot('clients')
    const vault = await FakeVault.open({ now: () => clock.now(), jwtKey: jwt.publicKey, clientCa })
    t.teardown(() => vault.close())
    const file = join(t.testdir({ token: makeJwt(jwt.privateKey) }), 'token')
    return {
      source: vaultSource({
        server: reach(vault.port, vault.serverCa.certificate, patient(clock)),
        login: { kind: 'jwt', mount: 'jwt', role: 'postern', file },
        mount: pkiMount,
        role: pkiRole,
        dnsNames: ['data-plane.knative.dev'],
        uris: [],
        lifetimeMs: lifeMs,
        evidence: undefined,
      }),
      root: vault.root.certificate,
      attested: false,
      keyOrigin: 'enclave',
      fail: async () => void (vault.mood = 'sealed'),
      mend: async () => void (vault.mood = 'good'),
      renew: async () => clock.advance(lifeMs * 0.7),
    }
  },
}

const missing = spawnSync('openssl', ['version']).error ? 'no openssl on this machine' : false

for (const [name, open] of Object.entries(subjects)) {
  t.test(name, async t => {
    const clock = new FakeClock()
    const subject = await open(t, clock)
    const events: KeeperEvent[] = []
    const { source } = subject
    const keeper = new Keeper({ source, clock, acceptForeignKey: true, report: event => events.push(event) })
    t.teardown(() => keeper.stop())
    keeper.start()
    const phase = (): string => keeper.standing.phase
    const installed = (): number => events.filter(({ event }) => event === 'credential-installed').length
    await eventually(() => phase() === 'ready')
    const current = (): Credential => {
      const { standing } = keeper
      if (!('credential' in standing)) throw new Error(standing.phase)
      return standing.credential
    }
    const first = current()

    t.test('says what it is', async t => {
      t.equal(source.name, name)
      t.equal(source.attested, subject.attested)
      t.equal(first.keyOrigin, subject.keyOrigin)
    })

    t.test('gives a chain that OpenSSL verifies', { skip: missing }, async t => {
      const folder = t.testdir({
        'root.pem': chainPem([subject.root ?? first.chain[0]]),
        'chain.pem': chainPem(first.chain),
        'leaf.pem': chainPem([first.chain[0]]),
      })
      const at = String(Math.floor(clock.now() / 1000))
      const args = ['verify', '-attime', at, '-CAfile', 'root.pem', '-untrusted', 'chain.pem', 'leaf.pem']
      const { stdout, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' })
      t.equal(stdout, 'leaf.pem: OK\n', stderr)
    })

    t.test('renews, with another key', async t => {
      await subject.renew()
      await eventually(() => installed() === 2)
      t.equal(phase(), 'ready')
      t.notOk(current().key.equals(first.key))
    })

    t.test('that fails keeps what stands, until that ends', async t => {
      const before = current()
      await subject.fail()
      await clock.advance(before.notAfter - clock.now() - 60_000)
      await eventually(() => phase() === 'stale')
      t.equal(current(), before)
      t.ok(events.some(({ event }) => event === 'credential-renewal-failed'))
      await clock.advance(60_000)
      await eventually(() => phase() === 'expired')
      t.match(events.at(-1), { code: String, reason: String })
    })

    t.test('comes back by itself', async t => {
      await subject.mend()
      await clock.advance(hour)
      await eventually(() => phase() === 'ready')
      t.notMatch(JSON.stringify(events), /PRIVATE|hvs\./)
    })

    t.test('leaves nothing behind', async t => {
      await keeper.stop()
      await eventually(() => clock.pending === 0)
      t.equal(phase(), 'ready')
    })
  })
}
