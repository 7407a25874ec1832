import { join } from 'node:path'
import t from 'tap'
import { readCertificate } from '../../src/attest/certificate.ts'
import type { QuoteSource } from '../../src/attest/evidence.ts'
import { systemClock } from '../../src/base/clock.ts'
import { loadPolicy, type Policy, readPolicy } from '../../src/config/policy.ts'
import { demoProxy } from '../../src/demo/enclaves.ts'
import { chainPem } from '../../src/identity/credential.ts'
import { chooseSource, type IdentityOptions, openTee } from '../../src/proxy/identity.ts'
import { makeRoot } from '../support/identity.ts'
import { complaint } from '../support/outcome.ts'

const nowhere = '/nonexistent'
const mine = (more: object = {}): Policy =>
  readPolicy(
    Buffer.from(JSON.stringify({ version: 1, name: 'mine', upstream: { mode: 'plaintext' }, ...more })),
    'mine',
  )
const shipped = (name: string): Policy => loadPolicy(name, () => new Uint8Array()).policy

function options(policy: Policy, more: Partial<IdentityOptions> = {}): IdentityOptions {
  return {
    policy,
    policyDigest: new Uint8Array(32).fill(7),
    clock: systemClock,
    syntheticTee: demoProxy,
    attestationFolder: nowhere,
    certificateFolder: nowhere,
    ...more,
  }
}

/** Nobody is asked for evidence here. */
const nobody = () => () => ({ accepted: false, reasons: [] }) as const

/** A folder that stands in for /dev/attestation. */
const dcap = { attestation_type: 'dcap', my_target_info: Buffer.alloc(512, 0xab) }

t.test('the synthetic TEE', async t => {
  t.test('vouches under a policy that trusts it', async t => {
    t.match(openTee(options(shipped('demo'))), { synthetic: true })
  })
  t.test('does not where a real TEE is present', async t => {
    const attestationFolder = t.testdir(dcap)
    const message =
      'policy demo trusts SYNTHETIC evidence and does not start where a real TEE is present; use your own policy'
    t.equal(
      complaint(() => openTee(options(shipped('demo'), { attestationFolder }))),
      message,
    )
  })
  t.test('does where Gramine runs without attestation', async t => {
    const attestationFolder = t.testdir({ ...dcap, attestation_type: 'none' })
    t.match(openTee(options(shipped('demo'), { attestationFolder })), { synthetic: true })
  })
  t.test('is not in every build', async t => {
    const message = 'policy demo trusts SYNTHETIC evidence, which this build does not have'
    t.equal(
      complaint(() => openTee(options(shipped('demo'), { syntheticTee: undefined }))),
      message,
    )
  })
  t.test('is never asked by another policy', async t => {
    const never = (): QuoteSource => t.fail('asked') as never
    t.match(
      complaint(() => openTee(options(mine(), { syntheticTee: never }))),
      /^policy mine needs an SGX enclave/,
    )
  })
})

t.test('the real TEE', async t => {
  t.test('vouches where it is present', async t => {
    const tee = openTee(options(mine(), { attestationFolder: t.testdir(dcap) }))
    t.match(tee, { tee: 'sgx', synthetic: false })
    t.same(tee?.mrenclave, new Uint8Array(32).fill(0xab))
  })
  t.test('is missed in one sentence with the ways on', async t => {
    const message = complaint(() => openTee(options(mine())))
    t.match(message, 'policy mine needs an SGX enclave (Gramine, sgx.remote_attestation = "dcap"): tee-unavailable: ')
    t.match(message, 'to try postern without one: postern demo, or --policy compatible')
    t.notMatch(message, '\n')
  })
  t.test('is not needed by a policy that shows no evidence', async t => {
    t.equal(openTee(options(shipped('compatible'))), undefined)
  })
})

t.test('the certificate', async t => {
  t.test('files that are absent leave TLS off', async t => {
    t.equal(chooseSource(options(shipped('compatible')), undefined, nobody), undefined)
  })
  t.test('one file of two leaves TLS off', async t => {
    const certificateFolder = t.testdir({ 'tls.crt': '' })
    t.equal(chooseSource(options(shipped('compatible'), { certificateFolder }), undefined, nobody), undefined)
  })
  t.test('both files are a source, whatever is in them', async t => {
    const certificateFolder = t.testdir({ 'tls.crt': '', 'tls.key': '' })
    t.match(chooseSource(options(shipped('compatible'), { certificateFolder }), undefined, nobody), { name: 'files' })
  })
  t.test('files that cannot be read end the start', async t => {
    const certificateFolder = join(t.testdir({ file: '' }), 'file')
    t.throws(() => chooseSource(options(shipped('compatible'), { certificateFolder }), undefined, nobody), {
      code: 'credential-invalid',
    })
  })
  t.test('without a TEE there is no evidence to show', async t => {
    t.equal(chooseSource(options(mine()), undefined, nobody), undefined)
  })

  const cases: [name: string, policy: object, names: string][] = [
    ['of no service in particular', {}, 'DNS:data-plane.knative.dev'],
    [
      'of a service, for the activator',
      { service: 'spiffe://c1.example.org/ns/team-a/svc/hello' },
      'DNS:kn-user-team-a, DNS:data-plane.knative.dev',
    ],
  ]
  for (const [name, more, names] of cases) {
    t.test(`has the names ${name}`, async t => {
      const tee = demoProxy()
      const source = chooseSource(options(mine({ ...more, identity: { lifetimeSeconds: 600 } })), tee, nobody)
      t.equal(source?.name, 'self-signed')
      const stop = new AbortController()
      for await (const credential of source?.credentials(stop.signal, () => {}) ?? []) {
        const { x509, notAfter } = readCertificate(credential.chain[0])
        t.equal(x509.subjectAltName, names)
        t.ok(Math.abs(notAfter - Date.now() - 600_000) < 60_000, 'and the life that the policy says')
        t.equal(credential.keyOrigin, 'enclave')
        break
      }
      stop.abort()
    })
  }
})

t.test('Vault as the issuer', async t => {
  const { certificate } = await makeRoot()
  const vault = {
    url: 'https://vault.example.org:8200',
    server: { bundle: chainPem([certificate]) },
    login: { jwt: { role: 'postern', file: '/nonexistent' } },
    pki: { role: 'proxy' },
  }
  const policy = (more: object = {}): Policy =>
    mine({ identity: { source: 'vault', allowUnattestedIssuer: true, vault: { ...vault, ...more } } })
  t.match(await chooseSource(options(policy()), undefined, nobody), { name: 'vault', attested: false })
  t.test('needs no TEE, unless evidence is asked for', async t => {
    t.equal(openTee(options(policy())), undefined)
    t.throws(() => openTee(options(policy({ pki: { role: 'proxy', evidence: true } }))), { code: 'tee-unavailable' })
    t.throws(() => openTee(options(policy({ login: { sgx: { id: 'a' } } }))), { code: 'tee-unavailable' })
  })
  t.test('one that is there tells our measurement', async t => {
    t.match(openTee(options(policy(), { attestationFolder: t.testdir(dcap) })), { tee: 'sgx' })
  })
})
