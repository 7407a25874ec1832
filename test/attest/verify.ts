import fc from 'fast-check'
import t from 'tap'
import { bindClaims } from '../../src/attest/bind.ts'
import type { SgxQuote } from '../../src/attest/evidence.ts'
import { parseSgxQuote } from '../../src/attest/quote.ts'
import { intelRoot, intelRootSha256 } from '../../src/attest/root.ts'
import { verifyQuote } from '../../src/attest/verify.ts'
import { toHex } from '../../src/base/bytes.ts'
import { measurement, type SyntheticTeeOptions, syntheticRoot } from '../../src/demo/tee.ts'
import {
  ecKeys,
  KeyUsageFlags,
  makeCertificate,
  makePlatform,
  type PlatformRequest,
  to,
} from '../support/certificates.ts'
import { at, makeTee, mrenclave, realBytes, realEvidenceMissing, realQuotes } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'

const code = 'quote-unverified'
const synthetic = { kind: 'synthetic' } as const
const reportData = bindClaims(Uint8Array.of(1))
const golden = await makeTee().quote(reportData)
const quote = parseSgxQuote(golden)
const verify = (q: SgxQuote, when = at, root = syntheticRoot) => verifyQuote(q, synthetic, when, root)

t.test('a genuine quote gives its claims', async t => {
  const claims = verify(quote)
  t.match(claims, { tee: 'sgx', synthetic: true, tcbStatus: 'Synthetic' })
  t.equal(toHex(claims.body.mrenclave), toHex(mrenclave))
  t.equal(toHex(claims.body.reportData), toHex(reportData))
  t.same(claims.window, { from: Date.UTC(2020, 0, 1), until: to })
})

t.test('claims come from the signed bytes, not from what a caller put beside them', async t => {
  const claims = verify({ ...quote, body: { ...quote.body, mrenclave: measurement('another') } })
  t.equal(toHex(claims.body.mrenclave), toHex(mrenclave))
})

const moments: [name: string, when: number, want: string][] = [
  ['the first moment', Date.UTC(2020, 0, 1), 'ok'],
  ['the last moment', to, 'ok'],
  ['before', Date.UTC(2020, 0, 1) - 1, code],
  ['after', to + 1, code],
  ['no number', Number.NaN, code],
]
for (const [name, when, want] of moments) {
  t.test(`time: ${name}`, async t => {
    t.equal(
      outcome(() => verify(quote, when)),
      want,
    )
  })
}

t.test('the window is the intersection of the three certificates', async t => {
  const platform = await makePlatform({
    ca: { notAfter: new Date(Date.UTC(2030, 0, 1)) },
    leaf: { notBefore: new Date(Date.UTC(2025, 0, 1)) },
  })
  const other = parseSgxQuote(await makeTee({ platform }).quote(reportData))
  const window = { from: Date.UTC(2025, 0, 1), until: Date.UTC(2030, 0, 1) }
  t.same(verify(other, at, platform.chain[2]).window, window)
})

