// The threat model says of every value what it can do: what is added to the interface has to be added there.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { injectShape } from '../../src/config/inject-shape.ts'
import { policyShape } from '../../src/config/policy-shape.ts'
import { variables } from '../../src/config/variables.ts'
import { repository } from '../support/process.ts'

const text = readFileSync(join(repository, 'docs/threat-model.md'), 'utf8')

/** Names in backticks in the first cells of the rows of one section. */
function rows(section: string): Set<string> {
  const [, body = ''] = new RegExp(`^## ${section}$([\\s\\S]*?)(?=^## |(?![\\s\\S]))`, 'm').exec(text) ?? []
  const cells = [...body.matchAll(/^\| ([^|]*) \|/gm)].map(([, cell = '']) => cell)
  return new Set(cells.flatMap(cell => [...cell.matchAll(/`([A-Za-z_0-9]+)`/g)].map(([, name = '']) => name)))
}

const keysOf = (shape: { readonly schema: object }): string[] =>
  Object.keys((shape.schema as { properties: object }).properties)

const sections: [section: string, names: readonly string[], extra: readonly string[]][] = [
  ['Host-given values', variables, []],
  ['Measured values', keysOf(policyShape), ['isvsvn', 'isvprodid']],
  ['The injector and its options', keysOf(injectShape), []],
]
for (const [section, names, extra] of sections) {
  t.test(`${section}: every one, and none that is gone`, async t => {
    const found = rows(section)
    t.same(
      names.filter(name => !found.has(name)),
      [],
      'write into docs/threat-model.md what it can do',
    )
    t.same(
      [...found].filter(name => !names.includes(name) && !extra.includes(name)),
      [],
    )
  })
}
