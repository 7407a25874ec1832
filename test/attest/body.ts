import t from 'tap'
import { readReportBody, readSignedBody } from '../../src/attest/body.ts'
import { parseQuote } from '../../src/attest/quote.ts'
import { concat, Reader, toHex } from '../../src/base/bytes.ts'
import { type SyntheticTeeOptions, syntheticPlatform } from '../../src/demo/tee.ts'
import { anyReportData, makeTee, mrenclave } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'

const code = 'quote-malformed'
const data = anyReportData(Uint8Array.from({ length: 64 }, (_, i) => i))
const quote = (options: Partial<SyntheticTeeOptions>) => makeTee(options).quote(data)
const read = (bytes: Uint8Array) => readSignedBody(new Reader(bytes, code))

/** A TD report body whose every byte says where it stands. */
const tdReport = (length: 584 | 648) => (reportData: Uint8Array) => {
  const body = Uint8Array.from({ length }, (_, i) => (i * 7) & 0xff)
  body.set(reportData, 520)
  return body
}

const versions: [name: string, options: Partial<SyntheticTeeOptions>, tee: 'sgx' | 'tdx', signed: number][] = [
  ['SGX, version 3', {}, 'sgx', 432],
  ['SGX, version 4', { version: 4 }, 'sgx', 432],
  ['SGX, version 5', { version: 5 }, 'sgx', 438],
  ['TDX, version 4', { version: 4, tdReport: tdReport(584) }, 'tdx', 632],
  ['TDX 1.0, version 5', { version: 5, tdReport: tdReport(584) }, 'tdx', 638],
  ['TDX 1.5, version 5', { version: 5, tdReport: tdReport(648) }, 'tdx', 702],
]
for (const [name, options, tee, signed] of versions) {
  t.test(`${name}: its signed part is ${signed} bytes`, async t => {
    const bytes = await quote(options)
    const reader = new Reader(bytes, code)
    const body = readSignedBody(reader)
    t.equal(reader.at, signed)
    t.match(body, { tee, version: options.version ?? 3 })
    t.equal(toHex(body.body.reportData), toHex(data))
    if (body.tee === 'sgx') t.equal(toHex(body.body.mrenclave), toHex(mrenclave))
    const parsed = parseQuote(bytes)
    t.equal(parsed.signedBytes.length, signed)
    t.same(parsed.pckChain, syntheticPlatform().chain)
    t.same(parsed.qeAuthData.length, 32)
    t.match(parsed.qeReport, { isvSvn: 8, isvProdId: 1 })
  })
  t.test(`${name}: cut anywhere it is refused`, async t => {
    const bytes = await quote(options)
    for (let length = 0; length < bytes.length; length++) {
      if (outcome(() => parseQuote(bytes.subarray(0, length))) !== code) t.fail(`accepted at ${length} bytes`)
    }
  })
}

t.test('a TD report body, field by field', async t => {
  const { body } = read(await quote({ version: 5, tdReport: tdReport(648) }))
  if (!('mrTd' in body)) return void t.fail('no TD report')
  const raw = tdReport(648)(data)
  const hex = (from: number, length: number) => toHex(raw.subarray(from, from + length))
  const number = (from: number) => new DataView(raw.buffer).getBigUint64(from, true)
  t.equal(toHex(body.teeTcbSvn), hex(0, 16))
  t.equal(toHex(body.mrSeam), hex(16, 48))
  t.equal(toHex(body.mrSignerSeam), hex(64, 48))
  t.equal(body.seamAttributes, number(112))
  t.equal(body.tdAttributes, number(120))
  t.equal(body.xfam, number(128))
  t.equal(toHex(body.mrTd), hex(136, 48))
  t.equal(toHex(body.mrConfigId), hex(184, 48))
  t.equal(toHex(body.mrOwner), hex(232, 48))
  t.equal(toHex(body.mrOwnerConfig), hex(280, 48))
  t.same(
    body.rtmrs.map(toHex),
    [328, 376, 424, 472].map(from => hex(from, 48)),
  )
  t.equal(toHex(body.v15?.teeTcbSvn2 ?? data), hex(584, 16))
  t.equal(toHex(body.v15?.mrServiceTd ?? data), hex(600, 48))
  const old = read(await quote({ version: 4, tdReport: tdReport(584) })).body
  t.equal('v15' in old && old.v15, undefined)
})

const set16 = (at: number, value: number) => (bytes: Uint8Array) =>
  new DataView(bytes.buffer).setUint16(at, value, true)
