import { createHash, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import {
  authorityOf,
  commonNameOf,
  curveOf,
  isSignedBy,
  readCertificate,
  subjectKeyId,
} from '../../src/attest/certificate.ts'
import { toHex } from '../../src/base/bytes.ts'
import { DerReader, tag } from '../../src/base/der.ts'
import { syntheticPlatform } from '../../src/demo/tee.ts'
import { der, ecKeys, from, KeyUsageFlags, makeCertificate, names, to } from '../support/certificates.ts'
import { makePeer, realBytes, realEvidenceMissing, realPem, spkiOf } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'

const code = 'certificate-malformed'

t.test('the outline agrees with OpenSSL', async t => {
  const keys = ecKeys()
  const bytes = await makeCertificate({ name: 'outline', keys })
  const got = readCertificate(bytes)
  const x = got.x509
  t.same(got.der, bytes)
  t.equal(got.sha256, x.fingerprint256.replaceAll(':', '').toLowerCase())
  t.equal(got.serial, x.serialNumber.toLowerCase())
  t.equal(got.signatureAlgorithm, '1.2.840.10045.4.3.2')
  t.equal(got.commonName, 'outline')
  t.equal(got.notBefore, from)
  t.equal(got.notAfter, to)
  t.same(got.spki, spkiOf(keys))
  t.equal(got.curve, 'P-256')
  t.equal(got.selfIssued, true)
  t.ok(got.publicKey.equals(keys.publicKey))
  t.same(
    got.extensions.map(({ oid, critical }) => [oid, critical]),
    [
      ['2.5.29.19', true],
      ['2.5.29.15', true],
    ],
  )
})

t.test('a PEM chain inside the DER does not win', async t => {
  const bytes = await makePeer({ certificate: { name: 'the peer itself' } })
  const naive = new X509Certificate(bytes)
  t.match(naive.subject, 'SYNTHETIC SGX', 'OpenSSL looks for PEM first: the reason for the wrapping')
  t.notOk(naive.raw.equals(bytes))
  const got = readCertificate(bytes)
  t.equal(got.commonName, 'the peer itself')
  t.ok(got.x509.raw.equals(bytes))
})

t.test('the signature is checked with the key that is given', async t => {
  const [a, b] = [ecKeys(), ecKeys()]
  const ca = readCertificate(await makeCertificate({ name: 'ca', keys: a, ca: true }))
  const other = readCertificate(await makeCertificate({ name: 'ca', keys: b, ca: true }))
  const leaf = readCertificate(await makeCertificate({ name: 'leaf', keys: ecKeys(), issuer: { name: 'ca', keys: a } }))
  t.equal(isSignedBy(leaf, ca), true)
  t.equal(isSignedBy(leaf, other), false)
  t.equal(leaf.selfIssued, false)
  t.same(leaf.issuer, ca.subject)
})

t.test('a key that cannot have made the signature is no error', async t => {
  const ca = readCertificate(await makeCertificate({ name: 'ca', keys: ecKeys() }))
  const x509 = {
    verify: () => {
      throw new Error('different key type')
    },
  } as unknown as X509Certificate
  t.equal(isSignedBy({ ...ca, x509 }, ca), false)
})

const authorities: [name: string, ca: boolean, pathLength: number | undefined, usages: number, sign: boolean][] = [
  ['a CA', true, undefined, KeyUsageFlags.keyCertSign, true],
  ['a CA with a path length', true, 1, KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true],
  ['a CA that may not sign', true, 0, KeyUsageFlags.digitalSignature, false],
  ['an end entity', false, undefined, KeyUsageFlags.digitalSignature, false],
]
for (const [name, ca, pathLength, usages, sign] of authorities) {
  t.test(`authority: ${name}`, async t => {
    const bytes = await makeCertificate({ name, keys: ecKeys(), ca, pathLength, usages })
    const has = (usage: number): boolean => (usages & usage) !== 0
    t.same(authorityOf(readCertificate(bytes)), {
      ca,
      pathLength,
      digitalSignature: has(KeyUsageFlags.digitalSignature),
      keyCertSign: sign,
      crlSign: has(KeyUsageFlags.cRLSign),
    })
  })
}

t.test('without BasicConstraints and KeyUsage nothing may be signed', async t => {
  const bytes = await makeCertificate({ name: 'x', keys: ecKeys() })
  const bare = { ...readCertificate(bytes), extensions: [] }
  t.same(authorityOf(bare), {
    ca: false,
    pathLength: undefined,
    digitalSignature: false,
    keyCertSign: false,
    crlSign: false,
  })
})

t.test('a subject key identifier is read where there is one', async t => {
  const id = { oid: '2.5.29.14', value: der(0x04, [1, 2, 3]) }
  const bytes = await makeCertificate({ name: 'x', keys: ecKeys(), extensions: [id] })
  t.same(subjectKeyId(readCertificate(bytes)), Uint8Array.of(1, 2, 3))
  t.equal(subjectKeyId(readCertificate(await makeCertificate({ name: 'x', keys: ecKeys() }))), undefined)
  const broken = { oid: '2.5.29.14', value: der(0x04, [1], der(5)).subarray(0, 4) }
  const odd = readCertificate(await makeCertificate({ name: 'x', keys: ecKeys(), extensions: [broken] }))
  t.equal(
    outcome(() => subjectKeyId(odd)),
    'certificate-malformed',
  )
})

const attribute = (value: Uint8Array, oid = [0x55, 4, 3]) => der(0x31, der(0x30, der(0x06, oid), value))
const text = (kind: number, value: string) => der(kind, Buffer.from(value))
const subjects: [name: string, der: Uint8Array, text: string | undefined][] = [
  ['one', der(0x30, attribute(text(tag.utf8String, 'ä'))), 'ä'],
  ['one among others', der(0x30, attribute(text(0x13, 'US'), [0x55, 4, 6]), attribute(text(0x13, 'a'))), 'a'],
  ['none', der(0x30), undefined],
  ['two', der(0x30, attribute(text(0x13, 'a')), attribute(text(0x13, 'b'))), undefined],
  ['one in Teletex', der(0x30, attribute(text(0x14, 'a'))), undefined],
]
for (const [name, bytes, want] of subjects) {
  t.test(`common name: ${name}`, async t => {
    t.equal(commonNameOf(bytes), want)
  })
}

t.test('only named curves with uncompressed points are keys that we hash', async t => {
  t.equal(curveOf(spkiOf(ecKeys('P-256'))), 'P-256')
  t.equal(curveOf(spkiOf(ecKeys('P-384'))), 'P-384')
  t.equal(curveOf(spkiOf(ecKeys('P-521'))), undefined)
  t.equal(curveOf(spkiOf(ecKeys('P-256')).subarray(0, 90)), undefined)
})

// One certificate taken apart and put together again, with one thing changed.
const parts = () => {
  const [leaf] = syntheticPlatform().chain
  const certificate = new DerReader(leaf, code).enter(tag.sequence, 'certificate')
  const tbs = certificate.enter(tag.sequence, 'tbs')
  const fields: Uint8Array[] = []
  while (tbs.peek() !== undefined) fields.push(tbs.element('field').raw)
  const rest = [certificate.element('algorithm').raw, certificate.element('signature').raw]
  return { fields, rest }
}
const rebuilt = (change: (fields: Uint8Array[], rest: Uint8Array[]) => void) => {
  const { fields, rest } = parts()
  change(fields, rest)
  return der(0x30, der(0x30, ...fields), ...rest)
}
const extension = (...body: Uint8Array[]) => der(0x30, ...body)
const someOid = der(0x06, [0x55, 0x1d, 0x63])
const extensions = (...list: Uint8Array[]) => rebuilt(fields => fields.splice(7, 1, der(0xa3, der(0x30, ...list))))
const octets = der(0x04, [0])

t.test('taking apart and putting together changes nothing', async t => {
  t.equal(toHex(rebuilt(() => {})), toHex(syntheticPlatform().chain[0]))
})

const malformed: [name: string, bytes: () => Uint8Array, message: string][] = [
  ['nothing', () => new Uint8Array(), 'want 1 bytes'],
  ['more than 64 KiB', () => new Uint8Array(65_537), 'want at most 65536'],
  ['64 KiB that are none', () => new Uint8Array(65_536), 'certificate: want tag 0x30'],
  ['a trailing byte', () => Buffer.concat([rebuilt(() => {}), Buffer.of(0)]), 'trailing'],
  ['version 1', () => rebuilt(f => f.splice(0, 1)), 'version: want tag 0xa0'],
  ['version 2', () => rebuilt(f => f.splice(0, 1, der(0xa0, der(0x02, [1])))), 'want version 3'],
  ['two versions', () => rebuilt(f => f.splice(0, 1, der(0xa0, der(0x02, [2]), octets))), 'version: 3 trailing'],
  [
    'three dates',
    () => rebuilt(f => f.splice(4, 1, der(0x30, (f[4] ?? octets).subarray(2), octets))),
    'validity: 3 trailing',
  ],
  ['a negative serial', () => rebuilt(f => f.splice(1, 1, der(0x02, [0x80]))), 'non-negative'],
  ['two algorithms', () => rebuilt((_, r) => r.splice(0, 1, der(0x30, someOid))), 'two different signature algorithms'],
  ['an unknown field', () => rebuilt(f => f.push(der(0xa4))), 'trailing'],
  ['unique identifiers', () => rebuilt(f => f.splice(7, 0, der(0x81, [0]))), 'trailing'],
  ['a repeated extension', () => extensions(extension(someOid, octets), extension(someOid, octets)), 'is repeated'],
  ['a flag that is neither true nor false', () => extensions(extension(someOid, der(1, [1]), octets)), '00 or ff'],
  ['an extension with a tail', () => extensions(extension(someOid, octets, octets)), 'trailing'],
  ['a list of extensions with a tail', () => rebuilt(f => f.splice(7, 1, der(0xa3, der(0x30), octets))), 'trailing'],
  ['a third part behind the signature', () => rebuilt((_, rest) => rest.push(octets)), 'trailing'],
  ['a key that is none', () => rebuilt(f => f.splice(6, 1, der(0x30, der(0x30, someOid), der(3, [0, 4])))), 'unusable'],
  ['what only OpenSSL refuses', () => rebuilt(f => f.splice(6, 1, der(0x30))), 'OpenSSL refuses it'],
]
for (const [name, bytes, message] of malformed) {
  t.test(`${name}: refused`, async t => {
    t.equal(
      outcome(() => readCertificate(bytes())),
      code,
    )
    t.match(
      complaint(() => readCertificate(bytes())),
      message,
    )
  })
}

t.test('an extension may say that it is critical, and need not', async t => {
  const got = readCertificate(extensions(extension(someOid, der(1, [0xff]), octets)))
  t.match(got.extensions, [{ oid: '2.5.29.99', critical: true }])
  // DER leaves a default out. Gramine's verifier takes the spelt-out FALSE, and it means nothing else.
  const spelt = readCertificate(extensions(extension(someOid, der(1, [0]), octets)))
  t.match(spelt.extensions, [{ oid: '2.5.29.99', critical: false }])
  const none = readCertificate(rebuilt(fields => fields.splice(7, 1)))
  t.same(none.extensions, [])
})

t.test('arbitrary and mutated bytes give a certificate or the fault', async () => {
  const [leaf] = syntheticPlatform().chain
  const mutated = fc
    .array(fc.tuple(fc.nat(leaf.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .map(changes => {
      const copy = new Uint8Array(leaf)
      for (const [at, byte] of changes) copy[at] = byte
      return copy
    })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), mutated), bytes => {
      const got = outcome(() => authorityOf(readCertificate(bytes)))
      return got === 'ok' || got === code
    }),
    { numRuns: 2000 },
  )
})

