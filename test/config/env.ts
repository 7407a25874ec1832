import fc from 'fast-check'
import t from 'tap'
import { Environment, goQuote, nearest, parseInteger } from '../../src/config/env.ts'

const of = (values: Record<string, string>) => new Environment(name => values[name])

const integers: [text: string, value: bigint | string][] = [
  ['0', 0n],
  ['-0', 0n],
  ['42', 42n],
  ['+42', 42n],
  ['-42', -42n],
  ['0x10', 16n],
  ['0XfF', 255n],
  ['-0x10', -16n],
  ['010', 8n],
  ['0o17', 15n],
  ['0O17', 15n],
  ['0b101', 5n],
  ['0B1', 1n],
  ['1_000', 1000n],
  ['0x_ff', 255n],
  ['0_7', 7n],
  ['9223372036854775807', 9223372036854775807n],
  ['-9223372036854775808', -9223372036854775808n],
  ['9223372036854775808', 'value out of range'],
  ['-9223372036854775809', 'value out of range'],
  ['0xffffffffffffffff', 'value out of range'],
  ['', 'invalid syntax'],
  ['+', 'invalid syntax'],
  ['--1', 'invalid syntax'],
  ['x', 'invalid syntax'],
  ['1.5', 'invalid syntax'],
  ['1e3', 'invalid syntax'],
  [' 1', 'invalid syntax'],
  ['1\n', 'invalid syntax'],
  ['08', 'invalid syntax'],
  ['0x', 'invalid syntax'],
  ['0b2', 'invalid syntax'],
  ['0o8', 'invalid syntax'],
  ['_1', 'invalid syntax'],
  ['1_', 'invalid syntax'],
  ['1__0', 'invalid syntax'],
  ['0x1_', 'invalid syntax'],
]
for (const [text, value] of integers) {
  t.test(`as an integer, ${JSON.stringify(text)} is ${value}`, async t => t.equal(parseInteger(text), value))
}

t.test('an integer of any size comes back clamped to what a double holds', async () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), value => {
      const read = of({ N: String(value) }).integer('N', 'N')
      return Number.isSafeInteger(read) && (Math.abs(read) === Number.MAX_SAFE_INTEGER || BigInt(read) === value)
    }),
  )
})

t.test("an integer's complaints are Go's", async t => {
  const environment = of({ BAD: 'x"\\', HUGE: '9223372036854775808', EMPTY: '' })
  t.equal(environment.integer('BAD', 'Bad'), 0)
  environment.integer('HUGE', 'Huge')
  environment.integer('EMPTY', 'Empty')
  environment.integer('MISSING', 'Missing')
  t.equal(environment.integer('OPTIONAL', 'Optional', 7), 7)
  t.same(environment.complaints, [
    `envconfig.Process: assigning BAD to Bad: converting 'x"\\' to type int. details: strconv.ParseInt: parsing "x\\"\\\\": invalid syntax`,
    'envconfig.Process: assigning HUGE to Huge: converting \'9223372036854775808\' to type int. details: strconv.ParseInt: parsing "9223372036854775808": value out of range',
    'envconfig.Process: assigning EMPTY to Empty: converting \'\' to type int. details: strconv.ParseInt: parsing "": invalid syntax',
    'required key MISSING missing value',
  ])
})

t.test('booleans are those of strconv.ParseBool', async t => {
  for (const word of ['1', 't', 'T', 'TRUE', 'true', 'True']) t.equal(of({ B: word }).boolean('B', 'B'), true, word)
  for (const word of ['0', 'f', 'F', 'FALSE', 'false', 'False']) {
    const environment = of({ B: word })
    t.equal(environment.boolean('B', 'B'), false, word)
    t.same(environment.complaints, [])
  }
  t.equal(of({}).boolean('B', 'B'), false)
  for (const word of ['', 'yes', 'tRUE', '2', '__proto__', 'constructor']) {
    const environment = of({ B: word })
    t.equal(environment.boolean('B', 'Bee'), false)
    t.same(environment.complaints, [
      `envconfig.Process: assigning B to Bee: converting '${word}' to type bool. details: strconv.ParseBool: parsing "${word}": invalid syntax`,
    ])
  }
})

t.test('a required text may be empty, not missing', async t => {
  const environment = of({ EMPTY: '' })
  t.equal(environment.required('EMPTY'), '')
  t.same(environment.complaints, [])
  t.equal(environment.required('MISSING'), '')
  t.same(environment.complaints, ['required key MISSING missing value'])
})

t.test('counts and ports keep their bounds', async t => {
  const environment = of({ OK: '8012', ZERO: '0', HIGH: '65536', HEX: '0x10', EMPTY: '', SIGN: '+1' })
  t.equal(environment.port('OK', 0), 8012)
  t.equal(environment.port('MISSING', 9090), 9090)
  t.equal(environment.count('ZERO', 0, 9, 5), 0)
  t.same(environment.complaints, [])
  for (const name of ['ZERO', 'HIGH', 'HEX', 'EMPTY', 'SIGN']) environment.port(name, 0)
  t.same(environment.complaints, [
    'ZERO: want a number from 1 to 65535, got "0"',
    'HIGH: want a number from 1 to 65535, got "65536"',
    'HEX: want a number from 1 to 65535, got "0x10"',
    'EMPTY: want a number from 1 to 65535, got ""',
    'SIGN: want a number from 1 to 65535, got "+1"',
  ])
})

t.test('no value can start a line of its own', async t => {
  t.equal(
    goQuote('a"\\\n\r\t\b\f\v\x07\x00\x7fé€😀'),
    '"a\\"\\\\\\n\\r\\t\\b\\f\\v\\a\\x00\\x7f\\u00e9\\u20ac\\U0001f600"',
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), value => {
      const environment = of({ N: value, B: value, P: value })
      environment.integer('N', 'N')
      environment.boolean('B', 'B')
      environment.port('P', 0)
      return environment.complaints.every(line => /^[\x20-\x7e]*$/.test(line))
    }),
  )
})

t.test('the nearest name is the one with the fewest edits', async t => {
  t.same(nearest('POSTERN_ADMIN_PROT', ['POSTERN_METRICS_PORT', 'POSTERN_ADMIN_PORT']), {
    name: 'POSTERN_ADMIN_PORT',
    edits: 2,
  })
  t.same(nearest('a', []), { name: '', edits: Number.POSITIVE_INFINITY })
})
