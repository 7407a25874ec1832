import fc from 'fast-check'
import t from 'tap'
import { readCertificate } from '../../src/attest/certificate.ts'
import { chooseCollateral, verifyCollateral } from '../../src/attest/collateral.ts'
import type { IntelCollateral } from '../../src/attest/evidence.ts'
import { parseQuote } from '../../src/attest/quote.ts'
import { ecKeys, KeyUsageFlags, makeCertificate, names } from '../support/certificates.ts'
import { anyReportData, makeTee } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'
import {
  isvLevel,
  makeCrl,
  makeIntel,
  pem,
  platformLevel,
  qeIdentity,
  serials,
  signDocument,
  tcbInfo,
  type World,
} from '../support/pki-intel.ts'

const intel = await makeIntel()
const other = await makeIntel()
const [, ca, root] = intel.platform.chain
const good = intel.collateral
const unverified = 'collateral-unverified'
const malformed = 'collateral-malformed'
const verify = (collateral: IntelCollateral, of = root) => verifyCollateral(collateral, of)

t.test('genuine collateral comes back parsed, with everything that ends some day', async t => {
  const { tcbInfo, qeIdentity, rootCrl, pckCrl, pckCa, certificates, published } = verify(good)
  t.match(tcbInfo, { tee: 'sgx', evaluationDataNumber: 20 })
  t.match(qeIdentity, { tee: 'sgx', evaluationDataNumber: 21 })
  t.same([rootCrl.number, pckCrl.number], [5n, 5n])
  t.same(pckCa.der, ca)
  t.same(
    [...certificates, ...published].map(({ name }) => name),
    [
      'root',
      'PCK CRL issuer',
      'TCB signing certificate',
      'TCB signing certificate',
      'root CRL',
      'PCK CRL',
      'TCB info',
      'QE identity',
    ],
  )
})

t.test('a signature is over the bytes that were sent: spaced JSON holds, the same written anew does not', async t => {
  const spaced = signDocument('tcbInfo', JSON.stringify(tcbInfo(), undefined, 2), intel.keys.signing)
  t.equal(verify({ ...good, tcbInfo: spaced }).tcbInfo.evaluationDataNumber, 20)
  const anew = JSON.stringify(JSON.parse(Buffer.from(spaced).toString()))
  t.match(
    complaint(() => verify({ ...good, tcbInfo: Buffer.from(anew) })),
    'TCB info: not signed by the TCB signing certificate',
  )
})

t.test('what was verified is kept with the object, for one root, and outlives a change of the bytes', async t => {
  const mine: IntelCollateral = { ...good, tcbInfo: new Uint8Array(good.tcbInfo) }
  const first = verify(mine)
  mine.tcbInfo.fill(0)
  t.equal(verify(mine), first)
  t.not(verify({ ...good }), first)
  t.match(
    complaint(() => verify(mine, other.root)),
    'root CRL: names another key',
  )
})

t.test('what was refused is refused again', async t => {
  const bad = { ...good, pckCrl: new Uint8Array() }
  for (const _ of [1, 2]) {
    t.equal(
      outcome(() => verify(bad)),
      malformed,
    )
  }
})

