import fc from 'fast-check'
import t from 'tap'
import { Carry } from '../../../src/engine/bytes/carry.ts'

const rest = (carry: Carry): string => carry.bytes.toString('latin1', carry.from, carry.to)

t.test('what was appended comes out in order, whatever was used in between', async () => {
  const step = fc.record({
    text: fc.string({ maxLength: 3_000, unit: 'binary-ascii' }),
    use: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), steps => {
      const carry = new Carry()
      let want = ''
      for (const { text, use } of steps) {
        carry.append(Buffer.from(`..${text}..`, 'latin1'), 2, 2 + text.length)
        want += text
        if (rest(carry) !== want || carry.length !== want.length) return false
        const used = Math.floor(use * want.length)
        carry.use(carry.from + used)
        want = want.slice(used)
        if (rest(carry) !== want) return false
      }
      return true
    }),
  )
})

t.test('a head that comes byte by byte costs no more than some times its length', async t => {
  const carry = new Carry()
  let copied = 0
  let before = carry.bytes
  for (let i = 0; i < 100_000; i++) {
    carry.append(Buffer.from('x'), 0, 1)
    if (carry.bytes !== before) copied += carry.length
    before = carry.bytes
  }
  t.equal(carry.length, 100_000)
  t.ok(copied < 300_000, `${copied} bytes moved to larger memory`)
  t.ok(carry.bytes.length <= 400_000)
})

t.test('memory goes when nothing is left, and is used again while something is', async t => {
  const carry = new Carry()
  carry.append(Buffer.from('x'.repeat(1_000)), 0, 1_000)
  const memory = carry.bytes
  carry.use(carry.from + 900)
  carry.append(Buffer.from('y'.repeat(1_900)), 0, 1_500)
  t.equal(carry.bytes, memory, 'what is left moves to the front of the same memory')
  t.equal(rest(carry), 'x'.repeat(100) + 'y'.repeat(1_500))
  carry.use(carry.to)
  t.match(carry, { length: 0, from: 0, to: 0 })
  t.equal(carry.bytes.length, 0)
})
