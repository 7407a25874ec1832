import t from 'tap'
import { Answers } from '../../../bench/load/answers.ts'

const head = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n'
const whole = Buffer.from(`${head}hello`)

t.test('an answer is counted once, however it is cut', async t => {
  for (let cut = 0; cut <= whole.length; cut++) {
    const answers = new Answers()
    let done = 0
    for (const part of [whole.subarray(0, cut), whole.subarray(cut)]) done += answers.feed(part, part.length)
    t.equal(done, 1, `cut at ${cut}`)
    t.equal(answers.bad, 0)
  }
})

t.test('it is counted byte by byte, and only at its end', async t => {
  const answers = new Answers()
  const counts = [...whole].map(byte => answers.feed(Buffer.from([byte]), 1))
  t.same(
    counts,
    counts.map((_, i) => (i === whole.length - 1 ? 1 : 0)),
  )
})

t.test('what lies in the buffer behind the length that was read is not looked at', async t => {
  const answers = new Answers()
  const buffer = Buffer.from(`${head}hello${head}stale`)
  t.equal(answers.feed(buffer, whole.length), 1)
  t.equal(answers.feed(buffer, 10), 0, 'a head of which only ten bytes have come')
  t.equal(answers.feed(buffer.subarray(10), whole.length - 10), 1)
})

t.test('answers without a body end with their head', async t => {
  const answers = new Answers()
  const empty = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  t.equal(answers.feed(empty, empty.length), 1)
  const two = Buffer.concat([empty, whole])
  t.equal(answers.feed(two, two.length), 2)
})

t.test('refusals, other statuses, closing and the unreadable are told apart', async t => {
  const told = (text: string): Answers => {
    const answers = new Answers()
    answers.feed(Buffer.from(text), text.length)
    return answers
  }
  t.match(told('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n'), { bad: 0, refused: 1 })
  t.match(told('HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n'), { bad: 1, refused: 0 })
  t.match(told('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'), { closing: true, bad: 0 })
  t.match(told('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n').broken, /^no Content-Length/)
})
