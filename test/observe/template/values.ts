import t from 'tap'
import {
  Float,
  goExponent,
  isTrue,
  plain,
  show,
  showFloat,
  sprint,
  type Value,
} from '../../../src/observe/template/values.ts'

const floats: [value: number, expected: string][] = [
  [0, '0'],
  [-0, '-0'],
  [2, '2'],
  [0.001234567, '0.001234567'],
  [0.0001, '0.0001'],
  [0.000051234, '5.1234e-05'],
  [1e-9, '1e-09'],
  [12345.678901234, '12345.678901234'],
  [999999, '999999'],
  [1e6, '1e+06'],
  [1234567.5, '1.2345675e+06'],
  [-2.5, '-2.5'],
  [-0.25, '-0.25'],
  [1e100, '1e+100'],
  [Number.POSITIVE_INFINITY, '+Inf'],
  [Number.NEGATIVE_INFINITY, '-Inf'],
  [Number.NaN, 'NaN'],
]
for (const [value, expected] of floats) t.test(`a float: ${expected}`, async t => t.equal(showFloat(value), expected))

const values: [value: Value, text: string, truth: boolean][] = [
  ['a', 'a', true],
  ['', '', false],
  [0, '0', false],
  [-3, '-3', true],
  [new Float(0), '0', false],
  [new Float(1.5), '1.5', true],
  [true, 'true', true],
  [false, 'false', false],
  [[], '[]', false],
  [['a', 'b'], '[a b]', true],
]
for (const [value, text, truth] of values) {
  t.test(`${text} is ${truth}`, async t => t.same([show(value), isTrue(value)], [text, truth]))
}

t.test('spaces stand between neighbours of which neither is a string', async t => {
  t.equal(sprint(['a', 1, 2, 'b', 'c', new Float(3), true, []]), 'a1 2bc3 true []')
  t.equal(sprint([]), '')
})

const moved: [digits: string, power: number, expected: string][] = [
  ['1.25', 0, '1.25'],
  ['1.25', 1, '12.5'],
  ['-1.25', 4, '-12500'],
  ['1.25', -1, '0.125'],
  ['-1.25', -3, '-0.00125'],
  ['7', 2, '700'],
]
for (const [digits, power, expected] of moved) {
  t.test(`${digits} moved by ${power} is ${expected}`, async t => t.equal(plain(digits, power), expected))
}

t.test('an exponent has a sign and two digits at least', async t => {
  t.same([goExponent(6), goExponent(-5), goExponent(100)], ['+06', '-05', '+100'])
})
