import { readFileSync } from 'node:fs'
import t from 'tap'
import * as synthetic from '../../src/demo/synthetic.ts'
import * as library from '../../src/function/library.ts'

t.test('what the author of a function may import', async t => {
  t.same(Object.keys(library).sort(), ['attest', 'policyDigestOf'])
  t.same(Object.keys(synthetic).sort(), ['synthetic', 'syntheticProxy'])
})

t.test('the package exports it, with its types', async t => {
  const { exports } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  for (const [name, path] of [
    ['./function', 'function/library'],
    ['./function/synthetic', 'demo/synthetic'],
  ] as const) {
    t.same(exports[name], { types: `./dist/src/${path}.d.ts`, default: `./dist/src/${path}.js` })
  }
})

t.test('importing it brings nothing synthetic', async t => {
  const seen = new Set<string>()
  const visit = (url: URL): void => {
    if (seen.has(url.href)) return
    seen.add(url.href)
    for (const [, target = ''] of readFileSync(url, 'utf8').matchAll(/from '(\.[^']+)'/g)) visit(new URL(target, url))
  }
  visit(new URL('../../src/function/library.ts', import.meta.url))
  t.ok(seen.size > 20)
  t.same(
    [...seen].filter(file => file.includes('/demo/')),
    [],
  )
})