const strangers = ecKeys()
const now = (ms: number) => new Date(at + ms)
const chains: [name: string, spoil: PlatformRequest, message: string][] = [
  ['nothing spoilt', {}, 'ok'],
  ['a processor CA', { ca: { name: 'SYNTHETIC SGX PCK Processor CA' } }, 'ok'],
  ['no path lengths', { root: { pathLength: undefined }, ca: { pathLength: undefined } }, 'ok'],
  ['a root of another name', { root: { name: 'SYNTHETIC Root' } }, 'root: want SGX Root CA'],
  ['a CA of another name', { ca: { name: 'SYNTHETIC SGX TCB Signing' } }, 'PCK CA: want SGX PCK'],
  ['a leaf of another name', { leaf: { name: 'SYNTHETIC SGX TCB Signing' } }, 'PCK leaf: want SGX PCK Certificate'],
  ['a root issued by another', { root: { issuer: { name: 'x', keys: strangers } } }, 'root is not self-issued'],
  [
    'a CA that names another issuer',
    { ca: { issuer: { name: 'x', keys: strangers } } },
    'CA is not issued by the root',
  ],
  ['a leaf that names another issuer', { leaf: { issuer: { name: 'x', keys: strangers } } }, 'leaf is not issued by'],
  ['a P-384 root', { root: { keys: ecKeys('P-384') } }, 'root: want a P-256 key'],
  ['a P-384 CA', { ca: { keys: ecKeys('P-384') } }, 'PCK CA: want a P-256 key'],
  ['a P-384 leaf', { leaf: { keys: ecKeys('P-384') } }, 'PCK leaf: want a P-256 key'],
  ['a leaf signed with SHA-384', { leaf: { hash: 'SHA-384' } }, 'ECDSA with SHA-256'],
  ['a root that is no CA', { root: { ca: false } }, 'root: want a CA'],
  ['a CA that is none', { ca: { ca: false } }, 'PCK CA: want a CA'],
  ['a CA that may not sign', { ca: { usages: KeyUsageFlags.cRLSign } }, 'PCK CA: want a CA'],
  ['a root that may have no CA below it', { root: { pathLength: 0 } }, 'root: want a CA'],
  ['a leaf that is a CA', { leaf: { ca: true } }, 'PCK leaf: must not be a CA'],
  [
    'a leaf that is a CA by name only',
    { leaf: { ca: true, usages: KeyUsageFlags.digitalSignature } },
    'must not be a CA',
  ],
  ['a leaf that may sign', { leaf: { usages: KeyUsageFlags.keyCertSign } }, 'PCK leaf: must not be a CA'],
  ['a root that has ended', { root: { notAfter: now(-1000) } }, 'not valid at the given time'],
  ['a CA that has ended', { ca: { notAfter: now(-1000) } }, 'not valid at the given time'],
  ['a leaf that has ended', { leaf: { notAfter: now(-1000) } }, 'not valid at the given time'],
  ['a leaf that has not begun', { leaf: { notBefore: now(1000) } }, 'not valid at the given time'],
  [
    'a critical extension that nobody reads',
    { leaf: { extensions: [{ oid: '2.5.29.30', value: Uint8Array.of(0x30, 0), critical: true }] } },
    'critical extension 2.5.29.30',
  ],
]
for (const [name, spoil, message] of chains) {
  t.test(`chain: ${name}`, async t => {
    const platform = await makePlatform(spoil)
    // A P-384 leaf cannot make a 64-byte signature; the chain is refused before that matters.
    const tee = makeTee({ platform: { ...platform, key: spoil.leaf?.keys ? ecKeys().privateKey : platform.key } })
    const other = parseSgxQuote(await tee.quote(reportData))
    t.match(
      complaint(() => verify(other, at, platform.chain[2])),
      message,
    )
  })
}

t.test('signatures along the chain: right names, wrong keys', async t => {
  const good = await makePlatform()
  const root = await makeCertificate({
    name: 'SYNTHETIC SGX Root CA (not Intel)',
    issuer: { name: 'SYNTHETIC SGX Root CA (not Intel)', keys: strangers },
    keys: good.keys.root,
    ca: true,
  })
  const ca = (await makePlatform()).chain[1]
  const leaf = (await makePlatform()).chain[0]
  const rows: [message: string, chain: SgxQuote['pckChain']][] = [
    ['the root is not signed by itself', [good.chain[0], good.chain[1], root]],
    ['the CA is not signed by the root', [good.chain[0], ca, good.chain[2]]],
    ['the leaf is not signed by the CA', [leaf, good.chain[1], good.chain[2]]],
  ]
  for (const [message, pckChain] of rows) {
    t.match(
      complaint(() => verify({ ...quote, pckChain }, at, pckChain[2])),
      message,
    )
  }
})

t.test('the pinned root must be the chain root, byte for byte', async t => {
  const other = await makePlatform()
  t.match(
    complaint(() => verify(quote, at, other.chain[2])),
    'its root is not the pinned root',
  )
})

t.test('a certificate in the chain that cannot be read is named as such', async t => {
  const [, ca, root] = quote.pckChain
  t.equal(
    outcome(() => verify({ ...quote, pckChain: [Uint8Array.of(0x30), ca, root] })),
    'certificate-malformed',
  )
})

t.test('synthetic collateral goes only with a root whose name says so', async t => {
  const platform = await makePlatform({ root: { name: 'Intel SGX Root CA' } })
  const other = parseSgxQuote(await makeTee({ platform }).quote(reportData))
  t.match(
    complaint(() => verify(other, at, platform.chain[2])),
    'want SYNTHETIC in its name',
  )
})

