import t from 'tap'
import { told, when } from '../../src/manifest/rule.ts'

t.test('a value as it stands, also a large number and none', async t => {
  t.same(
    [told('a'), told(1), told(2n ** 60n), told(undefined), told({ a: [1n] })],
    ['"a"', '1', '"1152921504606846976"', 'nothing', '{"a":["1"]}'],
  )
})

t.test('a sentence where the condition holds', async t => {
  t.same([when(true, 'a'), when(false, 'a')], [['a'], []])
})
