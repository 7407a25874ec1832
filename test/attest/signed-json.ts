import fc from 'fast-check'
import t from 'tap'
import { readSignedJson } from '../../src/attest/signed-json.ts'
import { toHex } from '../../src/base/bytes.ts'
import { complaint, outcome } from '../support/outcome.ts'

const code = 'collateral-malformed'
const signature = 'ab'.repeat(64)
const read = (text: string, member = 'tcbInfo') => readSignedJson(Buffer.from(text, 'latin1'), member)
const whole = (value: string) => `{"tcbInfo":${value},"signature":"${signature}"}`

const spans: [name: string, text: string, signed: string][] = [
  ['as Intel writes it', whole('{"a":1}'), '{"a":1}'],
  ['white space inside the value belongs to it', whole('{ "a" :\n1 }'), '{ "a" :\n1 }'],
  ['white space around it does not', `{"tcbInfo" : {"a":1} \n, "signature" : "${signature}" }\n`, '{"a":1}'],
  ['the signature first', `{"signature":"${signature}","tcbInfo":{"a":1}}`, '{"a":1}'],
  ['a value full of braces', whole('{"a":"}{\\"","b":[{},[]]}'), '{"a":"}{\\"","b":[{},[]]}'],
  ['an empty value', whole('{}'), '{}'],
  ['white space before it all', `\n ${whole('{"a":1}')}`, '{"a":1}'],
  ['an empty value with white space', whole('{ }'), '{ }'],
  ['an empty array with white space', whole('{"a":[ ]}'), '{"a":[ ]}'],
  ['the deepest value', whole(`{"a":${'['.repeat(7)}${']'.repeat(7)}}`), `{"a":${'['.repeat(7)}${']'.repeat(7)}}`],
  ['an inner member of the same name', whole('{"tcbInfo":{"b":2}}'), '{"tcbInfo":{"b":2}}'],
]
for (const [name, text, signed] of spans) {
  t.test(`signed bytes: ${name}`, async t => {
    const got = read(text)
    t.equal(Buffer.from(got.signedBytes).toString(), signed)
    t.equal(toHex(got.signature), signature)
  })
}

t.test('numbers are those of JSON', async t => {
  for (const text of ['0', '-1', '12', '1.25', '-0.5', '1e5', '1E10', '2e-12', '3e+4', '1.25e12']) {
    t.equal(Buffer.from(read(whole(`{"a":${text}}`)).signedBytes).toString(), `{"a":${text}}`)
  }
})

t.test('what is signed is a copy', async t => {
  const bytes = Buffer.from(whole('{"a":1}'))
  const { signedBytes } = readSignedJson(bytes, 'tcbInfo')
  bytes.fill(0)
  t.equal(Buffer.from(signedBytes).toString(), '{"a":1}')
})

const refused: [name: string, text: string, message: string][] = [
  ['nothing', '', 'want an object at byte 0'],
  ['an array', '[]', 'want an object at byte 0'],
  ['another document', whole('{}').replace('tcbInfo', 'enclaveIdentity'), 'exactly tcbInfo and signature'],
  ['no signature', '{"tcbInfo":{}}', 'exactly tcbInfo and signature'],
  ['a third member', whole('{}').replace('{', '{"x":1,'), 'exactly tcbInfo and signature'],
  ['a document that is no object', whole('[]'), 'exactly tcbInfo and signature'],
  ['a document that is text', whole('"{}"'), 'exactly tcbInfo and signature'],
  ['a signature that is a number', '{"tcbInfo":{},"signature":1}', 'exactly tcbInfo and signature'],
  ['a short signature', whole('{}').replace('abab', 'ab'), 'signature of 128 hex digits'],
  ['a signature that is not hex', whole('{}').replace('abab', 'abxb'), 'signature of 128 hex digits'],
  ['a document twice', `{"tcbInfo":{},"tcbInfo":{},"signature":"${signature}"}`, 'no second "tcbInfo"'],
  ['an escaped spelling of the same name', `{"tcbInfo":{},"tcb\\u0049nfo":{},"signature":"${signature}"}`, 'no second'],
  ['a member twice, deep inside', whole('{"a":{"b":1,"b":2}}'), 'no second "b"'],
  ['text behind', `${whole('{}')}x`, 'nothing more'],
  ['a comma too many', whole('{"a":1,}'), 'a member name'],
  ['no comma', whole('{"a":1"b":2}'), 'a comma or a closing brace'],
  ['no comma in an array', whole('{"a":[1 2]}'), 'a comma or a closing bracket'],
  ['no colon', whole('{"a"1}'), 'a colon'],
  ['no value', whole('{"a":}'), 'a value'],
  ['a leading zero', whole('{"a":01}'), 'a comma or a closing brace'],
  ['NaN', whole('{"a":NaN}'), 'a value'],
  ['a comment', whole('{/**/}'), 'a member name'],
  ['a control character in a string', whole('{"a":"\n"}'), 'a value'],
  ['a byte above ASCII', whole('{"a":"é"}'), 'a value'],
  ['an unknown escape', whole('{"a":"\\x41"}'), 'a value'],
  ['an escape of one digit', whole('{"a":"\\u1"}'), 'a value'],
  ['a byte-order mark', `\xef\xbb\xbf${whole('{}')}`, 'want an object at byte 0'],
  ['nesting without end', whole('['.repeat(100)), 'at most 8 levels'],
  ['one level more', whole(`{"a":${'['.repeat(8)}${']'.repeat(8)}}`), 'at most 8 levels'],
  ['a cut text', whole('{"a":1}').slice(0, -3), 'a value'],
]
for (const [name, text, message] of refused) {
  t.test(`${name}: refused`, async t => {
    t.match(
      complaint(() => read(text)),
      message,
    )
    t.equal(
      outcome(() => read(text)),
      code,
    )
  })
}

