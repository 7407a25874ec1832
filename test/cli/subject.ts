import t from 'tap'
import { toHex } from '../../src/base/bytes.ts'
import { acceptedBy, readDer, readFile, readPolicyOf, readSubject, readTime } from '../../src/cli/subject.ts'
import { measurement } from '../../src/demo/tee.ts'
import { anyReportData, makePeer, makeTee } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'
import { pem } from '../support/pki-intel.ts'

const files: Record<string, Uint8Array> = { a: Uint8Array.of(1) }
const io = {
  readFile: (path: string) => {
    const found = files[path]
    if (!found) throw Object.assign(new Error('secret'), { code: 'ENOENT' })
    return found
  },
  write: () => {},
  warn: () => {},
  now: () => 77,
}

t.test('a file that is not there is a usage fault', async t => {
  t.same(readFile('a', io), Uint8Array.of(1))
  t.equal(
    outcome(() => readFile('b', io)),
    'usage',
  )
  t.match(
    complaint(() => readFile('b', io)),
    /^b: ENOENT$/,
  )
})

t.test('a quote is read as bytes, as hex, and out of a certificate in either encoding', async t => {
  const quote = await makeTee().quote(anyReportData(new Uint8Array(64)))
  t.same(readSubject(quote), { quote, certificate: undefined })
  t.same(readSubject(Buffer.from(`${toHex(quote)}\n`)).quote, quote)
  const leaf = await makePeer()
  for (const bytes of [leaf, pem(leaf)]) {
    const subject = readSubject(bytes)
    t.same(subject.certificate?.der, leaf)
    t.same(subject.quote.subarray(0, 2), Uint8Array.of(3, 0))
  }
  t.equal(
    outcome(() => readSubject(Buffer.from('-----BEGIN X'))),
    'certificate-malformed',
  )
  t.same(readSubject(new Uint8Array()).quote, new Uint8Array())
  t.same(readDer(pem(leaf)), leaf)
})

const times: [text: string, at: number | undefined][] = [
  ['now', 77],
  ['2026-03-01T00:00:00Z', Date.UTC(2026, 2, 1)],
  ['2026-03-01T01:00:00+01:00', Date.UTC(2026, 2, 1)],
  ['2026-03-01', Date.UTC(2026, 2, 1)],
  ['2026-03-01T00:00:00', undefined],
  ['2026-13-01', undefined],
  ['1772323200', undefined],
  ['', undefined],
]
for (const [text, at] of times) {
  t.test(`time ${text}: ${at ?? 'refused'}`, async t => {
    if (at === undefined) {
      t.equal(
        outcome(() => readTime(text, io)),
        'usage',
      )
    } else t.equal(readTime(text, io), at)
  })
}

t.test('a policy comes with its digest; one that judges no evidence cannot judge', async t => {
  const { policy, digest } = readPolicyOf('demo', io)
  t.match(digest, /^[0-9a-f]{64}$/)
  t.match(acceptedBy(policy).enclaves, [{ mrenclave: toHex(measurement('postern demo function')) }])
  t.equal(
    outcome(() => acceptedBy(readPolicyOf('compatible', io).policy)),
    'usage',
  )
  t.equal(
    outcome(() => readPolicyOf('nowhere', io)),
    'policy-invalid',
  )
})
