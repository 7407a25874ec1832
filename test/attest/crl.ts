import t from 'tap'
import { readCertificate } from '../../src/attest/certificate.ts'
import { readCrl, requireIssuedBy, requireNotRevoked } from '../../src/attest/crl.ts'
import { toHex } from '../../src/base/bytes.ts'
import { DerReader } from '../../src/base/der.ts'
import { der, ecKeys, makeCertificate } from '../support/certificates.ts'
import { realBytes, realEvidenceMissing, realQuotes } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'
import { type CrlRequest, crlExtensions, issued, makeCrl, makeIntel, nextUpdate } from '../support/pki-intel.ts'

const malformed = 'collateral-malformed'
const intel = await makeIntel()
const { keys } = intel
const [leafDer, caDer] = intel.platform.chain
const ca = readCertificate(caDer)
const crl = (request: CrlRequest = {}) => makeCrl(caDer, keys.ca, request)
const read = (bytes: Uint8Array) => readCrl(bytes, 'list')
const golden = crl({ revoked: ['03', '00efae6e'] })

t.test('every field is read', async t => {
  const list = read(crl({ revoked: ['03', '00efae6e'], number: 77 }))
  t.same(list.issuer, ca.subject)
  t.same([list.thisUpdate, list.nextUpdate], [issued + 2000, nextUpdate + 2000])
  t.equal(list.number, 77n)
  t.same([...list.revoked], ['03', 'efae6e'])
  t.equal(list.authorityKeyId.length, 20)
})

t.test('a list with nobody on it', async t => {
  t.equal(read(crl()).revoked.size, 0)
})

const base64 = Buffer.from(golden).toString('base64')
const pem = `-----BEGIN X509 CRL-----\n${base64.match(/.{1,64}/g)?.join('\n')}\n-----END X509 CRL-----\n`
const hex = toHex(golden)
const forms: [name: string, bytes: Uint8Array, ok: boolean][] = [
  ['DER', golden, true],
  ['PEM', Buffer.from(pem), true],
  ['PEM with CR LF', Buffer.from(pem.replaceAll('\n', '\r\n')), true],
  ['hex', Buffer.from(hex), true],
  ['hex in capitals with a line end', Buffer.from(`${hex.toUpperCase()}\n`), true],
  ['nothing', new Uint8Array(), false],
  ['a line end', Buffer.from('\n'), false],
  ['hex with a space', Buffer.from(` ${hex}`), false],
  ['hex of an odd length', Buffer.from(hex.slice(1)), false],
  ['PEM of a certificate', Buffer.from(pem.replaceAll('X509 CRL', 'CERTIFICATE')), false],
  ['PEM with text before', Buffer.from(`x${pem}`), false],
  ['PEM with text behind', Buffer.from(`${pem}x`), false],
  ['PEM twice', Buffer.from(pem + pem), false],
  ['base64 alone', Buffer.from(base64), false],
  ['DER with a byte behind', Buffer.concat([golden, Buffer.of(0)]), false],
  ['DER cut', golden.subarray(0, -1), false],
  ['more than a MiB', new Uint8Array(1_048_577).fill(0x30), false],
  ['text', Buffer.from('Internal Server Error'), false],
]
for (const [name, bytes, ok] of forms) {
  t.test(`form: ${name}: ${ok ? 'read' : 'refused'}`, async t => {
    t.equal(
      outcome(() => read(bytes)),
      ok ? 'ok' : malformed,
    )
    if (ok) t.same([...read(bytes).revoked], ['03', 'efae6e'])
  })
}

const number = crlExtensions.number(1)
const keyId = crlExtensions.keyId(new Uint8Array(20))
const refused: [name: string, bytes: Uint8Array, message: string][] = [
  ['no CRL number', crl({ extensions: [keyId] }), 'no CRL number'],
  ['no authority key identifier', crl({ extensions: [number] }), 'no authority key identifier'],
  ['an extension twice', crl({ extensions: [number, number, keyId] }), 'is repeated'],
  ['a delta list', crl({ extensions: [number, keyId, crlExtensions.deltaOf(1)] }), 'critical extension 2.5.29.27'],
  [
    'an entry about the certificate of another CA',
    crl({ revoked: ['03'], entryExtensions: der(0x30, crlExtensions.certificateIssuer()) }),
    'critical extension 2.5.29.29',
  ],
  ['a negative serial number', crl({ revoked: ['83'] }), 'non-negative'],
]
for (const [name, bytes, message] of refused) {
  t.test(`${name}: refused`, async t => {
    t.match(
      complaint(() => read(bytes)),
      message,
    )
    t.equal(
      outcome(() => read(bytes)),
      malformed,
    )
  })
}

t.test('entries need no extensions', async t => {
  const list = crl({ revoked: ['03'], entryExtensions: new Uint8Array() })
  t.same([...read(list).revoked], ['03'])
})

// The fixed parts of a list, each replaced in a list that is then not signed any more: reading does not care.
const [algorithm, other] = ['300a06082a8648ce3d040302', '300a06082a8648ce3d040303']
const replaced = (from: string, to: string, which: 'first' | 'last' | 'all') => {
  const text = toHex(crl())
  const at = which === 'last' ? text.lastIndexOf(from) : text.indexOf(from)
  const changed = which === 'all' ? text.replaceAll(from, to) : text.slice(0, at) + to + text.slice(at + from.length)
  return Buffer.from(changed, 'hex')
}
const fixed: [name: string, bytes: Uint8Array, message: string][] = [
  ['two signature algorithms', replaced(algorithm, other, 'first'), 'two different signature algorithms'],
  ['another signature algorithm', replaced(algorithm, other, 'all'), 'want ECDSA with SHA-256'],
  ['version 1', replaced('020101', '020100', 'first'), 'want version 2'],
]
for (const [name, bytes, message] of fixed) {
  t.test(name, async t => {
    t.match(
      complaint(() => read(bytes)),
      message,
    )
  })
}

