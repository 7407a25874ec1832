import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { readSigstruct } from '../../src/attest/sigstruct.ts'
import { toHex } from '../../src/base/bytes.ts'
import { at, authorKey, gramineSigstruct, makeSigstruct, signerOf, signSigstruct } from '../support/sigstruct.ts'

const key = authorKey()

t.test('what Gramine signs has the values that Gramine shows', async t => {
  const found = readSigstruct(gramineSigstruct.bytes)
  t.equal(toHex(found.mrenclave), gramineSigstruct.mrenclave)
  t.equal(toHex(found.mrsigner), gramineSigstruct.mrsigner)
  t.match(found, {
    vendor: 'other',
    date: '2026-03-14',
    swDefined: 0,
    miscSelect: { value: 1, mask: 0xffffffff },
    cetAttributes: { value: 0, mask: 0 },
    attributes: {
      flags: { value: 0x04n, mask: 0xffffffffffffffffn },
      xfrm: { value: 0x03n, mask: 0xfffffffffff9ff1bn },
    },
    isvProdId: 1,
    isvSvn: 3,
  })
})

t.test('every field is read from its own place', async t => {
  const sixteen = (first: number): number[] => Array.from({ length: 16 }, (_, i) => first + i)
  const found = readSigstruct(
    makeSigstruct(key, [
      [at.vendor, [0x86, 0x80, 0, 0]],
      [at.date, [0, 0, 0, 0]],
      [at.swDefined, [1, 2, 0, 0]],
      [at.miscSelect, [2, 0, 0, 0, 3, 0, 0, 0]],
      [at.cetAttributes, [4, 5]],
      [at.isvFamilyId, sixteen(0x20)],
      [at.attributes, [6, 0, 0, 0, 0, 0, 0, 0x80, 7, 0, 0, 0, 0, 0, 0, 0x40]],
      [at.attributesMask, [8, 0, 0, 0, 0, 0, 0, 0x20, 9, 0, 0, 0, 0, 0, 0, 0x10]],
      [at.enclaveHash, [...sixteen(0x40), ...sixteen(0x50)]],
      [at.isvExtProdId, sixteen(0x60)],
      [at.isvProdId, [0x34, 0x12]],
      [at.isvSvn, [0x78, 0x56]],
    ]),
  )
  t.equal(toHex(found.mrsigner), signerOf(key))
  t.equal(toHex(found.mrenclave), Buffer.from([...sixteen(0x40), ...sixteen(0x50)]).toString('hex'))
  t.equal(toHex(found.isvFamilyId), Buffer.from(sixteen(0x20)).toString('hex'))
  t.equal(toHex(found.isvExtProdId), Buffer.from(sixteen(0x60)).toString('hex'))
  t.match(found, {
    vendor: 'Intel',
    date: '0000-00-00',
    swDefined: 0x201,
    miscSelect: { value: 2, mask: 3 },
    cetAttributes: { value: 4, mask: 5 },
    attributes: {
      flags: { value: 0x8000000000000006n, mask: 0x2000000000000008n },
      xfrm: { value: 0x4000000000000007n, mask: 0x1000000000000009n },
    },
    isvProdId: 0x1234,
    isvSvn: 0x5678,
  })
})

t.test('a flipped bit anywhere is refused', async t => {
  const fields = Object.entries(at)
  const nameOf = (offset: number): string => fields.filter(([, from]) => from <= offset).at(-1)?.[0] ?? ''
  const missed: string[] = []
  for (let offset = 0; offset < gramineSigstruct.bytes.length; offset++) {
    const bytes = gramineSigstruct.bytes.slice()
    bytes[offset] = (bytes[offset] ?? 0) ^ (1 << (offset % 8))
    try {
      readSigstruct(bytes)
      missed.push(`${nameOf(offset)} at ${offset}`)
    } catch (error) {
      t.match(error, { name: 'Fault', code: /^sigstruct-(malformed|unverified)$/ }, `${nameOf(offset)} at ${offset}`)
    }
  }
  t.same(missed, [])
})

const signed: [name: string, offset: number, bytes: number[], message: RegExp][] = [
  ['another header', at.header, [7], /^header: want 0600/],
  ['another header2', at.header2, [9], /^header2: want 0101/],
  ['a vendor of nobody', at.vendor, [1], /^vendor: want 0 or 0x8086, got 0x1$/],
  ['a date that is none', at.date, [0x0e, 0x0a], /^date: want a date in decimal digits, got 20260a0e$/],
  ['something behind sw defined', at.reserved1 + 83, [1], /^reserved bytes at 44: want zeros/],
  ['something behind cet', at.reserved2 + 1, [1], /^reserved bytes at 910: want zeros/],
  ['something behind the hash', at.reserved3, [1], /^reserved bytes at 992: want zeros/],
]
for (const [name, offset, bytes, message] of signed) {
  t.test(`refuses ${name}, however well it is signed`, async t => {
    t.throws(() => readSigstruct(makeSigstruct(key, [[offset, bytes]])), { code: 'sigstruct-malformed', message })
  })
}

const changed: [name: string, offset: number, bytes: number[], code: string, message: RegExp][] = [
  ['another exponent', at.exponent, [1, 0, 1], 'sigstruct-malformed', /^exponent: want 3, got 65537$/],
  ['something behind the versions', at.reserved4, [1], 'sigstruct-malformed', /^reserved bytes at 1028/],
  ['a short modulus', at.modulus + 383, [0x7f], 'sigstruct-malformed', /^modulus: want an odd number of 3072 bits/],
  ['an even modulus', at.modulus, [2], 'sigstruct-malformed', /^modulus: want an odd number/],
  ['another measurement', at.enclaveHash, [1], 'sigstruct-unverified', /^signature: does not verify/],
  ['a signature above the modulus', at.signature + 383, [0xff], 'sigstruct-unverified', /^signature: does not verify/],
  ['another q1', at.q1, [1], 'sigstruct-unverified', /^q1: /],
  ['another q2', at.q2, [1], 'sigstruct-unverified', /^q2: /],
]
for (const [name, offset, bytes, code, message] of changed) {
  t.test(`refuses ${name}`, async t => {
    const found = makeSigstruct(key)
    const differs = bytes.some((byte, i) => found[offset + i] !== byte)
    found.set(differs ? bytes : bytes.map(byte => byte ^ 0x10), offset)
    t.throws(() => readSigstruct(found), { code, message })
  })
}

t.test('refuses every other length', async t => {
  for (const length of [0, 128, 1807, 1809, 4096]) {
    const bytes = new Uint8Array(length)
    bytes.set(gramineSigstruct.bytes.subarray(0, length))
    const message = `SIGSTRUCT: want 1808 bytes, got ${length}`
    t.throws(() => readSigstruct(bytes), { code: 'sigstruct-malformed', message })
  }
})

t.test('a key of another exponent does not sign, whatever the SIGSTRUCT says of it', async t => {
  const other = generateKeyPairSync('rsa', { modulusLength: 3072, publicExponent: 65537 }).privateKey
  const bytes = signSigstruct(gramineSigstruct.bytes, other)
  t.throws(() => readSigstruct(bytes), { code: 'sigstruct-unverified', message: /^signature: / })
})
