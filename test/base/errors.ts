import t from 'tap'
import { type Blame, describe, Fault, type FaultCode, systemCode } from '../../src/base/errors.ts'

const faults: [code: FaultCode, blame: Blame, status: number][] = [
  ['request-malformed', 'client', 400],
  ['connect-unsupported', 'client', 502],
  ['client-body-broken', 'client', 502],
  ['upstream-refused', 'upstream', 502],
  ['upstream-untrusted', 'upstream', 502],
  ['upstream-unframed', 'upstream', 502],
  ['quote-unverified', 'platform', 0],
  ['tee-unavailable', 'platform', 0],
  ['issuer-unavailable', 'platform', 0],
  ['issuer-refused', 'operator', 0],
  ['environment-invalid', 'operator', 0],
  ['usage', 'operator', 0],
  ['internal', 'bug', 500],
]
for (const [code, blame, status] of faults) {
  t.test(`${code} is to be blamed on: ${blame}, status ${status}`, async t => {
    const cause = new Error('x')
    const fault = new Fault(code, 'what happened', { cause })
    t.match(fault, { name: 'Fault', code, blame, status, message: 'what happened', cause })
    t.ok(fault instanceof Error)
  })
}

// Error objects of others can hold raw request bytes; their messages too.
const secret = 'GET /?token=abc'
const descriptions: [name: string, error: unknown, text: string, code: string | undefined][] = [
  ['a fault is told with its message', new Fault('internal', 'no'), 'internal: no', 'internal'],
  ['a system error by its code', Object.assign(new Error(secret), { code: 'ECONNRESET' }), 'ECONNRESET', 'ECONNRESET'],
  ['another error by its class', new TypeError(secret), 'TypeError', undefined],
  ['a numeric code is none', Object.assign(new RangeError(secret), { code: 5 }), 'RangeError', undefined],
  ['a thrown object with a code by it', { code: 'E', rawPacket: secret }, 'E', 'E'],
  ['a thrown object without one by its type', { rawPacket: secret }, 'object', undefined],
  ['a thrown string by its type', secret, 'string', undefined],
  ['null', null, 'object', undefined],
  ['undefined', undefined, 'undefined', undefined],
]
for (const [name, error, text, code] of descriptions) {
  t.test(`${name}, and nothing else of it`, async t => {
    t.equal(describe(error), text)
    t.equal(systemCode(error), code)
  })
}
