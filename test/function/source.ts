import t from 'tap'
import { readBinding } from '../../src/attest/binding.ts'
import { readCertificate } from '../../src/attest/certificate.ts'
import { toHex } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { floorClock } from '../../src/base/floor.ts'
import { demoFunction, demoProvision, demoProxy } from '../../src/demo/enclaves.ts'
import { synthetic } from '../../src/demo/synthetic.ts'
import { syntheticRoot } from '../../src/demo/tee.ts'
import { readOptions } from '../../src/function/options.ts'
import { openSource, type Source } from '../../src/function/source.ts'
import type { Credential } from '../../src/identity/credential.ts'
import { startIssuer } from '../support/issuing.ts'

const service = 'spiffe://c1.example.org/ns/shop/svc/cart'
const clock = floorClock(systemClock, 0)

function opened(more: object): Source {
  const options = { clients: 'anyone', service, dangerSynthetic: synthetic(), ...more } as const
  const settings = readOptions(options, toHex(demoFunction().mrenclave))
  const anchorOf = () => ({ root: syntheticRoot, collateral: undefined })
  return openSource({ settings, quotes: demoFunction(), clock, anchorOf })
}

/** The first certificate, or the first fault. */
async function first({ certificates }: Source): Promise<Credential> {
  const stop = new AbortController()
  let failure: unknown
  for await (const credential of certificates.credentials(stop.signal, fault => {
    failure = fault
    stop.abort()
  })) {
    stop.abort()
    return credential
  }
  throw failure
}

t.test('of our own making, where nobody else was named', async t => {
  const source = opened({ dnsNames: ['cart.example.org'] })
  t.match(source, { certificates: { name: 'self-signed', attested: true }, issuedBy: undefined })
  const { x509 } = readCertificate((await first(source)).chain[0])
  t.equal(x509.subjectAltName, 'DNS:cart.example.org')
})

t.test('from the attesting CA, for a container of our service', async t => {
  const issuer = await startIssuer(t, service)
  const enclaves = [{ mrenclave: toHex(demoProvision().mrenclave) }]
  const source = opened({ provision: { url: `https://127.0.0.1:${issuer.port}`, enclaves } })
  t.equal(source.certificates.name, 'provision')
  const leaf = readCertificate((await first(source)).chain[0])
  t.equal(leaf.x509.subjectAltName, `URI:${service}/workload`)
  t.match(readBinding(leaf), { role: 'workload', mrenclave: toHex(demoFunction().mrenclave) })
  const whose = { service, role: 'proxy', usage: 'clientAuth', fresh: true, samePlatform: true } as const
  const { chain } = await issuer.certify({ tee: demoProxy(), role: 'proxy' })
  t.match(await source.issuedBy?.judge(chain, whose, clock.now()), { accepted: true }, 'what it vouches for is known')
})

t.test('from no other than the CA that was named', async t => {
  const issuer = await startIssuer(t, service)
  const enclaves = [{ mrenclave: toHex(demoProxy().mrenclave) }]
  const source = opened({ provision: { url: `https://127.0.0.1:${issuer.port}`, enclaves } })
  await t.rejects(first(source), { code: 'issuer-untrusted', message: /mrenclave: want / })
})
