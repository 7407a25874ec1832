import fc from 'fast-check'
import t from 'tap'
import { fromHex, toHex } from '../../src/base/bytes.ts'
import { type Cbor, decodeCbor, decodeFields, encodeCbor, encodeFields, isMap, isTagged } from '../../src/base/cbor.ts'
import { complaint, outcome } from '../support/outcome.ts'

const code = 'evidence-malformed'
const bytes = (hex: string) => fromHex(hex) ?? new Uint8Array()

// RFC 8949 Appendix A, the rows of our subset.
const vectors: [hex: string, value: Cbor][] = [
  ['00', 0],
  ['17', 23],
  ['1818', 24],
  ['1903e8', 1000],
  ['1a000f4240', 1_000_000],
  ['1b000000e8d4a51000', 1_000_000_000_000],
  ['1b001fffffffffffff', Number.MAX_SAFE_INTEGER],
  ['40', new Uint8Array()],
  ['4401020304', Uint8Array.of(1, 2, 3, 4)],
  ['60', ''],
  ['64f0908591', '\u{10151}'],
  ['80', []],
  ['83010203', [1, 2, 3]],
  ['8301820203820405', [1, [2, 3], [4, 5]]],
  ['a0', new Map()],
  ['a26161016162820203', new Map<string, Cbor>([['a', 1], ['b', [2, 3]]])], // biome-ignore format: one row
  ['c11a514b67b0', { tag: 1, value: 1_363_896_240 }],
  ['d9ea608240 40'.replace(' ', ''), { tag: 60_000, value: [new Uint8Array(), new Uint8Array()] }],
]
for (const [hex, value] of vectors) {
  t.test(`${hex} is read and written alike`, async t => {
    t.same(decodeCbor(bytes(hex), code), value)
    t.equal(toHex(encodeCbor(value)), hex)
  })
}

const refused: [name: string, hex: string, message: string][] = [
  ['nothing', '', 'want 1 bytes'],
  ['trailing bytes', '0000', 'trailing'],
  ['a negative integer', '20', 'major type 1'],
  ['a boolean', 'f5', 'major type 7'],
  ['a float', 'fb3ff199999999999a', 'major type 7'],
  ['23 in two bytes', '1817', 'shortest form'],
  ['255 in three bytes', '1900ff', 'shortest form'],
  ['65535 in five bytes', '1a0000ffff', 'shortest form'],
  ['2^32 - 1 in nine bytes', '1b00000000ffffffff', 'shortest form'],
  ['2^53', '1b0020000000000000', '2^53'],
  ['a byte string of 2^53 bytes', '5b0020000000000000', '2^53'],
  ['a byte string beyond the end', '5affffffff00', 'want 4294967295 bytes'],
  ['a text string beyond the end', '6261', 'want 2 bytes'],
  ['an array of 2^32 - 1 items that are not there', '9affffffff00', 'want 1 bytes'],
  ['a map of 2^32 - 1 entries that are not there', 'baffffffff616100', 'want 1 bytes'],
  ['an indefinite byte string', '5f4101ff', 'indefinite'],
  ['an indefinite array', '9fff', 'indefinite'],
  ['a reserved argument', '1c', 'indefinite'],
  ['text that is not UTF-8', '61ff', 'not UTF-8'],
  ['text with a surrogate', '63eda080', 'not UTF-8'],
  ['a map with a number as key', 'a10000', 'text string as map key'],
  ['a duplicate key', 'a2616100616101', 'duplicate map key "a"'],
  ['five levels of arrays', '8181818180', 'nested deeper'],
  ['five levels of tags', 'c1c1c1c1c100', 'nested deeper'],
  ['a megabyte of open arrays', '81'.repeat(1_000_000), 'nested deeper'],
]
for (const [name, hex, message] of refused) {
  t.test(`${name}: refused`, async t => {
    t.match(
      complaint(() => decodeCbor(bytes(hex), code)),
      message,
    )
  })
}

t.test('four levels are read, and keys in any order', async t => {
  t.same(decodeCbor(bytes('8181818100'), code), [[[[0]]]])
  t.same(decodeCbor(bytes('a2616200616101'), code), new Map([['b', 0], ['a', 1]])) // biome-ignore format: one row
})

t.test('keys are written in the order of their encoding: shorter first, then bytewise', async t => {
  const map = new Map<string, Cbor>([['aa', 0], ['b', 1], ['__proto__', 2], ['a', 3]]) // biome-ignore format: one row
  const back = decodeCbor(encodeCbor(map), code)
  t.ok(isMap(back))
  if (isMap(back)) t.same([...back.keys()], ['a', 'b', 'aa', '__proto__'])
})

t.test('byte strings are copies', async t => {
  const source = bytes('4101')
  const value = decodeCbor(source, code)
  source.fill(0)
  t.same(value, Uint8Array.of(1))
})

t.test('kinds are told apart', async t => {
  t.equal(isTagged({ tag: 1, value: 0 }), true)
  for (const value of [0, 'tag', [], new Map(), new Uint8Array(), undefined]) t.equal(isTagged(value), false)
  t.equal(isMap(undefined), false)
})

t.test('only unsigned safe integers are written', async t => {
  for (const value of [-1, 0.5, 2 ** 53, Number.NaN]) t.throws(() => encodeCbor(value), TypeError)
})

const leaf = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.uint8Array({ maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
)
const value: fc.Arbitrary<Cbor> = fc.oneof(
  leaf,
  fc.array(fc.oneof(leaf, fc.array(leaf, { maxLength: 3 })), { maxLength: 30 }),
  fc.array(fc.tuple(fc.string(), leaf), { maxLength: 5 }).map(entries => new Map<string, Cbor>(entries)),
  fc.tuple(fc.nat(), leaf).map(([tag, inner]) => ({ tag, value: inner })),
)

t.test('what is written is read back, and written the same again', async () => {
  fc.assert(
    fc.property(value, item => {
      const once = encodeCbor(item)
      return Buffer.from(encodeCbor(decodeCbor(once, code))).equals(once)
    }),
    { numRuns: 1000 },
  )
})

t.test('arbitrary bytes give a value or the fault; but for key order, a value has one encoding', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), input => {
      const got = outcome(() => {
        const decoded = decodeCbor(input, code)
        if (encodeCbor(decoded).length !== input.length) throw new Error('another encoding')
      })
      return got === 'ok' || got === code
    }),
    { numRuns: 5000 },
  )
})

t.test('a message is a map of small numbers, in ascending order, and is read back', async t => {
  const fields = new Map<number, Cbor>([
    [3, 'three'],
    [1, [Uint8Array.of(1), 2]],
  ])
  t.equal(toHex(encodeFields(fields)), 'a2018241010203657468726565')
  t.same(
    [...decodeFields(encodeFields(fields), 'evidence-malformed')],
    [
      [1, [Uint8Array.of(1), 2]],
      [3, 'three'],
    ],
  )
  t.throws(() => encodeFields(new Map([[24, 0]])), TypeError)
  const bad = ['', '8101', 'a1', 'a1616101', 'a203000100', 'a201000100', 'a1181800', 'b80101', 'a1010000', 'bf0101ff']
  for (const hex of bad) {
    t.throws(() => decodeFields(Buffer.from(hex, 'hex'), 'evidence-malformed'), { code: 'evidence-malformed' }, hex)
  }
})
