// What we show on 8112 satisfies the activator, by Go's own parser and verifier: with the evidence in the leaf, and with an
// intermediate below the root of the trust bundle.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { demoProxy } from '../../src/demo/enclaves.ts'
import { type Credential, chainPem } from '../../src/identity/credential.ts'
import { makeRatlsCredential } from '../../src/identity/sources/self-signed.ts'
import { vaultSource } from '../../src/identity/sources/vault.ts'
import { generateKey } from '../../src/identity/x509.ts'
import { makeRoot } from '../support/identity.ts'
import { FakeVault, makeJwt, pkiMount, pkiRole, reach } from '../support/vault.ts'

const installed = '/usr/local/go/bin/go'
const go = existsSync(installed) ? installed : 'go'
const skip = spawnSync(go, ['version']).error ? 'NOT TESTED by Go: there is none on this machine' : false
const source = fileURLToPath(new URL('activator.go', import.meta.url))

t.test("the activator's check", { skip }, async t => {
  const folder = t.testdir({})
  const program = join(folder, 'activator')
  const built = spawnSync(go, ['build', '-o', program, source], {
    encoding: 'utf8',
    env: { ...process.env, GO111MODULE: 'off' },
  })
  if (built.status !== 0) throw new Error(built.stderr)

  function check(
    t: { testdir(files: Record<string, string>): string },
    roots: Uint8Array[],
    shown: Credential,
    namespace: string,
  ): string {
    const files = t.testdir({ 'roots.pem': chainPem(roots), 'chain.pem': chainPem(shown.chain) })
    const args = [join(files, 'roots.pem'), join(files, 'chain.pem'), namespace]
    return spawnSync(program, args, { encoding: 'utf8' }).stdout.trim()
  }

  const jwt = generateKey()
  const vault = await FakeVault.open({ jwtKey: jwt.publicKey, clientCa: await makeRoot() })
  t.teardown(() => vault.close())
  t.test('a certificate of Vault, with evidence', async t => {
    const file = join(t.testdir({ token: makeJwt(jwt.privateKey) }), 'token')
    const own = { role: 'proxy', policyDigest: new Uint8Array(32), service: undefined } as const
    const stop = new AbortController()
    const issued = vaultSource({
      server: reach(vault.port, vault.serverCa.certificate, systemClock),
      login: { kind: 'jwt', mount: 'jwt', role: 'postern', file },
      mount: pkiMount,
      role: pkiRole,
      dnsNames: ['kn-user-team-a', 'data-plane.knative.dev'],
      uris: ['spiffe://c1.example.org/ns/team-a/svc/hello/proxy'],
      lifetimeMs: 3_600_000,
      evidence: { source: demoProxy(), ...own },
    }).credentials(stop.signal, fault => t.fail(fault.message))
    for await (const credential of issued) {
      t.equal(check(t, [vault.root.certificate], credential, 'team-a'), 'accepted 1 true')
      t.match(check(t, [vault.root.certificate], credential, 'team-b'), /no name of the namespace/)
      t.match(check(t, [vault.serverCa.certificate], credential, 'team-a'), /unknown authority/)
      stop.abort()
    }
  })
  t.test('one that signs itself is for peers who look for evidence, not for the activator', async t => {
    const credential = await makeRatlsCredential({
      source: demoProxy(),
      role: 'proxy',
      policyDigest: new Uint8Array(32),
      service: undefined,
      dnsNames: ['kn-user-team-a', 'data-plane.knative.dev'],
      lifetimeMs: 3_600_000,
      clock: systemClock,
    })
    t.match(check(t, [vault.root.certificate], credential, 'team-a'), /unknown authority/)
  })
})
