import t from 'tap'
import { readH2load } from '../../../bench/load/http2.ts'

const said = `
finished in 2.03s, 12134.49 req/s, 1.55MB/s
requests: 24268 total, 24332 started, 24268 done, 24260 succeeded, 8 failed, 0 errored, 0 timeout
status codes: 24250 2xx, 0 3xx, 2 4xx, 8 5xx
`

t.test('what h2load says is read: answers with 2xx count, all else is an error', async t => {
  t.match(readH2load(said, 9), { requests: 24_250, seconds: 2.03, errors: 18, firstError: undefined })
})

t.test('where it says nothing there was no load', async t => {
  t.match(readH2load('h2load: connection refused', 9), { requests: 0, seconds: 9, firstError: /connection refused/ })
})
