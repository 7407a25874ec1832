// What Gramine's gramine-ratls leaves for a server to load, made by the synthetic TEE: a P-384 key in its traditional form,
// a self-signed certificate under the header that Gramine writes, both kinds of evidence in it, each a quote of its own,
// and no claim that is ours.

import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bindClaims, bindLegacyKey } from '../../src/attest/bind.ts'
import type { QuoteSource } from '../../src/attest/evidence.ts'
import { evidenceExtensions } from '../../src/attest/ratls.ts'
import { encodeCbor } from '../../src/base/cbor.ts'
import { ecKeys, makeCertificate } from './certificates.ts'
import { spkiOf } from './evidence.ts'

/** Writes `cert.pem` and `key.pem` into a folder. @param source undefined leaves the evidence out */
export async function writeGramineRatls(folder: string, source: QuoteSource | undefined): Promise<void> {
  const keys = ecKeys('P-384')
  const certificate = await makeCertificate({
    name: 'RATLS',
    keys,
    notBefore: new Date(Date.UTC(2001, 0, 1)),
    notAfter: new Date(Date.UTC(2030, 11, 31, 23, 59, 59)),
    extensions: source && (await evidence(source, spkiOf(keys))),
  })
  const lines =
    Buffer.from(certificate)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  const header = 'TRUSTED CERTIFICATE'
  writeFileSync(join(folder, 'cert.pem'), `-----BEGIN ${header}-----\n${lines.join('\n')}\n-----END ${header}-----\n`)
  writeFileSync(join(folder, 'key.pem'), keys.privateKey.export({ type: 'sec1', format: 'pem' }))
}

async function evidence(source: QuoteSource, spki: Uint8Array): Promise<ReturnType<typeof evidenceExtensions>> {
  const hash = createHash('sha256').update(spki).digest()
  const claims = encodeCbor(new Map([['pubkey-hash', encodeCbor([1, new Uint8Array(hash)])]]))
  const quote = await source.quote(bindClaims(claims))
  return evidenceExtensions({ quote, claims }, await source.quote(bindLegacyKey(spki)))
}