const quotes: [name: string, options: Partial<SyntheticTeeOptions>, message: string][] = [
  ['authentication data of another length', { qeAuthData: new Uint8Array(0) }, 'ok'],
  ['a QE that vouches for nothing', { qeReportData: new Uint8Array(64) }, 'does not bind the attestation key'],
  ['zero padding', { padding: 70 }, 'ok'],
]
for (const [name, options, message] of quotes) {
  t.test(`quote: ${name}`, async t => {
    const other = parseSgxQuote(await makeTee(options).quote(reportData))
    t.match(
      complaint(() => verify(other)),
      message,
    )
  })
}

t.test('the second half of the QE report data is zero', async t => {
  const { createHash } = await import('node:crypto')
  const tee = makeTee()
  const honest = parseSgxQuote(await tee.quote(reportData))
  // The hash is right, the rest is not: signed by the PCK key all the same.
  const hash = createHash('sha256').update(honest.attestationKey).update(honest.qeAuthData).digest()
  const spoilt = parseSgxQuote(
    await makeTee({ qeReportData: Buffer.concat([hash, new Uint8Array(32).fill(1)]) }).quote(reportData),
  )
  const { attestationKey, signature, signedBytes } = honest
  t.match(
    complaint(() => verify({ ...spoilt, attestationKey, signature, signedBytes })),
    'does not bind',
  )
})

t.test('parts of two genuine quotes do not make a third', async t => {
  const other = parseSgxQuote(await makeTee().quote(reportData))
  const { attestationKey, signature, signedBytes, qeReportBytes, qeReportSignature } = other
  t.match(
    complaint(() => verify({ ...quote, qeReportSignature })),
    'not signed by the PCK key',
  )
  t.match(
    complaint(() => verify({ ...quote, qeReportBytes })),
    'not signed by the PCK key',
  )
  t.match(
    complaint(() => verify({ ...quote, attestationKey, signature, signedBytes })),
    'does not bind',
  )
  t.match(
    complaint(() => verify({ ...quote, signature })),
    'not signed by the attestation key',
  )
})

t.test('an attestation key off the curve is refused', async t => {
  const { createHash } = await import('node:crypto')
  const attestationKey = new Uint8Array(64).fill(1)
  const hash = createHash('sha256').update(attestationKey).update(quote.qeAuthData).digest()
  const tee = makeTee({ qeReportData: Buffer.concat([hash, new Uint8Array(32)]) })
  const other = parseSgxQuote(await tee.quote(reportData))
  t.match(
    complaint(() => verify({ ...other, attestationKey })),
    'not a P-256 point',
  )
})

t.test("Intel's root is never taken with synthetic collateral, nor a root without a name", async t => {
  t.equal(
    outcome(() => verify(quote, at, intelRoot())),
    'collateral-missing',
  )
  const titled = Buffer.from(toHex(syntheticRoot).replaceAll('0603550403', '060355040c'), 'hex')
  t.match(
    complaint(() => verify(quote, at, titled)),
    'root: want SYNTHETIC in its name',
  )
})

t.test('mutated quotes are refused or say the same', async () => {
  const change = fc.array(fc.tuple(fc.nat(golden.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(change, changes => {
      const bytes = new Uint8Array(golden)
      for (const [i, byte] of changes) bytes[i] = byte
      let body: Uint8Array | undefined
      outcome(() => {
        body = verify(parseSgxQuote(bytes)).body.mrenclave
      })
      return body === undefined || toHex(body) === toHex(mrenclave)
    }),
    { numRuns: 500 },
  )
})

t.test("real quotes: Intel's root is never taken with synthetic collateral", { skip: realEvidenceMissing }, async t => {
  const root = realBytes('roots/intel-sgx-root-ca.der')
  t.match(intelRootSha256, /^[0-9a-f]{64}$/)
  for (const name of realQuotes) {
    const real = parseSgxQuote(realBytes(`${name}/quote.bin`))
    t.equal(toHex(real.pckChain[2]), toHex(root), `${name}: its root is Intel's`)
    t.equal(
      outcome(() => verify(real, Date.UTC(2025, 7, 20), root)),
      'collateral-missing',
    )
    t.equal(
      outcome(() => verify(real, Date.UTC(2025, 7, 20))),
      code,
    )
  }
})
