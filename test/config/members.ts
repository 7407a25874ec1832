import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import { goType, Members, readEnvironmentJson } from '../../src/config/members.ts'

const of = (json: string) => Members.of(readEnvironmentJson(json), 'T')

t.test('members are found in any case, null and missing ones are zero', async t => {
  const members = of('{"Name":"x","ON":true,"n":-3,"port":"80","list":[{"name":"y"}],"texts":["z"],"nil":null,"in":{}}')
  t.equal(members.text('name'), 'x')
  t.equal(members.flag('on'), true)
  t.equal(members.integer('N'), -3)
  t.equal(members.port('port'), 80)
  t.equal(members.objects('list', 'U')[0]?.text('name'), 'y')
  t.same(members.texts('texts'), ['z'])
  t.ok(members.object('in', 'U'))
  t.ok(members.has('NAME'))
  t.notOk(members.has('nil'))
  t.same(
    [members.text('nil', 'd'), members.flag('nil'), members.integer('nil'), members.port('nil')],
    ['d', false, 0, 0],
  )
  t.same([members.objects('nil', 'U'), members.texts('nil'), members.object('nil', 'U')], [[], [], undefined])
  t.equal(of('null').text('name'), '')
})

t.test('inherited names are not members', async t => {
  t.notOk(of('{}').has('constructor'))
  t.notOk(of('{}').has('__proto__'))
})

const wrong: [name: string, read: (members: Members) => unknown, message: string][] = [
  ['text', m => m.text('a'), 'json: cannot unmarshal array into Go struct field T.a of type string'],
  ['flag', m => m.flag('s'), 'json: cannot unmarshal string into Go struct field T.s of type bool'],
  ['integer', m => m.integer('s'), 'json: cannot unmarshal string into Go struct field T.s of type int32'],
  ['big integer', m => m.integer('big'), 'json: cannot unmarshal number into Go struct field T.big of type int32'],
  ['port', m => m.port('s'), 'json: cannot unmarshal string into Go struct field T.s of type port'],
  ['high port', m => m.port('big'), 'json: cannot unmarshal number into Go struct field T.big of type port'],
  ['object', m => m.object('b', 'U'), 'json: cannot unmarshal bool into Go struct field T.b of type U'],
  ['objects', m => m.objects('o', 'U'), 'json: cannot unmarshal object into Go struct field T.o of type []U'],
  ['an object of objects', m => m.objects('a', 'U'), 'json: cannot unmarshal number into Go value of type U'],
  ['texts', m => m.texts('o'), 'json: cannot unmarshal object into Go struct field T.o of type []string'],
  ['a text of texts', m => m.texts('a'), 'json: cannot unmarshal number into Go struct field T.a of type string'],
]
for (const [name, read, message] of wrong) {
  t.test(`another type than ${name} is refused in Go's words`, async t => {
    const members = of('{"a":[1],"s":"x","b":true,"o":{},"big":2147483648}')
    t.throws(() => read(members), { message, code: 'environment-invalid' })
  })
}

t.test('what is no JSON is a fault', async t => {
  t.throws(() => readEnvironmentJson('{'), { message: 'unexpected end of JSON input' })
  t.throws(() => readEnvironmentJson('{]'), { message: /^not JSON: line 1, column 2/ })
  t.throws(() => readEnvironmentJson('{]'), Fault)
  t.throws(() => of('[]'), { message: 'json: cannot unmarshal array into Go value of type T' })
  t.same([goType(null), goType(1), goType('')], ['object', 'number', 'string'])
})
