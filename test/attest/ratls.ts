import t from 'tap'
import { bindClaims, bindLegacyKey } from '../../src/attest/bind.ts'
import { readCertificate } from '../../src/attest/certificate.ts'
import { parseQuote } from '../../src/attest/quote.ts'
import {
  documentedLegacyOid,
  evidenceExtensions,
  legacyOid,
  readEvidence,
  requireBound,
  sdkOid,
  taggedEvidenceOid,
} from '../../src/attest/ratls.ts'
import { concat, toHex } from '../../src/base/bytes.ts'
import { encodeCbor } from '../../src/base/cbor.ts'
import { ecKeys, makeCertificate, sgxExtension } from '../support/certificates.ts'
import { makeClaims, makePeer, makeTee, realEvidenceMissing, realPem, service, spkiOf } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'

const keys = ecKeys()
const claims = makeClaims(keys)
const tee = makeTee()
const quote = await tee.quote(bindClaims(claims))
const legacyQuote = await tee.quote(bindLegacyKey(spkiOf(keys)))
const tagged = { oid: taggedEvidenceOid, value: encodeCbor({ tag: 60_000, value: [quote, claims] }) }
const legacy = { oid: legacyOid, value: legacyQuote }
const sdk = { oid: sdkOid, value: legacyQuote }
const documented = { oid: documentedLegacyOid, value: legacyQuote }

t.test('the extension is CBOR tag 60000 over quote and claims', async t => {
  const [extension, ...rest] = evidenceExtensions({ quote, claims })
  t.same(rest, [])
  t.equal(extension?.oid, '2.23.133.5.4.9')
  t.ok(toHex(extension?.value ?? new Uint8Array()).startsWith('d9ea608259'))
  t.same(extension?.value, tagged.value)
})

t.test('the legacy extension is by option, and comes first', async t => {
  t.same(evidenceExtensions({ quote, claims }, legacyQuote), [legacy, tagged])
})

t.test('evidence that other verifiers could not read is not written', async t => {
  t.equal(
    outcome(() => evidenceExtensions({ quote: new Uint8Array(8192), claims })),
    'evidence-malformed',
  )
  t.equal(
    outcome(() => evidenceExtensions({ quote, claims }, new Uint8Array(255))),
    'evidence-malformed',
  )
})

t.test(
  "Gramine's identifier is in the certificate byte for byte, and the extension takes the long length form",
  async t => {
    const der = toHex(await makeCertificate({ name: 'x', keys, extensions: [legacy, tagged] }))
    t.match(der, /060b06092a864886f84d8a39060482/)
    t.match(der, /06066781050504090482/)
  },
)

const good: [name: string, extensions: { oid: string; value: Uint8Array }[], format: 'tagged' | 'legacy' | 'sdk'][] = [
  ["the SDK's, alone", [sdk], 'sdk'],
  ["the SDK's beside the legacy one", [sdk, legacy], 'legacy'],
  ["the SDK's beside tagged evidence", [sdk, tagged], 'tagged'],
  ['tagged evidence', [tagged], 'tagged'],
  ['tagged evidence beside legacy', [legacy, tagged], 'tagged'],
  ["legacy evidence, Gramine's identifier", [legacy], 'legacy'],
  ['legacy evidence, the documented identifier', [documented], 'legacy'],
]
for (const [name, extensions, format] of good) {
  t.test(`${name} is read and bound`, async t => {
    const evidence = readEvidence(readCertificate(await makeCertificate({ name: 'x', keys, extensions })))
    t.equal(evidence.format, format)
    t.same(evidence.quote, format === 'tagged' ? quote : legacyQuote)
    t.equal(evidence.postern?.service, format === 'tagged' ? service : undefined)
    requireBound(evidence, parseQuote(evidence.quote).body.reportData)
  })
}

