// What every source of our certificate must do, whatever stands behind it. Vault is the fake of support/vault.ts, and a real
// one too where `bao` or `vault` is to be found; that one lives by the real time, the others by a clock that is moved.

import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { QuoteSource } from '../../src/attest/evidence.ts'
import { type Clock, systemClock } from '../../src/base/clock.ts'
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
import { RealVault, vaultBinary } from '../support/vault-real.ts'

interface Subject {
  readonly clock: Clock
  /** Lets time pass until something is so. */
  until(condition: () => boolean): Promise<void>
  readonly source: CertificateSource
  /** What the chain hangs from, DER; undefined where it is the leaf itself. */
  readonly root: Uint8Array | undefined
  readonly attested: boolean
  readonly keyOrigin: Credential['keyOrigin']
  /** From now on no attempt succeeds, and then again each. */
  fail(): Promise<void>
  mend(): Promise<void>
  /** Where somebody else has to: makes the next one. */
  renew?(): Promise<void>
}

const lifeMs = 9 * hour

/** A clock, and how to let it run: in steps, with time for what is real between them. */
function moved() {
  const clock = new FakeClock()
  async function until(condition: () => boolean): Promise<void> {
    for (let step = 0; step < 200 && !condition(); step += 1) {
      await clock.advance(lifeMs / 60)
      await delay(10)
    }
    await eventually(condition)
  }
  return { clock, until }
}

const subjects: Record<string, (t: Test) => Promise<Subject>> = {
  async 'self-signed'() {
    const { clock, until } = moved()
    let broken = false
    const tee = demoProxy()
    const source: QuoteSource = {
      ...tee,
      quote: data => (broken ? Promise.reject(new Fault('tee-unavailable', 'no quote')) : tee.quote(data)),
    }
    const own = { role: 'proxy', policyDigest: new Uint8Array(32), service: undefined } as const
    return {
      clock,
      until,
      source: selfSignedSource({ source, ...own, dnsNames: ['data-plane.knative.dev'], lifetimeMs: lifeMs, clock }),
      root: undefined,
      attested: true,
      keyOrigin: 'enclave',
      async fail() {
        broken = true
      },
      async mend() {
        broken = false
      },
    }
  },
  async files(t) {
    const { clock, until } = moved()
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
      clock,
      until,
      source: files({ folder, clock }),
      root: undefined,
      attested: false,
      keyOrigin: 'file',
      fail: () => writeFile(join(folder, 'tls.key'), 'nonsense'),
      mend: put,
      renew: put,
    }
  },
  async vault(t) {
    const { clock, until } = moved()
    const jwt = generateKey()
    const clientCa = await makeRoot('clients')
    const vault = await FakeVault.open({ now: () => clock.now(), jwtKey: jwt.publicKey, clientCa })
    t.teardown(() => vault.close())
    const file = join(t.testdir({ token: makeJwt(jwt.privateKey) }), 'token')
    return {
      clock,
      until,
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
      async fail() {
        vault.mood = 'sealed'
      },
      async mend() {
        vault.mood = 'good'
      },
    }
  },
}

const realName = 'vault, a real one'
const noVault = vaultBinary() ? false : 'NOT TESTED on a real Vault or OpenBao: neither bao nor vault is on the path'

subjects[realName] = async t => {
  const vault = await RealVault.open(t)
  const seconds = 15
  return {
    clock: systemClock,
    until: condition => eventually(condition, 60_000),
    source: vaultSource({
      server: reach(vault.port, vault.serverCa, systemClock),
      login: { kind: 'jwt', mount: 'jwt', role: 'postern', file: vault.tokenFile },
      mount: vault.pkiMount,
      role: pkiRole,
      dnsNames: ['kn-user-team-a', 'data-plane.knative.dev'],
      uris: ['spiffe://c1.example.org/ns/team-a/svc/hello/proxy'],
      lifetimeMs: seconds * 1000,
      evidence: undefined,
    }),
    root: vault.root,
    attested: false,
    keyOrigin: 'enclave',
    fail: () => vault.seal(),
    mend: () => vault.unseal(),
  }
}

const missing = spawnSync('openssl', ['version']).error ? 'no openssl on this machine' : false

for (const [name, open] of Object.entries(subjects)) {
  t.test(name, { skip: name === realName && noVault }, async t => {
    const subject = await open(t)
    const { clock, source, until } = subject
    const events: KeeperEvent[] = []
    const keeper = new Keeper({ source, clock, acceptForeignKey: true, report: event => events.push(event) })
    t.teardown(() => keeper.stop())
    keeper.start()
    const phase = (): string => keeper.standing.phase
    const installed = (): number => events.filter(({ event }) => event === 'credential-installed').length
    const why = (): string => JSON.stringify(events.slice(0, 2))
    await eventually(() => phase() === 'ready').catch(() => Promise.reject(new Error(why())))
    const current = (): Credential => {
      const { standing } = keeper
      if (!('credential' in standing)) throw new Error(standing.phase)
      return standing.credential
    }
    const first = current()

    t.test('says what it is', async t => {
      t.equal(source.name, name === realName ? 'vault' : name)
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
      await subject.renew?.()
      await until(() => installed() === 2)
      t.equal(phase(), 'ready')
      t.notOk(current().key.equals(first.key))
    })

    t.test('that fails keeps what stands, until that ends', async t => {
      await subject.fail()
      const before = current()
      await until(() => phase() === 'stale')
      t.equal(current(), before)
      t.ok(events.some(({ event }) => event === 'credential-renewal-failed'))
      await until(() => phase() === 'expired')
      t.match(
        events.find(({ event }) => event === 'credential-expired'),
        { code: String, reason: String },
      )
    })

    t.test('comes back by itself', async t => {
      await subject.mend()
      await until(() => phase() === 'ready')
      t.notMatch(JSON.stringify(events), /PRIVATE|hvs\.|eyJ/)
    })

    t.test('leaves nothing behind', async t => {
      await keeper.stop()
      t.equal(phase(), 'ready')
      if (clock instanceof FakeClock) await eventually(() => clock.pending === 0)
    })
  })
}
