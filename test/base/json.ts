import fc from 'fast-check'
import t from 'tap'
import { JsonError, readJson } from '../../src/base/json.ts'

t.test('what is JSON reads as JSON.parse reads it', async t => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(0, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent)
      return JSON.stringify(readJson(text)) === JSON.stringify(JSON.parse(text))
    }),
  )
  t.equal(readJson(' \t\r\n-1.5e+3 '), -1500)
})

t.test('objects have no prototype, and hostile member names are data', async t => {
  const value = readJson('{"__proto__": {"polluted": true}, "constructor": 1}')
  t.equal(Object.getPrototypeOf(value), null)
  t.same(Object.keys(Object(value)), ['__proto__', 'constructor'])
  t.equal(Reflect.get({}, 'polluted'), undefined)
})

const refused: [name: string, text: string, message: string][] = [
  ['nothing', '', 'line 1, column 1: want a value, got the end'],
  ['an early end', '{\n  "a": ', 'line 2, column 8: want a value, got the end'],
  ['a member twice', '{"a":1,\n "a":2}', 'line 2, column 2: member "a" twice'],
  ['a member twice in different spelling', '{"a":1,"\\u0061":2}', 'line 1, column 8: member "a" twice'],
  ['a trailing comma', '[1,]', 'line 1, column 4: want a value, got "]"'],
  ['a trailing comma in an object', '{"a":1,}', 'line 1, column 8: want a member name in double quotes, got "}"'],
  ['no colon', '{"a" 1}', 'line 1, column 6: want a colon, got "1"'],
  ['no comma', '[1 2]', 'line 1, column 4: want a comma or a closing bracket, got "2"'],
  ['no comma between members', '{"a":1 "b":2}', 'line 1, column 8: want a comma or a closing brace, got "\\""'],
  ['a comment', '1 // one', 'line 1, column 3: want nothing more, got "/"'],
  ['a leading zero', '01', 'line 1, column 2: want nothing more, got "1"'],
  [
    'a line break in a string',
    '"a\nb"',
    'line 1, column 1: want a string without control characters and with known escapes, got "\\""',
  ],
  ['a byte order mark', '\ufeff1', 'line 1, column 1: want a value, got "\ufeff"'],
  ['depth', '['.repeat(40), 'line 1, column 34: want at most 32 levels, got "["'],
]
for (const [name, text, message] of refused) {
  t.test(`${name} is refused with its place`, async t => {
    t.throws(() => readJson(text), { message })
    t.throws(() => readJson(text), JsonError)
  })
}

t.test('a long string is no trouble', async t => {
  const long = 'x'.repeat(900_000)
  t.equal(readJson(JSON.stringify(long)), long)
})