const cbor = (value: Parameters<typeof encodeCbor>[0]) => ({ oid: taggedEvidenceOid, value: encodeCbor(value) })
const nonce = encodeCbor(new Map([['nonce', new Uint8Array(32)]]))
const refused: [
  name: string,
  extensions: { oid: string; value: Uint8Array; critical?: boolean }[],
  code: string,
  message: string,
][] = [
  ['no evidence', [], 'evidence-missing', 'no evidence extension'],
  ['another extension', [{ oid: '1.2.3', value: quote }], 'evidence-missing', 'no evidence extension'],
  ['critical tagged evidence', [{ ...tagged, critical: true }], 'evidence-malformed', 'must not be critical'],
  ['critical legacy evidence', [{ ...legacy, critical: true }], 'evidence-malformed', 'must not be critical'],
  ['legacy evidence twice', [legacy, documented], 'evidence-malformed', 'both identifiers'],
  [
    'evidence that is too short',
    [{ ...tagged, value: tagged.value.subarray(0, 255) }],
    'evidence-malformed',
    '256 to 8192',
  ],
  [
    'evidence that is too long',
    [{ ...tagged, value: concat(tagged.value, new Uint8Array(8192)) }],
    'evidence-malformed',
    '256 to 8192',
  ],
  ['the shortest evidence', [{ ...tagged, value: tagged.value.subarray(0, 256) }], 'evidence-malformed', 'CBOR'],
  [
    'the longest evidence',
    [{ ...tagged, value: concat(tagged.value, new Uint8Array(8192 - tagged.value.length)) }],
    'evidence-malformed',
    'trailing',
  ],
  [
    'a tag inside the tag',
    [cbor({ tag: 60_000, value: { tag: 1, value: quote } })],
    'evidence-malformed',
    'two byte strings',
  ],
  ['a trailing byte', [{ ...tagged, value: concat(tagged.value, Uint8Array.of(0)) }], 'evidence-malformed', 'trailing'],
  ['another tag', [cbor({ tag: 60_001, value: [quote, claims] })], 'evidence-malformed', 'tag 60000'],
  ['no tag', [cbor([quote, claims])], 'evidence-malformed', 'tag 60000'],
  ['no array', [cbor({ tag: 60_000, value: quote })], 'evidence-malformed', 'two byte strings'],
  ['one element', [cbor({ tag: 60_000, value: [quote] })], 'evidence-malformed', 'two byte strings'],
  ['three elements', [cbor({ tag: 60_000, value: [quote, claims, claims] })], 'evidence-malformed', 'two byte strings'],
  [
    'a quote in text',
    [cbor({ tag: 60_000, value: ['q'.repeat(300), claims] })],
    'evidence-malformed',
    'two byte strings',
  ],
  ['claims without a key', [cbor({ tag: 60_000, value: [quote, nonce] })], 'evidence-malformed', 'pubkey-hash'],
  [
    'claims about another key',
    [cbor({ tag: 60_000, value: [quote, makeClaims(ecKeys())] })],
    'evidence-unbound',
    'pubkey-hash is not',
  ],
  [
    'bad tagged evidence beside good legacy',
    [legacy, { ...tagged, value: tagged.value.subarray(0, 300) }],
    'evidence-malformed',
    'want',
  ],
]
for (const [name, extensions, code, message] of refused) {
  t.test(`${name}: refused`, async t => {
    const certificate = readCertificate(await makeCertificate({ name: 'x', keys, extensions }))
    t.equal(
      outcome(() => readEvidence(certificate)),
      code,
    )
    t.match(
      complaint(() => readEvidence(certificate)),
      message,
    )
  })
}

t.test('keys on other curves are refused', async t => {
  const large = ecKeys('P-521')
  const certificate = readCertificate(await makePeer({ keys: large }))
  t.match(
    complaint(() => readEvidence(certificate)),
    'want P-256 or P-384',
  )
})

