import fc from 'fast-check'
import t from 'tap'
import { type Json, readJson } from '../../src/base/json.ts'
import { diff } from '../../src/inject/diff.ts'
import { apply } from '../support/pods.ts'

const cases: [name: string, from: string, to: string, patch: object[]][] = [
  ['equals', '{"a":[1,{"b":2}]}', '{"a":[1,{"b":2}]}', []],
  ['a member more', '{}', '{"a":{"b":1}}', [{ op: 'add', path: '/a', value: { b: 1 } }]],
  ['deep inside', '{"a":[{"b":1}]}', '{"a":[{"b":2}]}', [{ op: 'replace', path: '/a/0/b', value: 2 }]],
  ['a name with a slash and a tilde', '{"x":{}}', '{"x":{"a/b~c":1}}', [{ op: 'add', path: '/x/a~1b~0c', value: 1 }]],
  [
    'items at the end',
    '[1]',
    '[1,2,3]',
    [
      { op: 'add', path: '/-', value: 2 },
      { op: 'add', path: '/-', value: 3 },
    ],
  ],
  ['null is a value', '{"a":null}', '{"a":[1]}', [{ op: 'replace', path: '/a', value: [1] }]],
  ['a member less', '{"a":1,"b":2}', '{"b":2}', [{ op: 'remove', path: '/a' }]],
  ['a member called __proto__', '{}', '{"__proto__":""}', [{ op: 'add', path: '/__proto__', value: '' }]],
  ['a shorter list', '{"a":[1,2]}', '{"a":[2]}', [{ op: 'replace', path: '/a', value: [2] }]],
]

for (const [name, from, to, patch] of cases) {
  t.test(name, async t => t.same(diff(readJson(from), readJson(to)), patch))
}

t.test('applied, it gives what was wanted; for equals it is empty', async () => {
  const json = fc.jsonValue({ maxDepth: 4 }).map(value => readJson(JSON.stringify({ value })))
  fc.assert(
    fc.property(json, json, (from: Json, to: Json) => {
      const applied = apply(from, diff(from, to))
      return (
        JSON.stringify(sorted(applied)) === JSON.stringify(sorted(to)) &&
        diff(to, readJson(JSON.stringify(to))).length === 0
      )
    }),
    { numRuns: 300 },
  )
})

/** Members in one order. */
function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  )
}
