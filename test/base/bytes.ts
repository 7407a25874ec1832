import fc from 'fast-check'
import t from 'tap'
import { allZero, concat, equalBytes, fromHex, Reader, toHex } from '../../src/base/bytes.ts'
import { complaint, outcome } from '../support/outcome.ts'

const reader = (...bytes: number[]) => new Reader(Uint8Array.from(bytes), 'quote-malformed')

t.test('fields are read in order, little endian', async t => {
  const r = reader(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
  t.equal(r.peek(), 1)
  t.equal(r.u8('a'), 1)
  t.equal(r.u16le('b'), 0x0302)
  t.equal(r.u32le('c'), 0x07060504)
  t.equal(r.u64le('d'), 0x0f0e0d0c0b0a0908n)
  t.equal(r.at, 15)
  t.equal(r.left, 1)
  t.equal(toHex(r.since(13)), '0e0f')
  t.match(
    complaint(() => r.end('whole')),
    'whole: 1 trailing bytes at 15',
  )
  t.same([...r.take(1, 'e')], [16])
  t.equal(r.peek(), undefined)
  r.end('whole')
})

const truncated: [name: string, read: (r: Reader) => unknown][] = [
  ['u8', r => r.u8('x') && r.u8('x') && r.u8('x') && r.u8('x')],
  ['u16le', r => r.u16le('x') && r.u16le('x')],
  ['u32le', r => r.u32le('x')],
  ['u64le', r => r.u64le('x')],
  ['take', r => r.take(4, 'x')],
  ['sub', r => r.sub(4, 'x')],
  ['a length of 0xffffffff', r => r.sub(0xffffffff, 'x')],
  ['a negative length', r => r.take(-1, 'x')],
  ['a fractional length', r => r.take(0.5, 'x')],
  ['a length that is no number', r => r.take(Number.NaN, 'x')],
]
for (const [name, read] of truncated) {
  t.test(`${name} beyond the end is a fault, never a shorter answer`, async t => {
    t.equal(
      outcome(() => read(reader(1, 2, 3))),
      'quote-malformed',
    )
  })
}

t.test('a sub-reader ends where its length says and the outer one goes on behind it', async t => {
  const r = reader(1, 2, 3)
  const inner = r.sub(2, 'inner')
  t.equal(inner.code, 'quote-malformed')
  t.equal(inner.u16le('x'), 0x0201)
  t.match(
    complaint(() => inner.u8('y')),
    'y: want 1 bytes, 0 left',
  )
  t.equal(r.u8('z'), 3)
})

t.test('what is taken from a Buffer is a copy', async t => {
  const source = Buffer.from([1, 2, 3])
  const taken = new Reader(source, 'quote-malformed').take(3, 'x')
  source.fill(0)
  t.same([...taken], [1, 2, 3])
})

t.test('a reader over a window into a larger buffer stays inside it', async t => {
  const window = new Uint8Array(Uint8Array.from([9, 1, 2, 9]).buffer, 1, 2)
  const r = new Reader(window, 'quote-malformed')
  t.equal(r.u16le('x'), 0x0201)
  t.equal(r.left, 0)
})

t.test('any sequence of reads gives bytes in order or the fault', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(fc.nat(20), { maxLength: 12 }), (bytes, lengths) => {
      const r = new Reader(bytes, 'quote-malformed')
      let at = 0
      for (const length of lengths) {
        const fits = at + length <= bytes.length
        if (!fits) return outcome(() => r.take(length, 'x')) === 'quote-malformed' && r.at === at
        if (!Buffer.from(r.take(length, 'x')).equals(bytes.subarray(at, at + length))) return false
        at += length
      }
      return r.left === bytes.length - at
    }),
  )
})

const hex: [name: string, text: string, bytes: number[] | undefined][] = [
  ['nothing', '', []],
  ['both cases', '00fFAb', [0, 255, 171]],
  ['an odd digit', '0', undefined],
  ['a letter beyond f', '0g', undefined],
  ['a space', '00 00', undefined],
  ['a prefix', '0x00', undefined],
  ['a line end', '00\n0', undefined],
]
for (const [name, text, bytes] of hex) {
  t.test(`hex: ${name}`, async t => {
    const got = fromHex(text)
    t.same(got && [...got], bytes)
    if (got) t.equal(toHex(got), text.toLowerCase())
  })
}

t.test('equality needs equal lengths and equal bytes', async t => {
  t.equal(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)), true)
  t.equal(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)), false)
  t.equal(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1)), false)
})

t.test('concatenation keeps order; zeros are told from others', async t => {
  t.same([...concat(Uint8Array.of(1), new Uint8Array(), Uint8Array.of(2, 3))], [1, 2, 3])
  t.equal(allZero(new Uint8Array(3)), true)
  t.equal(allZero(Uint8Array.of(0, 1)), false)
})
