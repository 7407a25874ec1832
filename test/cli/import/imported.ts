import t from 'tap'
import { isObject, jsonOf, profileWithin, texts } from '../../../src/cli/import/imported.ts'

t.test('a profile accepts none but the states that were accepted', async t => {
  const all = [
    'UpToDate',
    'SWHardeningNeeded',
    'ConfigurationNeeded',
    'ConfigurationAndSWHardeningNeeded',
    'OutOfDate',
    'OutOfDateConfigurationNeeded',
  ]
  const rows: [states: string[], profile: string, left: string[]][] = [
    [['UpToDate'], 'strict', []],
    [['UpToDate', 'SWHardeningNeeded'], 'swHardeningOk', []],
    [['UpToDate', 'OutOfDate'], 'strict', ['OutOfDate']],
    [['UpToDate', 'SWHardeningNeeded', 'OutOfDate'], 'swHardeningOk', ['OutOfDate']],
    [all, 'dangerOutOfDate', []],
    [all.slice(0, 5), 'swHardeningOk', all.slice(2, 5)],
    [['Revoked'], 'strict', ['Revoked']],
    [[], 'strict', []],
  ]
  for (const [states, profile, left] of rows) t.same(profileWithin(states), { profile, left }, states.join())
})

t.test('JSON, and what is in it', async t => {
  t.match(jsonOf(Buffer.from('{"a":["b",1]}')), { a: ['b', 1] })
  t.throws(() => jsonOf(Buffer.from('{')), { code: 'usage', message: /^not JSON: line 1, column 2/ })
  t.throws(() => jsonOf(Buffer.from('{"a":1,"a":1}')), { code: 'usage', message: /member "a" twice/ })
  t.throws(() => jsonOf(Uint8Array.of(0xff)), { code: 'usage', message: 'not UTF-8' })
  t.same([texts(['a', 1, 'b']), texts('a'), texts(undefined)], [['a', 'b'], [], []])
  t.same([isObject({}), isObject([]), isObject(null), isObject(undefined)], [true, false, false, false])
})