t.test('a P-384 key is bound like any other', async t => {
  t.equal(readEvidence(readCertificate(await makePeer({ keys: ecKeys('P-384') }))).format, 'tagged')
})

t.test('all 64 bytes of report data count', async t => {
  for (const format of ['tagged', 'legacy'] as const) {
    const extensions = format === 'tagged' ? [tagged] : [legacy]
    const evidence = readEvidence(readCertificate(await makeCertificate({ name: 'x', keys, extensions })))
    for (let i = 0; i < 64; i++) {
      const quoted = new Uint8Array(evidence.reportData)
      quoted[i] = (quoted[i] ?? 0) ^ 1
      if (outcome(() => requireBound(evidence, quoted)) !== 'evidence-unbound') t.fail(`${format}: byte ${i}`)
    }
    t.equal(
      outcome(() => requireBound(evidence, evidence.reportData.subarray(0, 32))),
      'evidence-unbound',
    )
  }
})

t.test('real certificates: evidence is read and bound', { skip: realEvidenceMissing }, async t => {
  const rows: [path: string, quoteBytes: number][] = [
    ['ratls-certs/gramine-cert.pem', 4734],
    ['ratls-certs/intel-sgxsdk-cert.pem', 4600],
    ['ratls-certs/rats-tls-cert.pem', 4734],
    ['sgx-v3-gramine-ratls-legacy-00606a/ratls_cert.pem', 4734],
    ['sgx-v3-gramine-ratls-tagged-00606a/ratls_cert.pem', 4734],
  ]
  for (const [path, bytes] of rows) {
    const certificate = readCertificate(realPem(path))
    const evidence = readEvidence(certificate)
    t.match(evidence, { format: 'tagged', postern: undefined }, path)
    t.equal(evidence.quote.length, bytes)
    requireBound(evidence, parseQuote(evidence.quote).body.reportData)
    // The same certificate without its tagged evidence: what Gramine before 1.8 made.
    const extensions = certificate.extensions.filter(({ oid }) => oid !== taggedEvidenceOid)
    if (!extensions.some(({ oid }) => oid === legacyOid)) continue
    const old = readEvidence({ ...certificate, extensions })
    t.equal(old.format, 'legacy')
    requireBound(old, parseQuote(old.quote).body.reportData)
  }
})

t.test('what describes a platform under the same identifier is no evidence', async t => {
  const pck = (name: string, value: Uint8Array) =>
    makeCertificate({ name, keys, extensions: [{ oid: sdkOid, value }] }).then(readCertificate)
  for (const [name, value] of [
    ['x', sgxExtension().value],
    ['SYNTHETIC SGX PCK Certificate', legacyQuote],
    ['SYNTHETIC SGX PCK Certificate', sgxExtension().value],
  ] as const) {
    const certificate = await pck(name, value)
    t.equal(
      outcome(() => readEvidence(certificate)),
      'evidence-missing',
    )
  }
  const critical = await makeCertificate({ name: 'x', keys, extensions: [{ ...sdk, critical: true }] })
  t.equal(
    outcome(() => readEvidence(readCertificate(critical))),
    'evidence-malformed',
  )
})

t.test("the SDK's quote is over the key, like the legacy one", async t => {
  const other = await makeCertificate({ name: 'x', keys: ecKeys(), extensions: [sdk] })
  const evidence = readEvidence(readCertificate(other))
  t.equal(
    outcome(() => requireBound(evidence, bindLegacyKey(spkiOf(keys)))),
    'evidence-unbound',
  )
  t.match(
    complaint(() => requireBound(evidence, bindLegacyKey(spkiOf(keys)))),
    "not for the certificate's key",
  )
})

t.test('what the report data is not for is named', async t => {
  const evidence = readEvidence(readCertificate(await makeCertificate({ name: 'x', keys, extensions: [tagged] })))
  t.match(
    complaint(() => requireBound(evidence, new Uint8Array(64))),
    'quote: its report data is not for these claims',
  )
})
