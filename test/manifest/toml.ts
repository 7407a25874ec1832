import t from 'tap'
import { isTable, readToml } from '../../src/manifest/toml.ts'

const read = (text: string): unknown => readToml(Buffer.from(text))

t.test('dotted keys, tables, arrays of tables, numbers of any size', async t => {
  t.same(read('a.b = 1\n[c]\nd = [{ e = "f" }]\n[[g]]\nh = 9223372036854775807\n'), {
    a: { b: 1 },
    c: { d: [{ e: 'f' }] },
    g: [{ h: 9223372036854775807n }],
  })
})

const refused: [name: string, bytes: Uint8Array, message: RegExp][] = [
  ['what is no TOML', Buffer.from('a = 1\nb ='), /^manifest: line 2, column \d+: [^\n]+$/],
  ['a key twice', Buffer.from('a = 1\na = 2'), /^manifest: line 2, /],
  ['a template', Buffer.from('{% if x %}\na = 1\n'), /^manifest: line 1, .*; it is a template, so render it first$/],
  ['what is no UTF-8', Buffer.from([0x61, 0x3d, 0x22, 0xff, 0x22]), /^manifest: not UTF-8/],
  ['a file without end', new Uint8Array(16 * 1024 * 1024 + 1), /^manifest: want at most 16777216 bytes, got 16777217$/],
]
for (const [name, bytes, message] of refused) {
  t.test(`refuses ${name}`, async t => {
    t.throws(() => readToml(bytes), { name: 'Fault', code: 'manifest-malformed', message })
  })
}

t.test('a table is an object, and neither array nor date', async t => {
  t.ok(isTable({}))
  for (const other of [undefined, null, 'a', 1, [], new Date()]) t.notOk(isTable(other))
})
