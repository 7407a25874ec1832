import fc from 'fast-check'
import t from 'tap'
import { bindClaims } from '../../src/attest/bind.ts'
import { readReportBody } from '../../src/attest/body.ts'
import { parseQuote, parseSgxQuote } from '../../src/attest/quote.ts'
import { toHex } from '../../src/base/bytes.ts'
import { syntheticPlatform } from '../../src/demo/tee.ts'
import { makeTee, mrenclave, mrsigner, realBytes, realEvidenceMissing, realQuotes } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'

const code = 'quote-malformed'
const reportData = bindClaims(Uint8Array.of(1))
const golden = await makeTee({ debug: true }).quote(reportData)

t.test('every field is where the layout says', async t => {
  const quote = parseSgxQuote(golden)
  const at = (from: number, length: number) => toHex(golden.subarray(from, from + length))
  t.equal(quote.version, 3)
  t.equal(toHex(quote.signedBytes), at(0, 432))
  t.equal(toHex(quote.signature), at(436, 64))
  t.equal(toHex(quote.attestationKey), at(500, 64))
  t.equal(toHex(quote.qeReportBytes), at(564, 384))
  t.equal(toHex(quote.qeReportSignature), at(948, 64))
  t.equal(toHex(quote.qeAuthData), at(1014, 32))
  t.same(quote.pckChain, syntheticPlatform().chain)
  t.match(quote.body, { isvProdId: 7, isvSvn: 3, configSvn: 0, miscSelect: 0 })
  t.equal(toHex(quote.body.mrenclave), toHex(mrenclave))
  t.equal(toHex(quote.body.mrsigner), toHex(mrsigner))
  t.equal(toHex(quote.body.reportData), toHex(reportData))
  t.equal(toHex(quote.body.cpuSvn), at(48, 16))
  t.equal(quote.body.attributes.flags, 7n)
  t.equal(quote.body.attributes.xfrm, 0xe7n)
  t.equal(quote.qeReport.attributes.flags, 0x15n)
})

t.test('fields that are rarely set are read too', async t => {
  const body = readReportBody(Uint8Array.from({ length: 384 }, (_, i) => i & 0xff))
  t.equal(body.miscSelect, 0x13121110)
  t.equal(toHex(body.isvExtProdId), '202122232425262728292a2b2c2d2e2f')
  t.equal(body.configId.length, 64)
  t.equal(body.configId[0], 192)
  t.equal(body.isvProdId, 0x0100)
  t.equal(body.isvSvn, 0x0302)
  t.equal(body.configSvn, 0x0504)
  t.equal(body.isvFamilyId[0], 304 & 0xff)
  t.equal(body.reportData[0], 320 & 0xff)
})

t.test('nothing in a parsed quote aliases the received buffer', async t => {
  const received = Buffer.from(golden)
  const quote = parseSgxQuote(received)
  const before = toHex(quote.body.mrenclave) + toHex(quote.signedBytes) + toHex(quote.pckChain[0])
  received.fill(0)
  t.equal(toHex(quote.body.mrenclave) + toHex(quote.signedBytes) + toHex(quote.pckChain[0]), before)
})

t.test('zero padding behind the signature data is tolerated, anything else is not', async t => {
  t.equal(
    outcome(() => parseSgxQuote(Buffer.concat([golden, new Uint8Array(70)]))),
    'ok',
  )
  t.match(
    complaint(() => parseSgxQuote(Buffer.concat([golden, Buffer.of(0, 1)]))),
    'not all zero',
  )
})

t.test('a quote of 16 KiB, padding included, is the largest', async t => {
  const padded = (bytes: number) => Buffer.concat([golden, new Uint8Array(bytes - golden.length)])
  t.equal(
    outcome(() => parseSgxQuote(padded(16_384))),
    'ok',
  )
  t.match(
    complaint(() => parseSgxQuote(padded(16_385))),
    'quote: want at most 16384 bytes, got 16385',
  )
})

t.test('a quote of a TDX guest is none of an enclave', async t => {
  const tdReport = (data: Uint8Array) => Buffer.concat([new Uint8Array(520), data])
  const bytes = await makeTee({ version: 4, tdReport }).quote(bindClaims(Uint8Array.of(1)))
  t.equal(parseQuote(bytes).tee, 'tdx')
  t.match(
    complaint(() => parseSgxQuote(bytes)),
    'want one of an SGX enclave, got one of a TDX guest',
  )
})

t.test('truncation at every length is refused', async t => {
  for (let length = 0; length < golden.length; length++) {
    if (outcome(() => parseSgxQuote(golden.subarray(0, length))) !== code) t.fail(`accepted at ${length} bytes`)
  }
})

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const u16 = (at: number, value: number) => (bytes: Uint8Array) => view(bytes).setUint16(at, value, true)
const u32 = (at: number, value: number) => (bytes: Uint8Array) => view(bytes).setUint32(at, value, true)
const size = view(golden).getUint32(432, true)
const chain = view(golden).getUint32(1048, true)

