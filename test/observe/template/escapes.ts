import t from 'tap'
import { encodeRune, html, js, quote, urlquery } from '../../../src/observe/template/escapes.ts'

/** What Go reads: bytes. */
const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

const rows: [name: string, run: (text: string) => string, text: string, expected: string][] = [
  ['js: what needs none', js, 'plain/text?', 'plain/text?'],
  ['js: the special ones', js, '\\\'"<>&=', '\\\\\\\'\\"\\u003C\\u003E\\u0026\\u003D'],
  ['js: control characters', js, '\0\n\x1f\x7f', '\\u0000\\u000A\\u001F\x7f'],
  ['js: what can be printed stays', js, bytes('é 日😀'), bytes('é 日😀')],
  ['js: what cannot does not', js, bytes('\u2028\u00a0\u0085'), '\\u2028\\u00A0\\u0085'],
  ['js: what is no UTF-8 stays', js, '\xff\xc3', '\xff\xc3'],
  ['js: nor cut short, nor a surrogate', js, '\xe2\x80 \xed\xa0\x80', '\xe2\x80 \xed\xa0\x80'],
  ['html', html, '<a href="x">\'&\0</a>', '&lt;a href=&#34;x&#34;&gt;&#39;&amp;\xef\xbf\xbd&lt;/a&gt;'],
  ['urlquery', urlquery, bytes('a b&c/~_.-é'), 'a+b%26c%2F~_.-%C3%A9'],
  ['quote: ASCII', quote, '\x07\b\f\n\r\t\v\\"\x01\x7f a', '"\\a\\b\\f\\n\\r\\t\\v\\\\\\"\\x01\\x7f a"'],
  ['quote: beyond', quote, bytes('é\u2028\u{e0001}\ufffd'), `"${bytes('é')}\\u2028\\U000e0001${bytes('\ufffd')}"`],
  ['quote: no UTF-8', quote, 'a\xffb', '"a\\xffb"'],
]
for (const [name, run, text, expected] of rows) t.test(name, async t => t.equal(run(text), expected))

t.test('a rune, or U+FFFD for what is none', async t => {
  t.same([encodeRune(65), encodeRune(233)], ['A', '\xc3\xa9'])
  for (const rune of [-1, 0xd800, 0x110000]) t.equal(encodeRune(rune), '\xef\xbf\xbd')
})
