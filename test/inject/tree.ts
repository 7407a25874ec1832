import t from 'tap'
import { type JsonObject, readJson } from '../../src/base/json.ts'
import { append, at, covers, isObject, objectAt, objectsAt, put, textAt } from '../../src/inject/tree.ts'

const tree = readJson('{"a":{"b":[{"c":1}]},"none":null,"text":"x","list":[1],"__proto__":{"d":2}}') as JsonObject

t.test('members are own members, and null is absent', async t => {
  t.equal(at(tree, 'none'), undefined)
  t.equal(at(tree, 'toString'), undefined)
  t.same(at(tree, '__proto__'), { d: 2 })
  t.same(objectAt(tree, 'none'), {})
  t.same(objectsAt(objectAt(tree, 'a'), 'b'), [{ c: 1 }])
  t.same(objectsAt(tree, 'none'), [])
  t.equal(isObject(tree['list']), false)
})

t.test('what is no object where one has to be is told by its name', async t => {
  t.throws(() => objectAt(tree, 'text'), { code: 'review-malformed', message: 'pod: text: want an object' })
  t.throws(() => objectAt(tree, 'list'), { code: 'review-malformed' })
  t.throws(() => objectsAt(tree, 'list'), { code: 'review-malformed', message: 'pod: list: want a list of objects' })
  t.throws(() => objectsAt(tree, 'text'), { code: 'review-malformed' })
})

t.test('a name is a string or nothing', async t => {
  t.same(
    ['text', 'a', 'none', 'list', 'toString'].map(key => textAt(tree, key)),
    ['x', '', '', '', ''],
  )
})

t.test('nothing is changed in place, and no prototype is touched', async t => {
  const before = JSON.stringify(tree)
  const more = put(append(tree, 'list', 2), '__proto__', { polluted: true })
  t.same(more['list'], [1, 2])
  t.equal(Object.getPrototypeOf(more), Object.prototype)
  t.equal(JSON.stringify(tree), before)
  t.same(append(tree, 'none', 1)['none'], [1])
})

const pairs: [name: string, value: string, wanted: string, covered: boolean][] = [
  ['equals', '{"a":[1,{"b":2}]}', '{"a":[1,{"b":2}]}', true],
  ['defaults that were added', '{"a":{"b":1,"mode":420}}', '{"a":{"b":1}}', true],
  ['another value', '{"a":{"b":1}}', '{"a":{"b":2}}', false],
  ['a member that is missing', '{}', '{"a":1}', false],
  ['a longer list', '[1,2]', '[1]', false],
  ['another kind', '1', '{"a":1}', false],
]
for (const [name, value, wanted, covered] of pairs) {
  t.test(`covers: ${name}`, async t => t.equal(covers(readJson(value), readJson(wanted)), covered))
}