const refused: [name: string, change: (bytes: Uint8Array) => void, message: string][] = [
  ['version 2', u16(0, 2), 'quote version: want 3, 4 or 5, got 2'],
  ['version 3 relabelled 4', u16(0, 4), 'want type 6 (QE report certification data), got'],
  ['version 6', u16(0, 6), 'quote version: want 3, 4 or 5, got 6'],
  ['a P-384 attestation key', u16(2, 3), 'attestation key type: want 2, got 3'],
  ['TDX', u32(4, 0x81), 'tee type: want 0 (SGX), as the version is 3, got 129'],
  ['another TEE', u32(4, 0x82), 'tee type: want 0 (SGX) or 129 (TDX), got 130'],
  ['another vendor', u16(12, 0), "QE vendor id: want Intel's"],
  ['signature data of 4 GiB', u32(432, 0xffffffff), 'signature data: want 4294967295 bytes'],
  [
    'signature data that is one byte longer',
    u32(432, size + 1),
    `signature data: want ${size + 1} bytes, ${size} left`,
  ],
  ['signature data that is one byte shorter', u32(432, size - 1), 'certification data: want'],
  ['no signature data', u32(432, 0), 'not all zero'],
  ['authentication data of 64 KiB', u16(1012, 0xffff), 'QE authentication data: want 65535 bytes'],
  ['certification data of 4 GiB', u32(1048, 0xffffffff), 'certification data: want 4294967295 bytes'],
  ['certification data that is one byte shorter', u32(1048, chain - 1), 'trailing'],
  ['no certification data', u32(1048, 0), 'want three certificates, got 0'],
  ['certification data of type 1', u16(1046, 1), 'got 1 (PPID in clear)'],
  ['certification data of type 2', u16(1046, 2), 'got 2 (PPID under RSA-2048)'],
  ['certification data of type 3', u16(1046, 3), 'got 3 (PPID under RSA-3072)'],
  ['certification data of type 7', u16(1046, 7), 'got 7 (platform manifest)'],
  ['certification data of type 4', u16(1046, 4), 'got 4 (PCK leaf alone)'],
  ['certification data of type 6', u16(1046, 6), 'got 6 (QE report certification data)'],
  ['certification data of type 99', u16(1046, 99), 'got 99 (unknown)'],
]
for (const [name, change, message] of refused) {
  t.test(`${name}: refused`, async t => {
    const bytes = new Uint8Array(golden)
    change(bytes)
    t.equal(
      outcome(() => parseSgxQuote(bytes)),
      code,
    )
    t.match(
      complaint(() => parseSgxQuote(bytes)),
      message,
    )
  })
}

t.test('a quote beyond 16 KiB is refused before it is read', async t => {
  t.match(
    complaint(() => parseSgxQuote(Buffer.concat([golden, new Uint8Array(16_384)]))),
    'want at most 16384',
  )
})

/** The golden quote with another certification data. */
function withPem(change: (pem: string) => string): Uint8Array {
  const pem = Buffer.from(change(Buffer.from(golden.subarray(1052)).toString('latin1')), 'latin1')
  const bytes = new Uint8Array(Buffer.concat([golden.subarray(0, 1052), pem]))
  view(bytes).setUint32(1048, pem.length, true)
  view(bytes).setUint32(432, bytes.length - 436, true)
  return bytes
}

const pems: [name: string, change: (pem: string) => string, message: string][] = [
  ['the golden one', pem => pem, 'ok'],
  ['no NUL at the end', pem => pem.replace(/\0+$/, ''), 'ok'],
  ['several NULs', pem => `${pem}\0\0`, 'ok'],
  ['CR LF', pem => pem.replaceAll('\n', '\r\n'), 'ok'],
  ['two certificates', pem => pem.slice(pem.indexOf('-----BEGIN', 10)), 'want three certificates, got 2'],
  ['four', pem => pem.slice(0, pem.indexOf('-----BEGIN', 10)) + pem, 'want three certificates, got 4'],
  ['text before', pem => `# leaf\n${pem}`, 'malformed PEM'],
  ['text behind', pem => `${pem.replace(/\0+$/, '')}x`, 'nothing behind the last'],
  ['a NUL in between', pem => pem.replace('-----END', '\0-----END'), 'malformed PEM'],
  ['another label', pem => pem.replace('BEGIN CERTIFICATE', 'BEGIN TRUSTED CERTIFICATE'), 'malformed PEM'],
  ['a space in base64', pem => pem.replace('\nMII', '\n MII'), 'malformed PEM'],
  ['an empty certificate', pem => pem.replace(/(BEGIN CERTIFICATE-----\n)[A-Za-z0-9+/=\n]+/, '$1\n'), 'malformed PEM'],
  ['padding in mid-line', pem => pem.replace('\nMII', '\nM=I'), 'malformed PEM'],
  ['no marker at all', () => 'x', 'want three certificates, got 0'],
]
for (const [name, change, message] of pems) {
  t.test(`chain in PEM: ${name}`, async t => {
    t.match(
      complaint(() => parseSgxQuote(withPem(change))),
      message,
    )
  })
}

t.test('arbitrary and mutated bytes give a quote or the fault', async () => {
  const mutated = fc
    .array(fc.tuple(fc.nat(golden.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 })
    .map(changes => {
      const copy = new Uint8Array(golden)
      for (const [at, byte] of changes) copy[at] = byte
      return copy
    })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 2000 }), mutated), bytes => {
      const got = outcome(() => parseSgxQuote(bytes))
      return got === 'ok' || got === code
    }),
    { numRuns: 3000 },
  )
})

t.test('real quotes are read', { skip: realEvidenceMissing }, async t => {
  for (const name of realQuotes) {
    const quote = parseSgxQuote(realBytes(`${name}/quote.bin`))
    t.equal(quote.qeAuthData.length, 32, name)
    t.equal(quote.body.attributes.flags & 5n, 5n)
    const want = JSON.parse(Buffer.from(realBytes(`${name}/expected.json`)).toString('utf8'))
    t.equal(toHex(quote.body.mrenclave), want.expected.mrenclave)
  }
  t.match(
    complaint(() => parseSgxQuote(realBytes('tdx-v4-phala-b0c06f/quote.bin'))),
    'want one of an SGX enclave, got one of a TDX guest',
  )
})