t.test('the synthetic chain is what it says', async t => {
  const [leaf, ca, root] = syntheticPlatform().chain.map(readCertificate)
  t.same([leaf?.commonName, ca?.commonName, root?.commonName], [names.leaf, names.ca, names.root])
})

t.test('real RA-TLS certificates, Gramine, SGX SDK and rats-tls', { skip: realEvidenceMissing }, async t => {
  const rows: [path: string, name: string][] = [
    ['ratls-certs/gramine-cert.pem', 'RATLS'],
    ['ratls-certs/intel-sgxsdk-cert.pem', 'Intel SGX Enclave'],
    ['ratls-certs/rats-tls-cert.pem', 'RATS-TLS'],
    ['sgx-v3-gramine-ratls-tagged-00606a/ratls_cert.pem', 'RATLS'],
  ]
  for (const [path, name] of rows) {
    const bytes = realPem(path)
    t.match(new X509Certificate(bytes).subject, /Intel SGX PCK/, `${path}: the naive call finds Intel's`)
    const got = readCertificate(bytes)
    t.equal(got.commonName, name)
    t.ok(isSignedBy(got, got))
  }
  const root = readCertificate(realBytes('roots/intel-sgx-root-ca.der'))
  t.equal(root.sha256, createHash('sha256').update(realBytes('roots/intel-sgx-root-ca.der')).digest('hex'))
  t.match(authorityOf(root), { ca: true, pathLength: 1, keyCertSign: true, crlSign: true })
})

