import t from 'tap'
import { asJson, asTable } from '../../src/demo/table.ts'

const good = { what: 'a thing', want: '200', got: '200', why: 'because' }
const bad = { what: 'another', want: '502', got: '200', why: 'nobody refused it' }

t.test('for people', async t => {
  t.match(asTable([good], false, true), /^ {3}what +outcome *\n\nok a thing +200\n {3}because\n$/)
  t.match(asTable([bad], false, false), /^!! another +200\n {3}should have been: 502\n {3}nobody refused it\n$/)
  t.match(asTable([good, bad], true, false), /\u001b\[32mok\u001b\[0m.*\u001b\[31m!!\u001b\[0m/s)
})

t.test('for programs, each row is marked, and the whole says that it is synthetic', async t => {
  t.same(JSON.parse(asJson([good, bad], false)), {
    synthetic: true,
    good: false,
    rows: [
      { ...good, good: true },
      { ...bad, good: false },
    ],
  })
})
