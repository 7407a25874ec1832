// A whole function whose certificates are the attesting CA's, in one process with it and with those who call.

import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { readCertificate } from '../../src/attest/certificate.ts'
import { toHex } from '../../src/base/bytes.ts'
import { demoProvision, demoProxy } from '../../src/demo/enclaves.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { attested, clients, dialled, get, leafOf, saidTo, serving } from '../support/function.ts'
import { FakeClock, hour } from '../support/identity.ts'
import { type Issuer, startIssuer } from '../support/issuing.ts'
import { until } from '../support/process.ts'

const service = 'spiffe://c1.example.org/ns/shop/svc/cart'

async function certified(t: Test, life: Parameters<typeof startIssuer>[2] = {}) {
  const issuer = await startIssuer(t, service, life)
  const enclaves = [{ mrenclave: toHex(demoProvision().mrenclave) }]
  const provision = { url: `https://127.0.0.1:${issuer.port}`, enclaves }
  const attestation = await attested(t, { service, clients, provision })
  return { issuer, attestation }
}

const proxyOf = (issuer: Issuer) => issuer.certify({ tee: demoProxy(), role: 'proxy' })

t.test('what a client sends with its handshake is not lost while it is judged', async t => {
  const { issuer, attestation } = await certified(t)
  const app = (_: unknown, response: { end(text: string): unknown }): void => void response.end('hello')
  const echo = (socket: TLSSocket): void => void socket.once('data', part => socket.end(`hello, ${part.length} bytes`))
  const rows: [name: string, port: number][] = [
    ['https', await serving(t, attestation.protect(createServer(attestation.tls, app)))],
    ['http2', await serving(t, attestation.protect(createSecureServer({ ...attestation.tls, allowHTTP1: true }, app)))],
    ['tls', await serving(t, attestation.protect(createTlsServer(attestation.tls, echo)))],
  ]
  for (const [name, port] of rows) {
    const socket = withKeyPem(await proxyOf(issuer), pem =>
      tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...pem }),
    )
    t.teardown(() => socket.destroy())
    t.match(await saidTo(socket, get), /hello/, name)
  }
})

t.test('a client that leaves while it is judged costs nothing', async t => {
  const { issuer, attestation } = await certified(t)
  const server = createServer(attestation.tls, (_, response) => response.end('hello'))
  const port = await serving(t, attestation.protect(server))
  for (let n = 0; n < 3; n++) {
    const socket = await dialled(t, port, await proxyOf(issuer))
    socket.destroy()
  }
  t.match(await saidTo(await dialled(t, port, await proxyOf(issuer)), get), /hello/)
})

t.test('it is renewed by the CA, and shown to whoever comes then', async t => {
  // Two thirds of their life are over when they come, so that the next is asked for soon.
  const { issuer, attestation } = await certified(t, { notBefore: Date.now() - 3 * hour, notAfter: Date.now() + hour })
  const port = await serving(t, attestation.protect(createServer(attestation.tls)))
  const before = leafOf(await dialled(t, port, await proxyOf(issuer)))
  const installed = () => attestation.events.filter(({ event }) => event === 'credential-installed')
  await until('the next certificate', () => installed().length > 1)
  const after = leafOf(await dialled(t, port, await proxyOf(issuer)))
  t.not(toHex(readCertificate(before).spki), toHex(readCertificate(after).spki))
  t.equal(readCertificate(after).x509.subjectAltName, `URI:${service}/workload`)
})

t.test('without its CA there is no start', async t => {
  const clock = new FakeClock(Date.now())
  const enclaves = [{ mrenclave: toHex(demoProvision().mrenclave) }]
  const heard: string[] = []
  const report = ({ event }: { readonly event: string }): void => void heard.push(event)
  const begun = attested(t, { service, provision: { url: 'https://127.0.0.1:1', enclaves }, report }, { clock })
  begun.catch(() => {})
  await until('its first try has failed', () => heard.includes('credential-renewal-failed'))
  await clock.advance(61_000)
  await t.rejects(begun, { code: 'issuer-unavailable', message: /provision: 127\.0\.0\.1:1: / })
})