const set32 = (at: number, value: number) => (bytes: Uint8Array) =>
  new DataView(bytes.buffer).setUint32(at, value, true)
const td4 = { version: 4, tdReport: tdReport(584) } as const
const td5 = { version: 5, tdReport: tdReport(584) } as const
const refused: [
  name: string,
  options: Partial<SyntheticTeeOptions>,
  change: (bytes: Uint8Array) => void,
  message: string,
][] = [
  ['EPID', {}, set16(0, 2), 'quote version: want 3, 4 or 5, got 2'],
  ['version 6', {}, set16(0, 6), 'quote version: want 3, 4 or 5, got 6'],
  ['version 259', {}, set16(0, 0x103), 'got 259'],
  ['a P-384 key', { version: 5 }, set16(2, 3), 'attestation key type: want 2, got 3'],
  ['TDX in version 3', {}, set32(4, 0x81), 'want 0 (SGX), as the version is 3'],
  ['another TEE', { version: 4 }, set32(4, 1), 'tee type: want 0 (SGX) or 129 (TDX), got 1'],
  ['a TEE type of 4 bytes', { version: 4 }, set32(4, 0x8100_0081), 'tee type'],
  ['another vendor', { version: 5 }, set16(12, 1), "QE vendor id: want Intel's"],
  ['version 5, SGX, said to be TDX', { version: 5 }, set32(4, 0x81), 'body type: want one of tdx, got 1'],
  ['version 5, TDX, said to be SGX', td5, set32(4, 0), 'body type: want one of sgx, got 2'],
  ['version 5, an unknown body', { version: 5 }, set16(48, 4), 'body type: want one of sgx, got 4'],
  ['version 5, a longer body', { version: 5 }, set32(50, 385), 'body length: want 384, got 385'],
  ['version 5, a body of 4 GiB', { version: 5 }, set32(50, 0xffff_ffff), 'body length: want 384, got 4294967295'],
  ['version 5, a body of TDX 1.5 that is too short', td5, set16(48, 3), 'body length: want 648, got 584'],
  ['signature data of 4 GiB', td4, set32(632, 0xffff_ffff), 'signature data: want 4294967295 bytes'],
  [
    'certification data of version 3',
    { version: 4 },
    set16(564, 5),
    'want type 6 (QE report certification data), got 5 (PCK chain in PEM)',
  ],
  ['a certification data nested deeper', { version: 4 }, set16(1052, 6), 'want type 5 (PCK chain in PEM), got 6'],
  ['a platform manifest inside', td4, set16(1252, 7), 'want type 5 (PCK chain in PEM), got 7 (platform manifest)'],
  ['nested data of 4 GiB', { version: 4 }, set32(566, 0xffff_ffff), 'certification data: want 4294967295 bytes'],
  [
    'nested data one byte short',
    { version: 4 },
    bytes => set32(566, size(bytes, 566) - 1)(bytes),
    'certification data: want',
  ],
  ['a chain one byte short', { version: 4 }, bytes => set32(1054, size(bytes, 1054) - 1)(bytes), 'trailing'],
]
function size(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer).getUint32(at, true)
}
for (const [name, options, change, message] of refused) {
  t.test(`${name}: refused`, async t => {
    const bytes = new Uint8Array(await quote(options))
    change(bytes)
    t.match(
      complaint(() => parseQuote(bytes)),
      message,
    )
    t.equal(
      outcome(() => parseQuote(bytes)),
      code,
    )
  })
}

t.test('from version 4 on, nothing stands behind the certification data', async t => {
  for (const [options, at] of [[{ version: 4 }, 432] as const, [{ version: 5 }, 438] as const]) {
    const bytes = concat(await quote(options), Uint8Array.of(0))
    set32(at, size(bytes, at) + 1)(bytes)
    t.match(
      complaint(() => parseQuote(bytes)),
      'signature data: 1 trailing bytes',
    )
  }
})

t.test('a report body is exactly 384 bytes', async t => {
  t.equal(
    outcome(() => readReportBody(new Uint8Array(384))),
    'ok',
  )
  for (const length of [0, 383, 385]) {
    t.equal(
      outcome(() => readReportBody(new Uint8Array(length))),
      code,
    )
  }
  const marked = concat(new Uint8Array(380), Uint8Array.of(1, 2, 3, 4))
  t.same(readReportBody(marked).reportData.subarray(60), Uint8Array.of(1, 2, 3, 4))
})
