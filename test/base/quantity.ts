import t from 'tap'
import { bytesOf, mebibytes, quantity } from '../../src/base/quantity.ts'

const values: [text: string, bytes: bigint | undefined][] = [
  ['0', 0n],
  ['512', 512n],
  ['512Mi', 536_870_912n],
  ['1Gi', 1_073_741_824n],
  ['1.5Gi', 1_610_612_736n],
  ['.5Ki', 512n],
  ['1.', 1n],
  ['1k', 1000n],
  ['2M', 2_000_000n],
  ['1e3', 1000n],
  ['1E3', 1000n],
  ['1E', 10n ** 18n],
  ['1Ei', 1n << 60n],
  ['+1Ki', 1024n],
  ['1500m', 2n],
  ['1u', 1n],
  ['1n', 1n],
  ['0.1', 1n],
  ['-1', undefined],
  ['', undefined],
  ['.', undefined],
  ['Mi', undefined],
  ['1 Mi', undefined],
  ['1mi', undefined],
  ['1KB', undefined],
  ['1K', undefined],
  ['0x10', undefined],
  ['1e', undefined],
  ['constructor', undefined],
]

for (const [text, bytes] of values) {
  t.test(`${JSON.stringify(text)} is ${bytes ?? 'no quantity'}`, async t => t.equal(bytesOf(text), bytes))
}

t.test('written in the largest unit that divides it, and read again', async t => {
  const cases: [bigint, string][] = [
    [1_073_741_824n, '1Gi'],
    [1_610_612_736n, '1536Mi'],
    [1024n, '1Ki'],
    [1000n, '1000'],
    [0n, '0'],
  ]
  for (const [bytes, text] of cases) {
    t.equal(quantity(bytes), text)
    t.equal(bytesOf(text), bytes)
  }
})

t.test('mebibytes are rounded up', async t => {
  t.same([0n, 1n, 1_048_576n, 1_048_577n].map(mebibytes), [0n, 1n, 1n, 2n])
})