// Collateral put together from what different worlds have signed.
const garbage = Buffer.from('garbage')
const signer = readCertificate(pemToDer(good.tcbInfoIssuerChain))
const swaps: [name: string, change: Partial<IntelCollateral>, code: string, message: string | RegExp][] = [
  ['no root CRL', { rootCaCrl: new Uint8Array() }, malformed, 'root CRL: want a revocation list'],
  ['a root CRL that is none', { rootCaCrl: garbage }, malformed, 'root CRL: want a revocation list'],
  ['the PCK CRL as root CRL', { rootCaCrl: good.pckCrl }, unverified, 'root CRL: of another issuer'],
  ["another root's CRL", { rootCaCrl: other.collateral.rootCaCrl }, unverified, 'root CRL: names another key'],
  [
    'a root CRL of an unknown key',
    { rootCaCrl: makeCrl(root, ecKeys()) },
    unverified,
    'root CRL: not signed by its issuer',
  ],
  ['no PCK CRL', { pckCrl: new Uint8Array() }, malformed, 'PCK CRL: want a revocation list'],
  ['the root CRL as PCK CRL', { pckCrl: good.rootCaCrl }, unverified, 'PCK CRL: of another issuer'],
  ["another CA's CRL", { pckCrl: other.collateral.pckCrl }, unverified, 'PCK CRL: names another key'],
  ['a PCK CRL of an unknown key', { pckCrl: makeCrl(ca, ecKeys()) }, unverified, 'PCK CRL: not signed by its issuer'],
  [
    'no PCK CRL chain',
    { pckCrlIssuerChain: new Uint8Array() },
    malformed,
    'PCK CRL issuer chain: want two certificates, got 0',
  ],
  [
    'a PCK CRL chain of another root',
    { pckCrlIssuerChain: other.collateral.pckCrlIssuerChain },
    unverified,
    'its root is not the pinned root',
  ],
  [
    'the TCB chain as PCK CRL chain',
    { pckCrlIssuerChain: good.tcbInfoIssuerChain },
    unverified,
    'PCK CRL issuer: want SGX PCK',
  ],
  ['TCB info of another world', { tcbInfo: other.collateral.tcbInfo }, unverified, 'TCB info: not signed by'],
  [
    'a QE identity of another world',
    { qeIdentity: other.collateral.qeIdentity },
    unverified,
    'QE identity: not signed by',
  ],
  ['a QE identity as TCB info', { tcbInfo: good.qeIdentity }, malformed, 'exactly tcbInfo and signature'],
  ['TCB info as QE identity', { qeIdentity: good.tcbInfo }, malformed, 'exactly enclaveIdentity and signature'],
  ['no TCB info', { tcbInfo: new Uint8Array() }, malformed, 'tcbInfo: want an object'],
  ['no QE identity', { qeIdentity: new Uint8Array() }, malformed, 'enclaveIdentity: want an object'],
  ['TCB info that was written anew', { tcbInfo: rewritten(good.tcbInfo) }, unverified, 'TCB info: not signed by'],
  [
    'a chain in the wrong order',
    { tcbInfoIssuerChain: pem(root, signer.der) },
    unverified,
    'TCB info issuer chain: its root is not',
  ],
  ['a chain without its root', { tcbInfoIssuerChain: pem(signer.der) }, malformed, 'want two certificates, got 1'],
  ['a chain of three', { tcbInfoIssuerChain: pem(signer.der, ca, root) }, malformed, 'want two certificates, got 3'],
  [
    'the PCK CA as TCB signer',
    { qeIdentityIssuerChain: pem(ca, root) },
    unverified,
    'TCB signing certificate: want SGX TCB Signing',
  ],
  [
    'a QE identity chain of another world',
    { qeIdentityIssuerChain: other.collateral.qeIdentityIssuerChain },
    unverified,
    'its root is not',
  ],
]
for (const [name, change, code, message] of swaps) {
  t.test(`${name}: refused`, async t => {
    t.match(
      complaint(() => verify({ ...good, ...change })),
      message,
    )
    t.equal(
      outcome(() => verify({ ...good, ...change })),
      code,
    )
  })
}

function pemToDer(bytes: Uint8Array): Uint8Array {
  const [, first = ''] = Buffer.from(bytes)
    .toString()
    .split(/-----BEGIN CERTIFICATE-----|-----END CERTIFICATE-----/)
  return new Uint8Array(Buffer.from(first, 'base64'))
}

function rewritten(bytes: Uint8Array): Uint8Array {
  return Buffer.from(JSON.stringify(JSON.parse(Buffer.from(bytes).toString()), null, 1))
}

