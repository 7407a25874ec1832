import { writeFileSync } from 'node:fs'
import t from 'tap'
import { toHex } from '../../src/base/bytes.ts'
import { inspectQuote } from '../../src/cli/quote-inspect.ts'
import { command } from '../support/cli.ts'
import { anyReportData, makePeer, makeTee, mrenclave, realEvidenceMissing, realPath } from '../support/evidence.ts'

const bytes = await makeTee().quote(anyReportData(new Uint8Array(64)))

t.test('a quote is shown, and that nothing of it is verified', async t => {
  const file = `${t.testdir()}/quote.bin`
  writeFileSync(file, bytes)
  const { code, text } = await command(['quote', 'inspect', file])
  t.equal(code, 0)
  t.match(text, new RegExp(`MRENCLAVE: {4}${toHex(mrenclave)}`))
  t.match(text, /\n\nNot verified: anybody can write this\.\n$/)
})

t.test('as JSON', async t => {
  const file = `${t.testdir()}/quote.bin`
  writeFileSync(file, bytes)
  const { text } = await command(['quote', 'inspect', file, '--json'])
  t.match(JSON.parse(text), {
    verified: false,
    version: 3,
    tee: 'sgx',
    body: { mrenclave: toHex(mrenclave), attributes: { flags: '0x5' }, isvSvn: 3 },
    quotingEnclave: { isvSvn: 8 },
    platform: { fmspc: '5f5f5f000000', components: [7, 7] },
    pckSerial: '01',
  })
})

t.test('a certificate is looked into', async t => {
  const file = `${t.testdir()}/leaf.der`
  writeFileSync(file, await makePeer())
  t.match((await command(['quote', 'inspect', file])).text, toHex(mrenclave))
})

t.test('what is no quote is refused with the reason', async t => {
  const file = `${t.testdir()}/x`
  writeFileSync(file, 'hello')
  t.same(await command(['quote', 'inspect', file]), { code: 1, text: 'header: want 48 bytes, 5 left' })
  t.throws(() =>
    inspectQuote(
      { verb: '', values: {}, positionals: [] },
      { readFile: () => bytes.subarray(9), write: () => {}, warn: () => {}, now: () => 0 },
    ),
  )
})

t.test('a real TDX quote', { skip: realEvidenceMissing }, async t => {
  const { text } = await command(['quote', 'inspect', realPath('tdx-v4-phala-b0c06f/quote.bin')])
  t.match(text, /Of: {7}TDX guest/)
  const asJson = await command(['quote', 'inspect', realPath('tdx-v4-phala-b0c06f/quote.bin'), '--json'])
  t.equal(JSON.parse(asJson.text).body.rtmrs.length, 4)
})
