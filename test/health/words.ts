import { once } from 'node:events'
import { Socket } from 'node:net'
import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import { broken, endsOf, goDuration, joinHostPort, quoted } from '../../src/health/words.ts'
import { socketPair } from '../support/sockets.ts'

const durations: [ms: number, text: string][] = [
  [0, '0s'],
  [100, '100ms'],
  [1000, '1s'],
  [1500, '1.5s'],
  [60_000, '1m0s'],
  [90_000, '1m30s'],
  [3_600_000, '1h0m0s'],
  [7_265_000, '2h1m5s'],
]
for (const [ms, text] of durations) t.test(`${ms} ms are ${text}`, async t => t.equal(goDuration(ms), text))

t.test('an address of version 6 stands in brackets', async t => {
  t.equal(joinHostPort('127.0.0.1', 80), '127.0.0.1:80')
  t.equal(joinHostPort('::1', 80), '[::1]:80')
})

t.test('text of somebody else stays on one line, and short', async t => {
  t.equal(quoted('a"\nb\x9bc\u2028'), '"a\\"\\nb?c?"')
  t.equal(quoted('a'.repeat(5000)).length, 1026)
})

const errors: [name: string, error: unknown, text: string][] = [
  ['an end', { code: 'ECONNRESET' }, 'EOF'],
  ['a reset', { code: 'ECONNRESET', syscall: 'read' }, 'read tcp a->b: read: connection reset by peer'],
  ['a write into nothing', { code: 'EPIPE' }, 'write tcp a->b: write: broken pipe'],
  ['HTTP where TLS was wanted', { code: 'EPROTO' }, 'http: server gave HTTP response to HTTPS client'],
  ['half a head', { code: 'HPE_INVALID_EOF_STATE' }, 'net/http: HTTP/1.x transport connection broken: unexpected EOF'],
  [
    'no HTTP',
    { code: 'HPE_INVALID_CONSTANT' },
    'net/http: HTTP/1.x transport connection broken: malformed HTTP response (HPE_INVALID_CONSTANT)',
  ],
  ['something else', { code: 'EWHATEVER' }, 'EWHATEVER'],
  ['a fault', new Fault('upstream-closed', 'gone'), 'upstream-closed'],
  ['an error without a code', new RangeError('secret bytes'), 'RangeError'],
]
for (const [name, error, text] of errors) t.test(name, async t => t.equal(broken(error, 'tcp a->b'), text))

t.test('a connection has two ends, while it is open', async t => {
  const [, there] = await socketPair(t)
  if (there.connecting) await once(there, 'connect')
  t.equal(endsOf(there), `tcp 127.0.0.1:${there.localPort}->127.0.0.1:${there.remotePort}`)
  t.equal(endsOf(new Socket()), 'tcp')
})
