import t from 'tap'
import { readBase64, readPemChain } from '../../src/attest/pem.ts'
import { toHex } from '../../src/base/bytes.ts'
import { complaint, outcome } from '../support/outcome.ts'
import { pem } from '../support/pki-intel.ts'

const code = 'collateral-malformed'
const a = Uint8Array.of(1, 2, 3)
const b = new Uint8Array(100).fill(7)
const text = Buffer.from(pem(a, b)).toString('latin1')
const read = (given: string | Uint8Array, count = 2) => readPemChain(Buffer.from(given), count, code, 'chain')

t.test('certificates come back in their order', async t => {
  t.same(read(text).map(toHex), [toHex(a), toHex(b)])
  t.same(read(pem(a), 1).map(toHex), [toHex(a)])
})

const accepted: [name: string, text: string][] = [
  ['CR LF', text.replaceAll('\n', '\r\n')],
  ['no line end behind the last', text.trimEnd()],
  ['NULs behind the last', `${text}\0\0`],
  ['empty lines between', text.replace('-----\n-----', '-----\n\n\n-----')],
]
for (const [name, given] of accepted) {
  t.test(`${name}: the same certificates`, async t => {
    t.same(read(given).map(toHex), [toHex(a), toHex(b)])
  })
}

const refused: [name: string, text: string, message: string][] = [
  ['nothing', '', 'want two certificates, got 0'],
  ['one too few', Buffer.from(pem(a)).toString(), 'want two certificates, got 1'],
  ['one too many', text + text, 'want two certificates, got 4'],
  ['text before', `x${text}`, 'malformed PEM'],
  ['text between', text.replace('-----\n-----', '-----\nx\n-----'), 'malformed PEM'],
  ['text behind', `${text}x`, 'nothing behind the last certificate'],
  ['a NUL inside', text.replace('AQID', 'AQ\0D'), 'malformed PEM'],
  ['base64 that is none', text.replace('AQID', 'AQ-D'), 'malformed PEM'],
  ['base64 with bits left over', text.replace('AQID', 'AR=='), 'malformed PEM'],
  ['base64 without padding', text.replace('AQID', 'AQI'), 'malformed PEM'],
  ['an empty block', text.replace('AQID\n', '\n'), 'malformed PEM'],
  ['another label', text.replace('BEGIN CERTIFICATE', 'BEGIN X509 CRL'), 'malformed PEM'],
  ['headers inside', text.replace('AQID', 'Proc-Type: 4\n\nAQID'), 'malformed PEM'],
]
for (const [name, given, message] of refused) {
  t.test(`${name}: refused`, async t => {
    t.match(
      complaint(() => read(given)),
      `chain: ${message.startsWith('nothing') ? 'want ' : ''}${message}`,
    )
    t.equal(
      outcome(() => read(given)),
      code,
    )
  })
}

t.test('more than 64 KiB is not even looked at, a number without a word is told as such', async t => {
  t.match(
    complaint(() => read(new Uint8Array(65_537))),
    'chain: 65537 bytes, want at most 65536',
  )
  t.match(
    complaint(() => read(new Uint8Array(65_536))),
    'want two certificates, got 0',
  )
  t.match(
    complaint(() => read(text, 4)),
    'want 4 certificates',
  )
  t.match(
    complaint(() => read(text, 1)),
    'want one certificate, got 2',
  )
})

t.test('base64 is what comes back unchanged', async t => {
  t.same(readBase64('AQ\r\nID'), a)
  t.same(readBase64('AQ=='), Uint8Array.of(1))
  for (const bad of ['', 'A', 'AQ', 'AR==', 'AQI-', 'AQ ID']) t.equal(readBase64(bad), undefined, bad)
})