const keyId = { oid: '2.5.29.14', value: Uint8Array.of(4, 1, 1) }
const worlds: [name: string, world: World, code: string, message: string][] = [
  ['a revoked PCK CA', { rootCrl: { revoked: [serials.ca] } }, 'quote-unverified', 'PCK CRL issuer: revoked'],
  [
    'a revoked TCB signer',
    { rootCrl: { revoked: [serials.signing] } },
    'quote-unverified',
    'TCB signing certificate: revoked',
  ],
  [
    'a root that signs no lists',
    { root: { usages: KeyUsageFlags.keyCertSign } },
    unverified,
    'root: may not sign revocation lists',
  ],
  [
    'a CA that signs no lists',
    { ca: { usages: KeyUsageFlags.keyCertSign } },
    unverified,
    'PCK CRL issuer: may not sign',
  ],
  ['a TCB signer that is a CA', { signing: { ca: true } }, unverified, 'TCB signing certificate: must not be a CA'],
  [
    'a TCB signer of another root',
    { signing: { issuer: { name: names.root, keys: ecKeys() } } },
    unverified,
    'is not signed by the root',
  ],
  ['documents of another key', { signingKey: ecKeys() }, unverified, 'TCB info: not signed by'],
  ['a QE identity for TDX', { qeIdentity: { id: 'TD_QE' } }, unverified, 'QE identity: for tdx, TCB info for sgx'],
  ['TCB info of version 2', { tcbInfo: { version: 2 } }, malformed, 'version 2 is deprecated'],
  ['a root of another name', { root: { name: 'SYNTHETIC Root' } }, 'quote-unverified', 'root: want SGX Root CA'],
  ['a root without key identifier', { root: { extensions: [] } }, unverified, 'root CRL: names another key'],
  [
    'a root with another',
    { root: { extensions: [keyId] }, rootCrl: { keyId: Uint8Array.of(2) } },
    unverified,
    'names another key',
  ],
]
for (const [name, world, code, message] of worlds) {
  t.test(`${name}: refused`, async t => {
    const made = await makeIntel(world)
    t.match(
      complaint(() => verify(made.collateral, made.root)),
      message,
    )
    t.equal(
      outcome(() => verify({ ...made.collateral }, made.root)),
      code,
    )
  })
}

t.test('a root that is none', async t => {
  t.equal(
    outcome(() => verify(good, ca)),
    'quote-unverified',
  )
  t.equal(
    outcome(() => verify(good, new Uint8Array())),
    'certificate-malformed',
  )
})

t.test('of several, the one for the platform counts', async t => {
  const quote = parseQuote(await makeTee({ platform: intel.platform }).quote(anyReportData(new Uint8Array(64))))
  const signed = (member: string, document: object) =>
    signDocument(member, document as Record<string, unknown>, intel.keys.signing)
  const elsewhere = { ...good, tcbInfo: signed('tcbInfo', tcbInfo({ fmspc: '000000000000' })) }
  const module = { mrsigner: '00'.repeat(48), attributes: '0000000000000000', attributesMask: 'FFFFFFFFFFFFFFFF' }
  const tdxLevels = [platformLevel('UpToDate', 7, 13, undefined, Array(16).fill(0))]
  const tdx = {
    ...good,
    tcbInfo: signed(
      'tcbInfo',
      tcbInfo({ id: 'TDX', tdxModule: module, tdxModuleIdentities: [], tcbLevels: tdxLevels }),
    ),
    qeIdentity: signed('enclaveIdentity', qeIdentity({ id: 'TD_QE', tcbLevels: [isvLevel('UpToDate', 1)] })),
  }
  const processorName = 'SYNTHETIC SGX PCK Processor CA'
  const processorKeys = ecKeys()
  const processor = await makeCertificate({
    name: processorName,
    keys: processorKeys,
    issuer: { name: names.root, keys: intel.keys.root },
    ca: true,
    pathLength: 0,
    usages: KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign,
    extensions: [keyId],
  })
  const ofProcessor = { ...good, pckCrlIssuerChain: pem(processor, root), pckCrl: makeCrl(processor, processorKeys) }
  t.equal(chooseCollateral(quote, [elsewhere, tdx, ofProcessor, good], root), good)
  for (const none of [[], [elsewhere], [tdx], [ofProcessor]]) {
    t.match(
      complaint(() => chooseCollateral(quote, none, root)),
      'collateral: none for sgx, FMSPC 5f5f5f000000',
    )
  }
  t.equal(
    outcome(() => chooseCollateral(quote, [{ ...good, pckCrl: new Uint8Array() }], root)),
    malformed,
  )
})

t.test('arbitrary and spoilt files are refused, never thrown', async () => {
  const { kind, ...files } = good
  const spoilt = fc.constantFrom(...Object.entries(files)).chain(([name, bytes]) =>
    fc
      .oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.tuple(fc.nat(bytes.length), fc.uint8Array({ maxLength: 8 })).map(([at, noise]) => {
          return new Uint8Array(Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at + noise.length)]))
        }),
      )
      .map((changed): IntelCollateral => ({ kind, ...files, [name]: changed })),
  )
  const codes = ['ok', malformed, unverified, 'certificate-malformed', 'quote-unverified']
  fc.assert(
    fc.property(spoilt, collateral => codes.includes(outcome(() => verify(collateral)))),
    { numRuns: 600 },
  )
})
