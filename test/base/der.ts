import fc from 'fast-check'
import t from 'tap'
import { fromHex, toHex } from '../../src/base/bytes.ts'
import { DerReader, oidText, tag } from '../../src/base/der.ts'
import { complaint, outcome } from '../support/outcome.ts'

const code = 'certificate-malformed'
const der = (hex: string) => new DerReader(fromHex(hex) ?? new Uint8Array(), code)

t.test('elements are read in order, with header or without', async t => {
  const r = der('3006020105040107').enter(tag.sequence, 'outer')
  t.equal(r.code, code)
  t.equal(r.peek(), tag.integer)
  t.equal(toHex(r.raw(tag.integer, 'a')), '020105')
  const { raw, content, tag: found } = r.element('b')
  t.same([found, toHex(raw), toHex(content)], [4, '040107', '07'])
  t.equal(r.peek(), undefined)
  r.end('outer')
})

const refused: [name: string, hex: string, message: string][] = [
  ['no bytes', '', 'x: want 1 bytes, 0 left'],
  ['no length', '04', 'x length: want 1 bytes, 0 left'],
  ['a length beyond the end', '040201', 'x: want 2 bytes, 1 left'],
  ['an indefinite length', '04800000', 'length form 0x80'],
  ['a long length of four bytes', '048400000001aa', 'length form 0x84'],
  ['a length of ffffffff', '0484ffffffff', 'length form 0x84'],
  ['a reserved length form', '04ff', 'length form 0xff'],
  ['a length below 128 in the long form', '04810100', 'shortest form'],
  ['a length below 256 in two bytes', '048200ff', 'shortest form'],
  ['a length below 65536 in three bytes', '048300ffff', 'shortest form'],
  ['a tag of several bytes', '1f810100', 'tags of several bytes'],
]
for (const [name, hex, message] of refused) {
  t.test(`${name} is refused`, async t => {
    t.match(
      complaint(() => der(hex).element('x')),
      message,
    )
  })
}

t.test('long lengths in their shortest form are read', async t => {
  for (const length of [127, 128, 255, 256, 65535, 65536]) {
    const bytes =
      length < 0x80
        ? [length]
        : length < 0x100
          ? [0x81, length]
          : length < 0x10000
            ? [0x82, length >> 8, length & 0xff]
            : [0x83, 1, 0, 0]
    const r = new DerReader(Uint8Array.from([4, ...bytes, ...new Uint8Array(length)]), code)
    t.equal(r.content(tag.octetString, 'x').length, length)
    r.end('x')
  }
})

t.test('another tag than the wanted one is named', async t => {
  t.match(
    complaint(() => der('040100').content(tag.integer, 'x')),
    'x: want tag 0x2, got 0x4',
  )
})

t.test('left-overs are a fault', async t => {
  const r = der('30030201050000')
  const inner = r.enter(tag.sequence, 'x')
  t.equal(
    outcome(() => inner.end('x')),
    code,
  )
  t.equal(
    outcome(() => r.end('x')),
    code,
  )
})

t.test('nesting has a bound', async t => {
  let hex = ''
  for (let i = 0; i < 20; i++) {
    hex = `30${(hex.length / 2).toString(16).padStart(2, '0')}${hex}`
  }
  t.match(
    complaint(() => {
      for (let r = der(hex); ; ) r = r.enter(tag.sequence, 'x')
    }),
    'nested deeper than 16',
  )
})

const oids: [hex: string, text: string][] = [
  ['550403', '2.5.4.3'],
  ['2a864886f84d010d01', '1.2.840.113741.1.13.1'],
  ['678105050409', '2.23.133.5.4.9'],
  ['06092a864886f84d8a3906', '0.6.9.42.840.113741.1337.6'],
  ['8837', '2.999'],
  // 2.25.<UUID>: an arc of 128 bits.
  ['6983ffffffffffffffffffffffffffffffffff7f', `2.25.${(1n << 128n) - 1n}`],
]
for (const [hex, text] of oids) {
  t.test(`object identifier ${text}`, async t => {
    t.equal(oidText(fromHex(hex) ?? new Uint8Array(), code), text)
    t.equal(der(`06${(hex.length / 2).toString(16).padStart(2, '0')}${hex}`).oid('x'), text)
  })
}
for (const [name, hex] of [
  ['an empty one', ''],
  ['a padded arc', '2a8001'],
  ['an unfinished arc', '2a86'],
  ['one beyond 64 bytes', '01'.repeat(65)],
] as const) {
  t.test(`object identifier: ${name} is refused`, async t => {
    t.equal(
      outcome(() => oidText(fromHex(hex) ?? new Uint8Array(), code)),
      code,
    )
  })
}