t.test('more than 256 KiB is not even looked at', async t => {
  t.match(
    complaint(() => readSignedJson(new Uint8Array(262_145), 'tcbInfo')),
    '262145 bytes, want at most 262144',
  )
  t.match(
    complaint(() => readSignedJson(new Uint8Array(262_144), 'tcbInfo')),
    'want an object at byte 0',
  )
})

const document = read(
  whole('{"t":"x","n":7,"h":"0Aff","d":"2026-02-28T12:00:00Z","o":{"p":1},"l":[{"q":2}],"s":["a","b"],"f":1.5,"z":-1}'),
).document

t.test('members are read by their form', async t => {
  t.equal(document.text('t'), 'x')
  t.equal(document.count('n', 7), 7)
  t.equal(toHex(document.hex('h', 2)), '0aff')
  t.equal(document.time('d'), Date.UTC(2026, 1, 28, 12))
  t.equal(document.one('t', ['y', 'x']), 'x')
  t.equal(document.object('o').count('p', 9), 1)
  t.same(
    document.objects('l').map(each => each.count('q', 9)),
    [2],
  )
  t.same(document.optionalTexts('s'), ['a', 'b'])
  t.same(document.optionalTexts('absent'), [])
  t.same([document.has('t'), document.has('toString')], [true, false])
})

const wrong: [name: string, run: () => unknown, message: string][] = [
  ['a number as text', () => document.text('n'), 'tcbInfo.n: want a string'],
  ['an absent member', () => document.text('absent'), 'tcbInfo.absent: want a string'],
  ['an inherited member', () => document.text('constructor'), 'want a string'],
  ['a number that is too large', () => document.count('n', 6), 'want an integer from 0 to 6'],
  ['a fraction', () => document.count('f', 6), 'want an integer'],
  ['a negative number', () => document.count('z', 6), 'want an integer'],
  ['text as a number', () => document.count('t', 6), 'want an integer'],
  ['hex of another length', () => document.hex('h', 3), 'want 6 hex digits'],
  ['text as hex', () => document.hex('t', 1), 'want 2 hex digits'],
  ['text as a time', () => document.time('t'), 'want a time such as'],
  ['a word that is not listed', () => document.one('t', ['y']), 'want one of y'],
  ['a number as an object', () => document.object('n'), 'want an object'],
  ['an array as an object', () => document.object('l'), 'want an object'],
  ['an object as an array', () => document.objects('o'), 'want an array'],
  ['an array of something else', () => document.objects('s'), 'want an array of objects'],
  ['an array of objects as one of strings', () => document.optionalTexts('l'), 'want an array of strings'],
  ['a deep member', () => document.objects('l')[0]?.text('q'), 'tcbInfo.l[0].q: want a string'],
  ['a deeper one', () => document.object('o').text('q'), 'tcbInfo.o.q: want a string'],
]
for (const [name, run, message] of wrong) {
  t.test(`${name}: refused`, async t => {
    t.match(complaint(run), message)
  })
}

const times: [text: string, ok: boolean][] = [
  ['2026-02-28T23:59:59Z', true],
  ['2024-02-29T00:00:00Z', true],
  ['2026-02-29T00:00:00Z', false],
  ['2026-02-28T24:00:00Z', false],
  ['2026-13-01T00:00:00Z', false],
  ['2026-02-28T00:00:00+01:00', false],
  ['2026-02-28T00:00:00.000Z', false],
  ['2026-02-28', false],
  ['x2026-02-28T00:00:00Z', false],
]
for (const [text, ok] of times) {
  t.test(`${text} is ${ok ? 'a' : 'no'} time`, async t => {
    t.equal(
      outcome(() => read(whole(`{"d":"${text}"}`)).document.time('d')),
      ok ? 'ok' : code,
    )
  })
}

t.test('whatever JSON.parse refuses is refused, and what is accepted is cut out exactly', async () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 3 }), fc.nat(), fc.nat(255), (value, at, byte) => {
      const bytes = Buffer.from(whole(`{"v":${value}}`), 'latin1')
      bytes[at % bytes.length] = byte
      let signed: string | undefined
      const got = outcome(() => {
        signed = Buffer.from(readSignedJson(bytes, 'tcbInfo').signedBytes).toString('latin1')
      })
      if (signed === undefined) return got === code
      return JSON.stringify(JSON.parse(signed)) === JSON.stringify(JSON.parse(bytes.toString('latin1')).tcbInfo)
    }),
    { numRuns: 1000 },
  )
})
