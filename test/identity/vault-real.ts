// What only a real OpenBao or Vault can tell: that it takes our requests as the fake does. Not run where there is neither.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readCertificate } from '../../src/attest/certificate.ts'
import { readEvidence } from '../../src/attest/ratls.ts'
import { systemClock } from '../../src/base/clock.ts'
import { demoProxy } from '../../src/demo/enclaves.ts'
import { type Credential, checkCredential, toCredential, withKeyPem } from '../../src/identity/credential.ts'
import { type VaultOptions, vaultSource } from '../../src/identity/sources/vault.ts'
import { generateKey, issue } from '../../src/identity/x509.ts'
import { pkiRole, reach } from '../support/vault.ts'
import { RealVault, vaultBinary } from '../support/vault-real.ts'

const skip = vaultBinary() ? false : 'NOT TESTED on a real Vault or OpenBao: neither bao nor vault is on the path'

t.test('a real Vault or OpenBao', { skip }, async t => {
  const vault = await RealVault.open(t)
  const jwt = { kind: 'jwt', mount: 'jwt', role: 'postern', file: vault.tokenFile } as const
  const usual: VaultOptions = {
    server: reach(vault.port, vault.serverCa, systemClock),
    login: jwt,
    mount: vault.pkiMount,
    role: pkiRole,
    dnsNames: ['data-plane.knative.dev'],
    uris: [],
    lifetimeMs: 10_000,
    evidence: undefined,
  }
  const names = ({ chain }: Credential): string => readCertificate(chain[0]).x509.subjectAltName ?? ''

  /** So many certificates, one after the other; `between` runs after each. */
  async function get(options: VaultOptions, count = 1, between = async () => {}): Promise<Credential[]> {
    const stop = new AbortController()
    const got: Credential[] = []
    const faults: string[] = []
    const failed = ({ code, message }: { code: string; message: string }): void => {
      faults.push(`${code}: ${message}`)
      if (faults.length > 3) stop.abort()
    }
    for await (const credential of vaultSource(options).credentials(stop.signal, failed)) {
      checkCredential(credential, Date.now())
      got.push(credential)
      await between()
      if (got.length === count) stop.abort()
    }
    if (got.length < count) throw new Error(faults.join('; '))
    return got
  }

  t.test('lets evidence through in sign-verbatim', async t => {
    const policyDigest = new Uint8Array(32).fill(5)
    const evidence = { source: demoProxy(), role: 'proxy', policyDigest, service: undefined } as const
    const [credential] = await get({ ...usual, evidence })
    if (!credential) throw new Error('none')
    t.match(readEvidence(readCertificate(credential.chain[0])).postern, { use: 'tls', role: 'proxy', policyDigest })
    t.equal(names(credential), 'DNS:data-plane.knative.dev')
    t.same(readCertificate(credential.chain[0]).x509.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  })
  t.test('takes a certificate as a login', async t => {
    const folder = t.testdir({})
    const key = generateKey()
    const dates = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 }
    const fields = { ...dates, subject: { commonName: 'pod' }, issuer: vault.clientCa, publicKey: key.publicKey }
    const leaf = await issue({ ...fields, usages: ['clientAuth'] })
    withKeyPem(toCredential([leaf], key.privateKey, 'file'), ({ key, cert }) => {
      writeFileSync(join(folder, 'tls.crt'), cert)
      writeFileSync(join(folder, 'tls.key'), key)
    })
    const login = { kind: 'certificate', mount: 'cert', role: undefined, folder } as const
    t.equal((await get({ ...usual, login })).length, 1)
  })
  t.test('revokes our token, and gives another', async t => {
    const got = await get(usual, 2, () => vault.revokeTokens())
    t.equal(got.length, 2)
  })
  t.test('refuses a name that the role does not allow, and says which', async t => {
    const login = get({ ...usual, dnsNames: ['kn-user-team-b'] })
    await t.rejects(login, /issuer-refused: vault: pki\/sign\/proxy: status 400: .*kn-user-team-b/)
  })
  t.test('is sealed, and says so', async t => {
    await vault.seal()
    await t.rejects(get(usual), /issuer-unavailable: .*status 503: Vault is sealed/i)
    await vault.unseal()
    t.equal((await get(usual)).length, 1)
  })
})
