// With `upstream.trust: "service"` a genuine enclave is not enough, and a genuine certificate of our CA is not either: those
// who have one without the other, or both of somebody else, stand where the container should and hear nothing.

import t from 'tap'
import { toHex } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { demoFunction, demoProvision, demoProxy } from '../../src/demo/enclaves.ts'
import { syntheticRootPem } from '../../src/demo/tee.ts'
import type { Credential } from '../../src/identity/credential.ts'
import { makeRatlsCredential } from '../../src/identity/sources/self-signed.ts'
import { generateKey } from '../../src/identity/x509.ts'
import { bytesOf, startContainer, startRelay } from '../support/engine-containers.ts'
import { startRole } from '../support/engine-role.ts'
import { hour } from '../support/identity.ts'
import { enclaveElsewhere, startIssuer, uris } from '../support/issuing.ts'

const service = 'spiffe://c1.example.org/ns/default/svc/app'
const other = 'spiffe://c1.example.org/ns/default/svc/other'
const measured = (tee: { mrenclave: Uint8Array }): object => ({ mrenclave: toHex(tee.mrenclave) })

t.test('trust by service', async t => {
  const issuer = await startIssuer(t, service)
  const text = JSON.stringify({
    version: 1,
    name: 'demo',
    service,
    identity: { source: 'provision', provision: { url: `https://127.0.0.1:${issuer.port}`, accept: 'ca' } },
    // Freshness of its own: what is refused here is refused by the service alone.
    upstream: { mode: 'attested', trust: 'service', freshness: 'none', accept: 'app', clientCertificate: true },
    // The proxy's own measurement beside the function's: refused even so.
    peers: {
      app: { enclaves: [measured(demoFunction()), measured(demoProxy())] },
      ca: { enclaves: [measured(demoProvision())] },
    },
    dangerSyntheticRoot: syntheticRootPem,
  })
  const role = await startRole(t, text, true)

  t.test('a container of our service, in its role, on our machine, is served', async t => {
    const container = await startContainer(role.userPort, await issuer.certify())
    t.match(await role.ask('/secret'), { status: 200, body: 'hello' })
    t.equal((await role.probe()).status, 200)
    t.ok(bytesOf(container) > 50)
    await container.close()
  })

  const selfSigned = (): Promise<Credential> =>
    makeRatlsCredential({
      source: demoFunction(),
      role: 'workload',
      policyDigest: new Uint8Array(32),
      service,
      dnsNames: [],
      lifetimeMs: hour,
      clock: systemClock,
    })
  const over = { notBefore: Date.now() - 2 * hour, notAfter: Date.now() - hour }
  const rows: [name: string, rule: string, credential: () => Promise<Credential>][] = [
    ["another service's enclave, certified as such", 'service', () => issuer.certify({ service: other })],
    ['evidence of our service, certified for another', 'san', () => issuer.certify(uris(`${other}/workload`))],
    ['another proxy', 'role-proxy', () => issuer.certify({ role: 'proxy' })],
    ['a workload that is certified as a proxy', 'san', () => issuer.certify(uris(`${service}/proxy`))],
    ["a workload by name, a proxy by the CA's word", 'binding', () => issuer.certify({ binding: { role: 'proxy' } })],
    ["the proxy's own measurement", 'own-measurement', () => issuer.certify({ tee: demoProxy() })],
    [
      'the same enclave on another machine',
      'same-platform',
      async () => issuer.certify({ tee: await enclaveElsewhere(demoFunction()) }),
    ],
    [
      'a certificate of the CA without evidence',
      'evidence-missing',
      () => issuer.certify({ fields: { extensions: [] } }),
    ],
    ['evidence in a certificate that signs itself', 'chain', selfSigned],
    ['a CA of the same name', 'chain', async () => (await startIssuer(t, service)).certify()],
    ['a certificate that has ended', 'certificate-dates', () => issuer.certify({ fields: over })],
    ['evidence for another key', 'evidence-unbound', () => issuer.certify({ evidenceFor: generateKey() })],
  ]
  for (const [name, rule, credential] of rows) {
    t.test(`${name} hears nothing`, async t => {
      const container = await startContainer(role.userPort, await credential())
      t.teardown(() => container.close())
      const line = `postern_upstream_refused_total{rule="${rule}"}`
      const before = await role.metric(line)
      const { status, body } = await role.ask('/secret')
      t.equal(status, 502)
      t.match(body, rule)
      t.equal((await role.probe()).status, 503)
      t.ok(container.connections() >= 2, 'it was called, for the request and for the probe')
      t.equal(await role.metric(line), before + 2, 'counted by rule')
      t.equal(bytesOf(container), 0)
    })
  }

  t.test('our own port, behind a relay, is refused before we call ourselves', async t => {
    const relay = await startRelay(role.userPort, role.tlsPort)
    const answered = 'postern_requests_total{end="answered"}'
    const before = await role.metric(answered)
    t.match(await role.ask('/secret'), { status: 502, body: /own-certificate/ })
    t.ok(relay.calls() > 0)
    t.equal(await role.metric(answered), before, 'no second request has come through the relay')
    await relay.close()
  })
})
