import t from 'tap'
import { readCertificate } from '../../src/attest/certificate.ts'
import { verifyCollateral } from '../../src/attest/collateral.ts'
import { endorsementsOid, readEndorsements } from '../../src/attest/endorsements.ts'
import { concat } from '../../src/base/bytes.ts'
import { type Cbor, encodeCbor } from '../../src/base/cbor.ts'
import { ecKeys, makeCertificate } from '../support/certificates.ts'
import { makePeer } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'
import { makeIntel } from '../support/pki-intel.ts'

const { collateral: set, root } = await makeIntel()
const fields: readonly Cbor[] = [
  1,
  set.tcbInfo,
  set.tcbInfoIssuerChain,
  set.pckCrl,
  set.rootCaCrl,
  set.pckCrlIssuerChain,
  set.qeIdentity,
  set.qeIdentityIssuerChain,
]
const withValue = async (value: Uint8Array) =>
  readCertificate(
    await makeCertificate({ name: 'peer', keys: ecKeys(), extensions: [{ oid: endorsementsOid, value }] }),
  )
const of = (value: readonly Cbor[], tag = 60_000) => withValue(encodeCbor({ tag, value }))

t.test('eight fields, or nine with the time at which somebody gathered them', async t => {
  t.same(readEndorsements(await of(fields)), set)
  t.same(readEndorsements(await of([...fields, new Uint8Array(8)])), set)
})

t.test('texts may end as those of C do; lists in DER are left as they are', async t => {
  const ended = fields.map(each =>
    each instanceof Uint8Array && each[0] !== 0x30 ? concat(each, Uint8Array.of(0)) : each,
  )
  const found = readEndorsements(await of(ended))
  t.same(found, set)
  t.ok(found && verifyCollateral(found, root))
  const der = readEndorsements(await of(fields.map(each => (each === set.pckCrl ? Uint8Array.of(0x30, 0) : each))))
  t.same(der?.pckCrl, Uint8Array.of(0x30, 0))
})

t.test('a certificate without any has none', async t => {
  t.equal(readEndorsements(readCertificate(await makePeer())), undefined)
})

const refused: [name: string, value: Promise<ReturnType<typeof readCertificate>>, message: string][] = [
  ['another tag', of(fields, 60_001), 'want CBOR tag 60000'],
  ['seven fields', of(fields.slice(0, 7)), 'an array of 8 or 9 fields'],
  ['ten fields', of([...fields, 1, 2]), 'an array of 8 or 9 fields'],
  ['no array', withValue(encodeCbor({ tag: 60_000, value: 1 })), 'an array of 8 or 9 fields'],
  ['a number for a document', of(fields.map((each, i) => (i === 6 ? 5 : each))), 'want a byte string as field 6'],
  ['no CBOR', withValue(Uint8Array.of(0xff)), 'CBOR'],
]
for (const [name, certificate, message] of refused) {
  t.test(`${name}: refused`, async t => {
    const found = await certificate
    t.equal(
      outcome(() => readEndorsements(found)),
      'collateral-malformed',
    )
    t.match(
      complaint(() => readEndorsements(found)),
      message,
    )
  })
}
