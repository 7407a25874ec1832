// The test of a table of rules: each finds what is planted for it, and each has something planted.

import t from 'tap'
import { type Rule, told } from '../../src/manifest/rule.ts'
import { found, type Planted } from './manifests.ts'

export function testRules(rules: readonly Rule[], planted: readonly Planted[]): void {
  for (const [id, changes, messages] of planted) {
    t.test(`${id}: ${told(changes).slice(0, 90)}: ${messages.length} findings`, async t => {
      const said = found(rules, id, changes)
      t.equal(said.length, messages.length, said.join('\n'))
      for (const [i, message] of messages.entries()) t.match(said[i], message)
    })
  }
  t.test('every rule finds something planted, and nothing in the clean manifest', async t => {
    for (const { id, cure, severity } of rules) {
      t.same(found(rules, id, {}), [], id)
      t.ok(
        planted.some(([of, , messages]) => of === id && messages.length > 0),
        `${id} has a planted failure`,
      )
      t.match(id, /^[a-z]+(?:-[a-z]+)*$/)
      t.match(severity, /^(?:error|warning|note)$/)
      t.match(cure, /^.{8,}[^.]$/)
    }
  })
}