const integers: [name: string, hex: string, magnitude: string | undefined][] = [
  ['zero', '020100', '00'],
  ['a small one', '02017f', '7f'],
  ['one with its sign byte', '020200ff', 'ff'],
  ['a serial of 16 bytes', `0210${'11'.repeat(16)}`, '11'.repeat(16)],
  ['none', '0200', undefined],
  ['a negative one', '0201ff', undefined],
  ['a padded one', '02020001', undefined],
]
for (const [name, hex, magnitude] of integers) {
  t.test(`integer: ${name}`, async t => {
    if (magnitude === undefined) {
      t.equal(
        outcome(() => der(hex).unsigned('x')),
        code,
      )
    } else {
      t.equal(toHex(der(hex).unsigned('x')), magnitude)
    }
  })
}

t.test('small integers and enumerations are numbers, larger ones a fault', async t => {
  t.equal(der('02050080000001').smallUnsigned('x'), 0x80000001)
  t.equal(der('0a0102').smallUnsigned('x', tag.enumerated), 2)
  t.equal(
    outcome(() => der('02050100000000').smallUnsigned('x')),
    code,
  )
})

t.test('booleans are 00 or ff', async t => {
  t.equal(der('0101ff').boolean('x'), true)
  t.equal(der('010100').boolean('x'), false)
  for (const hex of ['010101', '0100', '0102ffff']) {
    t.equal(
      outcome(() => der(hex).boolean('x')),
      code,
    )
  }
})

const times: [kind: number, text: string, iso: string | undefined][] = [
  [tag.utcTime, '260101000000Z', '2026-01-01T00:00:00.000Z'],
  [tag.utcTime, '491231235959Z', '2049-12-31T23:59:59.000Z'],
  [tag.utcTime, '500101000000Z', '1950-01-01T00:00:00.000Z'],
  [tag.generalizedTime, '20500101000000Z', '2050-01-01T00:00:00.000Z'],
  [tag.generalizedTime, '99991231235959Z', '9999-12-31T23:59:59.000Z'],
  [tag.generalizedTime, '00000101000000Z', '0000-01-01T00:00:00.000Z'],
  [tag.utcTime, '260230000000Z', undefined],
  [tag.utcTime, '260101240000Z', undefined],
  [tag.utcTime, '2601010000Z', undefined],
  [tag.utcTime, '260101000000+0000', undefined],
  [tag.utcTime, '20260101000000Z', undefined],
  [tag.generalizedTime, '20260101000000.5Z', undefined],
  [tag.octetString, '260101000000Z', undefined],
]
for (const [kind, text, iso] of times) {
  t.test(`time ${text} under tag ${kind} is ${iso ?? 'refused'}`, async t => {
    const r = new DerReader(Uint8Array.from([kind, text.length, ...Buffer.from(text)]), code)
    if (iso === undefined) {
      t.equal(
        outcome(() => r.time('x')),
        code,
      )
    } else {
      t.equal(r.time('x'), Date.parse(iso))
    }
  })
}

t.test('arbitrary bytes give an element or the fault, and an element gives its own bytes back', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      const got = outcome(() => {
        const r = new DerReader(bytes, code)
        const { raw, content } = r.element('x')
        if (!Buffer.from(bytes.subarray(0, raw.length)).equals(raw)) throw new Error('raw')
        if (!Buffer.from(raw.subarray(raw.length - content.length)).equals(content)) throw new Error('content')
      })
      for (const read of ['oid', 'boolean', 'unsigned', 'smallUnsigned', 'time'] as const) {
        outcome(() => new DerReader(bytes, code)[read]('x'))
      }
      return got === 'ok' || got === code
    }),
    { numRuns: 2000 },
  )
})