/** A list with one thing changed, taken apart and put together; not signed any more. */
function taken(change: (tbs: Uint8Array[], list: Uint8Array[]) => void): Uint8Array {
  const outer = new DerReader(crl({ revoked: ['03'] }), malformed).enter(0x30, 'list')
  const inner = outer.enter(0x30, 'tbs')
  const tbs: Uint8Array[] = []
  while (inner.peek() !== undefined) tbs.push(inner.element('field').raw)
  const list: Uint8Array[] = []
  while (outer.peek() !== undefined) list.push(outer.element('field').raw)
  change(tbs, list)
  return der(0x30, der(0x30, ...tbs), ...list)
}
const nothing = der(0x05)
const numbered = (...value: Uint8Array[]) => der(0x30, der(0x06, [0x55, 0x1d, 20]), der(0x04, ...value))
const identified = (...value: Uint8Array[]) => der(0x30, der(0x06, [0x55, 0x1d, 35]), der(0x04, ...value))
const tails: [name: string, bytes: Uint8Array][] = [
  ['the list', taken((_, list) => list.push(nothing))],
  ['what is signed', taken(tbs => tbs.push(nothing))],
  ['an entry', crl({ revoked: ['03'], entryExtensions: Buffer.concat([der(0x30), nothing]) })],
  ['the CRL number', crl({ extensions: [numbered(der(2, [1]), nothing), keyId] })],
  ['the key identifier', crl({ extensions: [number, identified(der(0x30, der(0x80, [1])), nothing)] })],
]
for (const [name, bytes] of tails) {
  t.test(`${name} with a tail: refused`, async t => {
    t.match(
      complaint(() => read(bytes)),
      'trailing',
    )
  })
}

t.test('a list of a MiB is read, and no larger one', async t => {
  t.match(
    complaint(() => read(new Uint8Array(1_048_576))),
    'want a revocation list',
  )
  t.match(
    complaint(() => read(new Uint8Array(1_048_577))),
    'list: 1048577 bytes, want at most 1048576',
  )
})

t.test('a signature of seven bits is refused', async t => {
  const bytes = new Uint8Array(crl())
  const at = toHex(bytes).lastIndexOf(algorithm) / 2 + 12 + 2
  t.equal(bytes[at], 0)
  bytes[at] = 1
  t.match(
    complaint(() => read(bytes)),
    'want a signature of whole bytes',
  )
})

const stranger = ecKeys()
const plain = readCertificate(await makeCertificate({ name: 'x', keys: keys.ca, ca: true }))
const issuers: [name: string, request: CrlRequest, message: string][] = [
  ["the issuer's own", {}, 'ok'],
  ['of another name', { issuer: plain.subject }, 'list: of another issuer'],
  ['of another key', { key: stranger }, 'list: not signed by its issuer'],
  ['that names another key', { keyId: new Uint8Array(20) }, "list: names another key than its issuer's"],
]
for (const [name, request, message] of issuers) {
  t.test(`a list ${name}: ${message === 'ok' ? 'accepted' : 'refused'}`, async t => {
    const list = read(crl(request))
    t.match(
      complaint(() => requireIssuedBy(list, ca, 'list')),
      message,
    )
    if (message !== 'ok') {
      t.equal(
        outcome(() => requireIssuedBy(list, ca, 'list')),
        'collateral-unverified',
      )
    }
  })
}

t.test('an issuer that names no key of its own issues no list', async t => {
  const list = read(makeCrl(plain.der, keys.ca))
  t.match(
    complaint(() => requireIssuedBy(list, plain, 'list')),
    'names another key',
  )
})

t.test('whoever is on the list is refused by serial number', async t => {
  const leaf = readCertificate(leafDer)
  t.match(
    complaint(() => requireNotRevoked(read(golden), leaf, 'PCK leaf')),
    'PCK leaf: revoked, serial number 03',
  )
  t.equal(
    outcome(() => requireNotRevoked(read(crl({ revoked: ['04'] })), leaf, 'PCK leaf')),
    'ok',
  )
})

t.test('each byte of a list counts: a flip is refused, or its signature is', async t => {
  for (let i = 0; i < golden.length; i++) {
    const bytes = new Uint8Array(golden)
    bytes[i] = (golden[i] ?? 0) ^ 1
    if (outcome(() => requireIssuedBy(read(bytes), ca, 'list')) === 'ok') t.fail(`byte ${i}`)
  }
})

t.test('real lists', { skip: realEvidenceMissing }, async t => {
  for (const name of [...realQuotes, 'tdx-v4-phala-b0c06f']) {
    const want = JSON.parse(Buffer.from(realBytes(`${name}/expected.json`)).toString('utf8')).expected
    t.equal(read(realBytes(`${name}/pck_crl.der`)).revoked.size, want.crl_entries.pck, name)
    t.equal(read(realBytes(`${name}/root_ca_crl.der`)).revoked.size, want.crl_entries.root, name)
  }
})
