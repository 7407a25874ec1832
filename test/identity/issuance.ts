import t from 'tap'
import { type Cbor, encodeFields } from '../../src/base/cbor.ts'
import {
  type Answer,
  maxAnswerBytes,
  maxQuestionBytes,
  readAnswer,
  readQuestion,
  readTime,
  writeAnswer,
  writeQuestion,
  writeTime,
} from '../../src/identity/issuance.ts'
import { outcome } from '../support/outcome.ts'

const bytes = (...all: number[]): Uint8Array => Uint8Array.of(...all)
const fields = (...all: [number, Cbor][]): Uint8Array => encodeFields(new Map(all))

t.test('a question is read back, and nothing else is one', async t => {
  const question = { request: bytes(1), evidence: bytes(2) }
  t.same(readQuestion(writeQuestion(question)), question)
  const bad = [
    fields([1, bytes(1)]),
    fields([1, bytes(1)], [3, bytes(2)]),
    fields([1, bytes(1)], [2, 'two']),
    fields([1, bytes(1)], [2, bytes(2)], [3, bytes(3)]),
    new Uint8Array(maxQuestionBytes + 1),
    new Uint8Array(),
  ]
  for (const each of bad)
    t.equal(
      outcome(() => readQuestion(each)),
      'request-malformed',
    )
})

const answer: Answer = {
  chain: [bytes(1), bytes(2)],
  bundle: [bytes(3)],
  time: { signed: bytes(4), signature: bytes(5) },
  floors: new Map([['tcbInfo', 17]]),
  auditHead: new Uint8Array(32),
}

t.test('an answer is read back, and nothing less is one', async t => {
  t.same(readAnswer(writeAnswer(answer)), answer)
  const good: [number, Cbor][] = [
    [1, [bytes(1)]],
    [2, [bytes(2)]],
    [3, [bytes(3), bytes(4)]],
    [4, new Map()],
    [6, new Uint8Array(32)],
  ]
  t.ok(readAnswer(fields(...good, [9, 'more'])), 'a newer CA may say more')
  const with_ = (key: number, value: Cbor): Uint8Array =>
    fields(...good.map(([k, v]): [number, Cbor] => [k, k === key ? value : v]))
  const bad = [
    ...good.map(([key]) => fields(...good.filter(([k]) => k !== key))),
    with_(1, []),
    with_(1, ['text']),
    with_(
      2,
      Array.from({ length: 9 }, () => bytes(1)),
    ),
    with_(3, [bytes(1)]),
    with_(3, [bytes(1), bytes(2), bytes(3)]),
    with_(4, new Map([['tcbInfo', 'x']])),
    with_(4, new Map(Array.from({ length: 9 }, (_, i) => [`f${i}`, i]))),
    with_(6, bytes(1)),
    new Uint8Array(maxAnswerBytes + 1),
  ]
  for (const each of bad)
    t.equal(
      outcome(() => readAnswer(each)),
      'issuer-malformed',
    )
})

t.test('a time is in whole seconds, for one connection', async t => {
  t.same(readTime(writeTime(1_999, bytes(7))), { at: 1_000, channel: bytes(7) })
  t.equal(
    outcome(() => readTime(fields([0, 'now'], [1, bytes(7)]))),
    'issuer-malformed',
  )
})
