import t from 'tap'
import { readReportBody } from '../../src/attest/body.ts'
import type { Claims } from '../../src/attest/evidence.ts'
import { parseQuote } from '../../src/attest/quote.ts'
import { verifyQuote } from '../../src/attest/verify.ts'
import {
  dateLine,
  flagsLine,
  hexLines,
  section,
  showClaims,
  showEnclave,
  showPlatform,
  showQuote,
  showReasons,
  showSigned,
} from '../../src/cli/show.ts'
import { anyReportData, makeTee, trust } from '../support/evidence.ts'
import { makeIntel, now } from '../support/pki-intel.ts'

const data = anyReportData(new Uint8Array(64).fill(0xab))

t.test('labels stand in one column, and lists below each other', async t => {
  t.equal(
    section('Title', [
      ['a', 'x'],
      ['long', ['y', 'z']],
      ['none', []],
    ]),
    'Title\n    a:     x\n    long:  y\n           z\n    none:  \n',
  )
})

t.test('hex in lines of 32 bytes', async t => {
  t.same(hexLines(new Uint8Array(40)), ['00'.repeat(32), '00'.repeat(8)])
  t.same(hexLines('ab'), ['ab'])
  t.same(hexLines(new Uint8Array()), ['(empty)'])
})

const flags: [bits: bigint, text: string][] = [
  [0n, 'none'],
  [5n, 'INIT MODE64'],
  [0x4f7n, 'INIT DEBUG MODE64 PROVISION_KEY EINITTOKEN_KEY CET KSS AEX_NOTIFY'],
  [0x1001n, 'INIT 0x1000'],
]
for (const [bits, text] of flags) t.test(`flags ${bits}: ${text}`, async t => t.equal(flagsLine(bits), text))

t.test('dates without what they have not', async t => {
  t.equal(dateLine(Date.UTC(2026, 1, 3)), '2026-02-03T00:00:00Z')
  t.equal(dateLine(5), '1970-01-01T00:00:00.005Z')
})

t.test('a whole quote', async t => {
  const bytes = await makeTee({ debug: true }).quote(data)
  const text = showQuote(parseQuote(bytes), bytes.length)
  for (const line of [
    /^Quote\n {4}Version: {2}3, ECDSA P-256\n/,
    new RegExp(`Size: {5}${bytes.length} bytes`),
    /^Enclave$/m,
    /Attributes: {3}INIT DEBUG MODE64, xfrm 0xe7/,
    /^Quoting Enclave$/m,
    /Product: {6}1, security version 8/,
    /FMSPC: {10}5f5f5f000000/,
    /Instance: {7}(49){16}/,
    /SYNTHETIC SGX Root CA \(not Intel\): {10}serial 01/,
  ]) {
    t.match(text, line)
  }
  t.notMatch(text, /Config id|Config svn/)
})

t.test('a TDX guest', async t => {
  const tdReport = (reportData: Uint8Array) => new Uint8Array([...new Uint8Array(520).fill(1), ...reportData])
  const quote = parseQuote(await makeTee({ version: 4, tdReport }).quote(data))
  const text = showSigned(quote)
  t.match(text, /Of: {7}TDX guest/)
  t.match(text, /RTMR3: {8}01/)
  t.notMatch(text, /Size/)
})

t.test('KSS fields are shown where they are set', async t => {
  const body = readReportBody(new Uint8Array(384).fill(1))
  const text = showEnclave('Enclave', body)
  t.match(text, /Ext\. product id: {2}(01){16}/)
  t.match(text, /Config id: {8}(01){32}\n {22}(01){32}/)
  t.match(text, /Config svn: {7}257/)
})

t.test('a platform that names no instance and no configuration, and one with nothing on', async t => {
  const claims = verifyQuote(
    parseQuote(await makeTee().quote(data)),
    { kind: 'synthetic' },
    Date.UTC(2026, 0, 1),
    trust.root,
  )
  t.match(showPlatform({ ...claims.platform, piid: undefined, configuration: undefined }), /Instance: {7}none named/)
  const off = { dynamicPlatform: false, cachedKeys: false, smtEnabled: false }
  t.match(showPlatform({ ...claims.platform, configuration: off }), /Configuration: {2}nothing on/)
  t.match(showPlatform(claims.platform), /dynamicPlatform, cachedKeys, smtEnabled/)
  t.match(showClaims(claims), /TCB status: {2}Synthetic\n[\s\S]*Root: {8}SYNTHETIC/)
})

t.test('a verdict', async t => {
  const intel = await makeIntel({ tcbInfo: {} })
  const quote = parseQuote(await makeTee({ platform: intel.platform }).quote(data))
  const claims: Claims = verifyQuote(quote, intel.collateral, now, intel.root)
  const text = showClaims({ ...claims, synthetic: false })
  t.match(text, /Advisories: {7}none/)
  t.match(text, /Evaluation: {7}TCB info 20, QE identity 21/)
  t.match(text, /CRL numbers: {6}root 5, PCK 5/)
  t.notMatch(text, /SYNTHETIC/)
  const tcb = claims.tcb && { ...claims.tcb, advisoryIds: ['A', 'B', 'C', 'D', 'E'] }
  t.match(showClaims({ ...claims, tcb }), /Advisories: {7}A B C D\n {22}E\n/)
})

t.test('reasons', async t => {
  t.equal(
    showReasons([{ rule: 'debug', want: 'off', got: 'on' }]),
    'Refused\n    debug:  want off\n            got  on\n',
  )
})
