import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import t from 'tap'
import { bindLegacyKey } from '../../../src/attest/bind.ts'
import { readCertificate } from '../../../src/attest/certificate.ts'
import { judgePeer } from '../../../src/attest/peer.ts'
import { parseQuote } from '../../../src/attest/quote.ts'
import { legacyOid, readEvidence, taggedEvidenceOid } from '../../../src/attest/ratls.ts'
import { toHex } from '../../../src/base/bytes.ts'
import { makeSyntheticTee, measurement, syntheticRoot } from '../../../src/demo/tee.ts'
import { type Credential, checkCredential, withKeyPem } from '../../../src/identity/credential.ts'
import { makeRatlsCredential, type RatlsOptions, selfSignedSource } from '../../../src/identity/sources/self-signed.ts'
import { refusingTee } from '../../support/evidence.ts'
import { FakeClock, hour, start } from '../../support/identity.ts'

const service = 'spiffe://c1.example.org/ns/default/svc/hello'
const mrenclave = measurement('proxy under test')
const source = makeSyntheticTee({ mrenclave, mrsigner: measurement('signer'), isvProdId: 7, isvSvn: 3 })

function options(more: Partial<RatlsOptions> = {}): RatlsOptions {
  const policyDigest = new Uint8Array(32).fill(5)
  const dnsNames = ['kn-user-default', 'data-plane.knative.dev']
  const clock = new FakeClock()
  return { source, role: 'workload', policyDigest, service, dnsNames, lifetimeMs: 24 * hour, clock, ...more }
}

const judged = (leaf: Uint8Array, at = start) =>
  judgePeer(
    leaf,
    {
      enclaves: [{ mrenclave: Buffer.from(mrenclave).toString('hex') }],
      dangerAllowDebug: false,
      dangerAcceptSynthetic: true,
      role: 'workload',
      service,
      refuse: { leafSha256s: [], mrenclave: undefined },
    },
    { root: syntheticRoot, collateral: { kind: 'synthetic' } },
    at,
  )

t.test('the certificate carries evidence that our own verifier accepts', async t => {
  const credential = await makeRatlsCredential(options())
  checkCredential(credential, start)
  const leaf = readCertificate(credential.chain[0])
  const { postern, format } = readEvidence(leaf)
  t.equal(format, 'tagged')
  t.strictSame(postern, { use: 'tls', role: 'workload', policyDigest: new Uint8Array(32).fill(5), service })
  t.match(judged(credential.chain[0]), { accepted: true })
  t.equal(credential.keyOrigin, 'enclave')
  t.equal(credential.chain.length, 1)
  t.equal(leaf.x509.subjectAltName, 'DNS:kn-user-default, DNS:data-plane.knative.dev')
  t.equal(credential.notBefore, start - 300_000, 'backdated by five minutes')
  t.equal(credential.notAfter, start + 24 * hour)
  t.notOk(leaf.extensions.some(({ oid }) => oid === legacyOid))
})

t.test('it tells what is done: key, quote, certificate', async t => {
  const told: string[] = []
  const quoted = {
    ...source,
    quote: async (data: Parameters<typeof source.quote>[0]) => {
      told.push('asked for a quote')
      return source.quote(data)
    },
  }
  await makeRatlsCredential(options({ source: quoted, done: phase => told.push(phase) }))
  t.same(told, ['key', 'asked for a quote', 'quote', 'certificate'])
})

t.test('a short life is backdated by a tenth of it', async t => {
  const credential = await makeRatlsCredential(options({ lifetimeMs: 60_000, service: undefined }))
  t.equal(credential.notBefore, start - 6_000)
})

t.test('evidence without hardware says so wherever the certificate is shown', async t => {
  const fake = await makeRatlsCredential(options())
  t.match(readCertificate(fake.chain[0]).x509.subject, /O=SYNTHETIC\\, NOT ATTESTED/)
  const real = await makeRatlsCredential(options({ source: { ...source, synthetic: false } }))
  t.equal(readCertificate(real.chain[0]).x509.subject, 'CN=postern')
})

t.test('the legacy extension holds a quote of its own, over the bare key', async t => {
  const credential = await makeRatlsCredential(options({ legacyExtension: true }))
  const leaf = readCertificate(credential.chain[0])
  t.strictSame(
    leaf.extensions.map(({ oid }) => oid).slice(-2),
    [legacyOid, taggedEvidenceOid],
    'as Gramine orders them',
  )
  t.ok(Buffer.from(credential.chain[0]).includes(Buffer.from('060b06092a864886f84d8a39060482', 'hex')))
  const legacy = leaf.extensions.find(({ oid }) => oid === legacyOid)
  t.strictSame([...parseQuote(legacy?.value ?? new Uint8Array()).body.reportData], [...bindLegacyKey(leaf.spki)])
  t.match(judged(credential.chain[0]), { accepted: true })
})

t.test('every certificate has a key of its own', async t => {
  const [a, b] = await Promise.all([makeRatlsCredential(options()), makeRatlsCredential(options())])
  t.notOk(a.key.equals(b.key))
})

t.test('no quote, no credential', async t => {
  await t.rejects(makeRatlsCredential(options({ source: refusingTee('no TEE here') })), {
    code: 'tee-unavailable',
  })
  await t.rejects(makeRatlsCredential(options({ policyDigest: new Uint8Array(31) })), { code: 'internal' })
})

t.test('the source renews at two thirds and reports what fails', async t => {
  const clock = new FakeClock()
  const stop = new AbortController()
  const got: Credential[] = []
  for await (const credential of selfSignedSource(options({ clock })).credentials(stop.signal, () => {})) {
    got.push(credential)
    if (got.length === 2) stop.abort()
    else setImmediate(() => clock.advance(24 * hour))
  }
  t.equal(got.length, 2)
  const leaves = got.map(({ chain: [leaf] }) => readCertificate(leaf))
  t.equal(new Set(leaves.map(({ spki }) => toHex(spki))).size, 2, 'another key')
  t.equal(new Set(leaves.map(leaf => toHex(readEvidence(leaf).quote))).size, 2, 'another quote')
  for (const { der, notBefore } of leaves) t.match(judged(der, notBefore), { accepted: true }, 'over that key')
  const faults: string[] = []
  const none = new AbortController()
  const failing = selfSignedSource(options({ clock, source: refusingTee('none') }))
  for await (const _ of failing.credentials(none.signal, fault => {
    faults.push(fault.code)
    none.abort()
  })) {
    t.fail('yielded')
  }
  t.strictSame(faults, ['tee-unavailable'])
})

t.test('a TLS listener shows it, and shows the next after setSecureContext', async t => {
  const first = await makeRatlsCredential(options({ legacyExtension: true }))
  const server = withKeyPem(first, pem => createServer({ ...pem, minVersion: 'TLSv1.3' }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const shown = async (): Promise<Buffer | undefined> => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const leaf = socket.getPeerX509Certificate()?.raw
    socket.destroy()
    return leaf
  }
  t.strictSame(await shown(), Buffer.from(first.chain[0]))
  const second = await makeRatlsCredential(options())
  withKeyPem(second, pem => server.setSecureContext({ ...pem, minVersion: 'TLSv1.3' }))
  t.strictSame(await shown(), Buffer.from(second.chain[0]), 'although its key was zeroed by now')
  server.close()
})
