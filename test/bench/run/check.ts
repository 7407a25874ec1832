import t from 'tap'
import { generators } from '../../../bench/run/check.ts'

const read = (tool: string, said: string): number | undefined => generators.find(each => each.tool === tool)?.read(said)

t.test('wrk is read, without what it says was answered wrongly', async t => {
  const said = 'Running 2s test\n  142043 requests in 2.00s, 23.84MB read\n'
  t.equal(read('wrk', said), 142_043)
  t.equal(read('wrk', `${said}  Non-2xx or 3xx responses: 43\n`), 142_000)
  t.equal(read('wrk', 'unable to connect'), undefined)
})

t.test('h2load is read by its status codes', async t => {
  t.equal(read('h2load', 'status codes: 34419 2xx, 0 3xx, 1 4xx, 0 5xx\n'), 34_419)
  t.equal(read('h2load', ''), undefined)
})

t.test('they send the same request as we do, but for what they send themselves', async t => {
  const count = (tool: string): number =>
    generators
      .find(each => each.tool === tool)
      ?.args('http://127.0.0.1:1/', 1)
      .filter(arg => arg === '-H').length ?? 0
  t.equal(count('wrk'), 10)
  t.equal(count('h2load'), 8)
})
