import t from 'tap'
import { difference, readYaml, writeYaml } from '../../src/cli/yaml.ts'

const read = (text: string) => readYaml(Buffer.from(text), 'file')

t.test('documents, empty ones left out', async t => {
  t.same(read('---\na: 1\n---\n# nothing\n---\nb: [x, "1", true, null]\n'), [{ a: 1 }, { b: ['x', '1', true, null] }])
  t.same(read(''), [])
  t.same(read('{"json": {"is": "yaml"}}'), [{ json: { is: 'yaml' } }])
  t.same(read('on: yes\n'), [{ on: 'yes' }], 'YAML 1.2')
})

const refused: [name: string, text: string, message: RegExp][] = [
  ['no YAML', 'a: [1', /^file: .*line 1, column/],
  ['a key twice', 'a: 1\na: 2', /keys must be unique/],
  ['a bomb', `a: &a [1]\nb: &b [${'*a,'.repeat(60)}]\nc: [${'*b,'.repeat(60)}]`, /^file: .*alias/],
]
for (const [name, text, message] of refused) {
  t.test(`refused: ${name}`, async t => t.throws(() => read(text), { code: 'usage', message }))
}

t.test('refused: too long', async t => {
  t.throws(() => readYaml(Buffer.alloc(8 * 1024 * 1024 + 1, '#'), 'file'), { code: 'usage', message: /at most/ })
})

t.test('written, and read again', async t => {
  const value = { a: 'yes', long: 'x '.repeat(200), b: [{ c: '1' }] }
  t.same(read(writeYaml(value)), [value])
})

t.test('a difference names both sides; equals have none', async t => {
  t.equal(difference('a\n', 'a\n'), '')
  t.equal(difference('a\nb\n', 'a\nc\n'), '--- as given\n+++ as injected\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n')
})
