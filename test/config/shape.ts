import t from 'tap'
import { readJson } from '../../src/base/json.ts'
import {
  anyObject,
  anyValue,
  array,
  byKey,
  type Complaint,
  defaulted,
  described,
  flag,
  integer,
  nullable,
  object,
  oneOf,
  optional,
  parsed,
  record,
  type Shape,
  text,
  told,
  unfit,
} from '../../src/config/shape.ts'

const sample = object({
  name: described('A name.', text(/^[a-z]+$/, 'lower-case letters')),
  size: defaulted(integer(0, 9), 3),
  tags: defaulted(array(text(/^.$/, 'one character')), []),
  mode: optional(oneOf('a', 'b')),
  on: defaulted(flag, false),
  limit: defaulted(nullable(integer(1, 2)), null),
  who: optional(byKey({ id: object({ id: integer(0, 9) }), key: object({ key: flag }) })),
  sets: defaulted(record(/^[a-z_]+$/, 'a lower-case name', array(integer(0, 9))), {}),
  later: optional(anyObject),
})

function read<T>(shape: Shape<T>, json: string): { value: T | typeof unfit; complaints: readonly string[] } {
  const complaints: Complaint[] = []
  const value = shape.read(readJson(json), '', complaints)
  return { value, complaints: complaints.map(told) }
}

t.test('a document that fits has every key, defaults included', async t => {
  const { value, complaints } = read(sample, '{"name":"x","who":{"key":true},"sets":{"a":[1]},"later":{"z":1}}')
  t.same(complaints, [])
  t.same(value, {
    name: 'x',
    size: 3,
    tags: [],
    mode: undefined,
    on: false,
    limit: null,
    who: { key: true },
    sets: { a: [1] },
    later: { z: 1 },
  })
})

t.test('every complaint comes at once, each with its place', async t => {
  const { value, complaints } = read(
    sample,
    `{"size": 10, "tags": ["ab", "c", 1], "mode": "c", "on": 1, "limit": 3, "who": {"id": "x"},
      "sets": {"A": [], "a": [true]}, "later": [], "a/b~c": 0}`,
  )
  t.equal(value, unfit)
  t.same(complaints, [
    '/a~1b~0c: want no such key, got 0',
    '/name: want this key, got nothing',
    '/size: want an integer from 0 to 9, got 10',
    '/tags/0: want one character, got "ab"',
    '/tags/2: want one character, got 1',
    '/mode: want one of a, b, got "c"',
    '/on: want true or false, got 1',
    '/limit: want an integer from 1 to 2, got 3',
    '/who/id: want an integer from 0 to 9, got "x"',
    '/sets/A: want a lower-case name, got "A"',
    '/sets/a/0: want an integer from 0 to 9, got true',
    '/later: want an object, got []',
  ])
})

t.test('names that every object inherits are refused like any unknown key', async t => {
  for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    const complaints = [`/${key}: want no such key, got {}`]
    t.same(read(sample, `{"name":"x","${key}":{}}`), { value: unfit, complaints })
  }
  for (const key of ['__proto__', 'constructor']) {
    t.match(read(sample, `{"name":"x","sets":{"${key}":[]}}`).complaints, [`/sets/${key}: want a lower-case name`])
  }
  // A key that is only inherited is not there.
  const complaints: Complaint[] = []
  t.equal(sample.read(Object.create({ name: 'x' }), '', complaints), unfit)
})

const others: [name: string, shape: Shape<unknown>, json: string, complaint: string][] = [
  ['an array for an object', sample, '[]', '/: want an object, got []'],
  ['null for an object', sample, 'null', '/: want an object, got null'],
  ['an object for an array', array(flag), '{}', '/: want an array, got {}'],
  ['an array for a record', record(/a/, 'a', flag), '[]', '/: want an object, got []'],
  ['a text for a union', byKey({ a: sample }), '"a"', '/: want an object, got "a"'],
  ['no known key of a union', byKey({ a: sample, b: sample }), '{"c":1}', '/: want an object with a or b, got {"c":1}'],
  ['a fraction', integer(0, 9), '1.5', '/: want an integer from 0 to 9, got 1.5'],
  ['a long text', flag, JSON.stringify('x'.repeat(100)), `/: want true or false, got "${'x'.repeat(59)}…`],
]
for (const [name, shape, json, complaint] of others) {
  t.test(`${name} is refused`, async t => t.same(read(shape, json), { value: unfit, complaints: [complaint] }))
}

t.test('any value is what it was', async t => {
  for (const json of ['null', '[{"a":[]}]', '"x"', '0']) t.same(read(anyValue, json).value, JSON.parse(json))
  t.same(anyValue.schema, {})
})

t.test('a text that fits its pattern and makes no sense is refused', async t => {
  const even = parsed({ pattern: /^\d+$/, want: 'an even number', as: s => (Number(s) % 2 ? undefined : Number(s)) })
  t.equal(read(even, '"4"').value, 4)
  t.same(read(even, '"5"').complaints, ['/: want an even number, got "5"'])
})

t.test('a default that does not fit its own shape is found at once', async t => {
  t.throws(() => defaulted(integer(0, 9), 10), {
    message: 'default does not fit: /: want an integer from 0 to 9, got 10',
  })
})

t.test('the JSON Schema says the same', async t => {
  t.same(sample.schema['required'], ['name'])
  t.equal(sample.schema['additionalProperties'], false)
  t.match(sample.schema['properties'], {
    name: { type: 'string', pattern: '^[a-z]+$', description: 'A name.' },
    size: { type: 'integer', minimum: 0, maximum: 9, default: 3 },
    tags: { type: 'array', items: { type: 'string' }, default: [] },
    mode: { enum: ['a', 'b'] },
    on: { type: 'boolean', default: false },
    limit: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
    who: { oneOf: [{ required: ['id'] }, { required: ['key'] }] },
    sets: { type: 'object', propertyNames: { pattern: '^[a-z_]+$' } },
    later: { type: 'object' },
  })
})
