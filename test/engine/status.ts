import { STATUS_CODES } from 'node:http'
import t from 'tap'
import { reasonPhrase } from '../../src/engine/status.ts'

// Where Go's table and Node's differ, Go's counts.
const phrases: [status: number, phrase: string][] = [
  [100, 'Continue'],
  [103, 'Early Hints'],
  [200, 'OK'],
  [302, 'Found'],
  [306, 'status code 306'],
  [404, 'Not Found'],
  [413, 'Request Entity Too Large'],
  [414, 'Request URI Too Long'],
  [416, 'Requested Range Not Satisfiable'],
  [418, "I'm a teapot"],
  [421, 'Misdirected Request'],
  [504, 'Gateway Timeout'],
  [509, 'status code 509'],
  [299, 'status code 299'],
  [999, 'status code 999'],
]
for (const [status, phrase] of phrases) {
  t.test(`${status} is called ${phrase}`, async t => {
    t.equal(reasonPhrase(status), phrase)
  })
}

t.test('the rest is as Node has it', async t => {
  const differ = Object.entries(STATUS_CODES).filter(([status, phrase]) => reasonPhrase(Number(status)) !== phrase)
  t.same(
    differ.map(([status]) => status),
    ['413', '414', '416', '418', '509'],
  )
})
