// What Intel really signed, handed out by services as they hand it out, and fetched, kept and used as the proxy does.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { parseQuote } from '../../src/attest/quote.ts'
import { intelRoot } from '../../src/attest/root.ts'
import { modelOf, verifyQuote } from '../../src/attest/verify.ts'
import { floorClock } from '../../src/base/floor.ts'
import { openStore } from '../../src/collateral/open.ts'
import { type LabService, startService } from '../support/collateral-services.ts'
import { realBytes, realEvidenceMissing, realPath } from '../support/evidence.ts'
import { LabClock } from '../support/lab-clock.ts'
import { type Files, readFiles, realCases } from '../support/pki-real.ts'

const api = '/sgx/certification/v4/'

/** A PCCS that has one folder, in hex, or Intel, that has it in PEM and DER. */
function serve(files: Files, hex: boolean): Promise<LabService> {
  const file = (name: string) => files[name] ?? new Uint8Array()
  const chain = (name: string) => encodeURIComponent(Buffer.from(file(name)).toString())
  return startService(url => {
    const answers: Record<string, readonly [body: Uint8Array, headers: Record<string, string>]> = {
      [`${api}tcb`]: [file('tcb_info.json'), { 'TCB-Info-Issuer-Chain': chain('tcb_info_issuer_chain.pem') }],
      [`${api}qe/identity`]: [
        file('qe_identity.json'),
        { 'SGX-Enclave-Identity-Issuer-Chain': chain('qe_identity_issuer_chain.pem') },
      ],
      [`${api}pckcrl`]: [file('pck_crl.der'), { 'SGX-PCK-CRL-Issuer-Chain': chain('pck_crl_issuer_chain.pem') }],
      [`${api}rootcacrl`]: [Buffer.from(Buffer.from(file('root_ca_crl.der')).toString('hex')), {}],
      '/IntelSGXRootCA.der': [file('root_ca_crl.der'), {}],
    }
    const [body, headers] = answers[hex || url.pathname !== `${api}rootcacrl` ? url.pathname : ''] ?? []
    return { status: body ? 200 : 404, headers: headers ?? {}, body: body ?? new Uint8Array() }
  })
}

t.test('real collateral', { skip: realEvidenceMissing }, async t => {
  for (const name of realCases().filter(each => each.startsWith('sgx'))) {
    for (const kind of ['pcs', 'pccs'] as const) {
      t.test(`${name}, from a ${kind}`, async t => {
        const service = await serve(readFiles(name), kind === 'pccs')
        t.teardown(() => service.close())
        const { verify_at: when, expected } = JSON.parse(readFileSync(realPath(`${name}/expected.json`), 'utf8'))
        const at = Date.parse(when)
        const rootCrlAt = kind === 'pcs' ? `${service.url}/IntelSGXRootCA.der` : undefined
        const store = openStore(
          {
            sources: [{ kind, at: service.url, rootCrlAt }],
            evaluation: 'standard',
            maxAgeMs: undefined,
            dangerPastNextUpdateSeconds: 0,
          },
          intelRoot(),
          floorClock(new LabClock(at), 0),
          () => undefined,
        )
        const quote = parseQuote(realBytes(`${name}/quote.bin`))
        const collateral = await store.provide(modelOf(quote, intelRoot()))
        t.equal(verifyQuote(quote, collateral, at, intelRoot()).tcbStatus, expected.tcb_status)
        t.equal(service.requests.length, 4)
      })
    }
  }
})
