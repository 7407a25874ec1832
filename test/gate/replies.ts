import t from 'tap'
import type { Reply } from '../../src/gate/contract.ts'
import * as replies from '../../src/gate/replies.ts'

const text = ['Content-Type', 'text/plain; charset=utf-8']
const nosniff = ['X-Content-Type-Options', 'nosniff']

const table: [name: string, reply: Reply, status: number, headers: string[][], body: string, close: boolean][] = [
  ['a full line', replies.full, 503, [text, nosniff], 'pending request queue full\n', false],
  ['not yet in service', replies.starting, 503, [text, nosniff], 'starting\n', false],
  ['on the way out', replies.draining, 503, [text, nosniff], 'shutting down\n', false],
  ['a container that cannot be asked', replies.notReady, 503, [text, nosniff], 'not ready\n', false],
  ['out of time: no line feed, as the Go proxy', replies.timedOut, 504, [text], 'request timeout', false],
  ['OPTIONS *', replies.serverOptions, 200, [], '', false],
  ['an error of our own', replies.errorReply(502, 'EOF'), 502, [text, nosniff], 'EOF\n', false],
  ['an error that ends the connection', replies.errorReply(400, 'no', true), 400, [text, nosniff], 'no\n', true],
]
for (const [name, reply, status, headers, body, close] of table) {
  t.test(name, async t => {
    t.same([reply.status, reply.headers, reply.body, reply.close ?? false], [status, headers, body, close])
  })
}

t.test('a refused plaintext request is told both ways out, and its connection ends', async t => {
  const { status, body, close } = replies.plaintextRefused
  t.equal(status, 421)
  t.equal(close, true)
  t.match(body, 'system-internal-tls')
  t.match(body, 'inbound.plaintext')
})