const usages: [name: string, value: Uint8Array, authority: object][] = [
  ['bits of one byte', der(3, [7, 0x80]), { digitalSignature: true, keyCertSign: false, crlSign: false }],
  ['bits of two bytes', der(3, [7, 0x06, 0x80]), { digitalSignature: false, keyCertSign: true, crlSign: true }],
  [
    'more unused bits than a byte has',
    der(3, [8, 0xff]),
    { digitalSignature: false, keyCertSign: false, crlSign: false },
  ],
  ['no bits', der(3, [0]), { digitalSignature: false, keyCertSign: false, crlSign: false }],
  ['nothing', der(3), { digitalSignature: false, keyCertSign: false, crlSign: false }],
]
for (const [name, value, authority] of usages) {
  t.test(`key usage: ${name}`, async t => {
    const certificate = readCertificate(syntheticPlatform().chain[0])
    const extensions = [{ oid: '2.5.29.15', critical: true, value }]
    t.match(authorityOf({ ...certificate, extensions }), authority)
    const tail = [{ oid: '2.5.29.15', critical: true, value: Buffer.concat([value, octets]) }]
    t.match(
      complaint(() => authorityOf({ ...certificate, extensions: tail })),
      'trailing',
    )
  })
}

const tails: [name: string, oid: string, value: Uint8Array][] = [
  ['behind BasicConstraints', '2.5.29.19', Buffer.concat([der(0x30), octets])],
  ['inside BasicConstraints', '2.5.29.19', der(0x30, der(1, [0xff]), der(2, [0]), octets)],
  ['behind a subject key identifier', '2.5.29.14', Buffer.concat([octets, octets])],
]
for (const [name, oid, value] of tails) {
  t.test(`bytes ${name} are refused`, async t => {
    const certificate = readCertificate(syntheticPlatform().chain[0])
    const odd = { ...certificate, extensions: [{ oid, critical: false, value }] }
    t.match(
      complaint(() => [authorityOf(odd), subjectKeyId(odd)]),
      '3 trailing',
    )
  })
}

t.test('an attribute with a third part is no attribute', async t => {
  const odd = der(0x30, der(0x31, der(0x30, der(0x06, [0x55, 4, 3]), text(0x13, 'a'), octets)))
  t.match(
    complaint(() => commonNameOf(odd)),
    'trailing',
  )
  t.match(
    complaint(() => commonNameOf(Buffer.concat([der(0x30), octets]))),
    'trailing',
  )
})
