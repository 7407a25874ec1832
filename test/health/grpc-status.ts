import { constants } from 'node:http2'
import t from 'tap'
import {
  type Fail,
  failure,
  grpcTimeout,
  isGrpc,
  lossText,
  notGrpc,
  prefaceText,
  verdict,
  wasReset,
} from '../../src/health/grpc-status.ts'

const fail: Fail = (code, text) => failure(code, text, 1000)

const message = (status: number): Uint8Array => Uint8Array.of(0, 0, 0, 0, 2, 8, status)
const nothing = new Uint8Array()

const failed = (code: string, text: string): string =>
  `health rpc probe failed: rpc error: code = ${code} desc = ${text}`
const unimplemented = (text: string): string =>
  'this server does not implement the grpc health protocol (grpc.health.v1.Health) ' +
  `rpc error: code = Unimplemented desc = ${text}`

const ok = { 'grpc-status': '0' }
const verdicts: [
  name: string,
  body: Uint8Array,
  trailers: Record<string, string | string[]>,
  text: string | undefined,
][] = [
  ['serving', message(1), ok, undefined],
  ['not serving', message(2), ok, 'service unhealthy (responded with "NOT_SERVING")'],
  [
    'a compressed message',
    Uint8Array.of(1, 0, 0, 0, 0),
    ok,
    failed('Internal', 'grpc: compressed flag set with identity or empty encoding'),
  ],
  [
    'no message',
    nothing,
    ok,
    failed('Internal', 'cardinality violation: received no response message from non-server-streaming RPC'),
  ],
  [
    'a status after the message',
    message(1),
    { 'grpc-status': '5', 'grpc-message': 'gone' },
    failed('NotFound', 'gone'),
  ],
  ['trailers without a status', message(1), {}, failed('Unknown', '')],
  ['no such method', nothing, { 'grpc-status': '12', 'grpc-message': 'no%20such' }, unimplemented('no such')],
  [
    'a service that is late itself',
    nothing,
    { 'grpc-status': '4', 'grpc-message': 'late' },
    'health rpc did not complete within 1s: rpc error: code = DeadlineExceeded desc = late',
  ],
  ['a status without a name', nothing, { 'grpc-status': '99' }, failed('Code(99)', '')],
  ['two statuses', nothing, { 'grpc-status': ['7', '0'] }, failed('PermissionDenied', '')],
  [
    'a status that is none',
    nothing,
    { 'grpc-status': 'x' },
    failed('Unknown', 'transport: malformed grpc-status: strconv.ParseInt: parsing "x": invalid syntax'),
  ],
  ['words that are badly encoded', nothing, { 'grpc-status': '13', 'grpc-message': '%zz' }, failed('Internal', '%zz')],
  [
    'words on several lines',
    nothing,
    { 'grpc-status': '13', 'grpc-message': 'a%0Ab%1b%E2%80%A8' },
    failed('Internal', 'a b  '),
  ],
  [
    'too many words',
    nothing,
    { 'grpc-status': '13', 'grpc-message': 'a'.repeat(5000) },
    failed('Internal', 'a'.repeat(1024)),
  ],
]
for (const [name, body, trailers, text] of verdicts) {
  t.test(name, async t => t.equal(verdict({ body, encoding: undefined, trailers }, fail), text))
}

t.test('an answer without trailers', async t => {
  const text = failed('Internal', 'server closed the stream without sending trailers')
  t.equal(verdict({ body: message(1), encoding: undefined, trailers: undefined }, fail), text)
})

t.test('gRPC is known by its type', async t => {
  for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc;a=b']) t.ok(isGrpc(type))
  for (const type of [undefined, 'text/html', 'application/grpc-web']) t.notOk(isGrpc(type))
})

const foreign: [status: number, code: string, name: string][] = [
  [200, 'Unknown', 'OK'],
  [400, 'Internal', 'Bad Request'],
  [401, 'Unauthenticated', 'Unauthorized'],
  [403, 'PermissionDenied', 'Forbidden'],
  [429, 'Unavailable', 'Too Many Requests'],
  [503, 'Unavailable', 'Service Unavailable'],
  [599, 'Unknown', ''],
]
for (const [status, code, name] of foreign) {
  t.test(`HTTP status ${status} is ${code}`, async t => {
    const text = `unexpected HTTP status code received from server: ${status} (${name});`
    t.equal(
      notGrpc(status, 'text/html', fail),
      failed(code, `${text} transport: received unexpected content-type "text/html"`),
    )
    t.equal(notGrpc(status, undefined, fail), failed(code, `${text} malformed header: missing HTTP content-type`))
  })
}

t.test('HTTP status 404 is a service that is not there', async t => {
  const text = 'unexpected HTTP status code received from server: 404 (Not Found);'
  t.equal(notGrpc(404, undefined, fail), unimplemented(`${text} malformed header: missing HTTP content-type`))
})

const resets: [number: number, code: string, name: string][] = [
  [constants.NGHTTP2_INTERNAL_ERROR, 'Internal', 'INTERNAL_ERROR'],
  [constants.NGHTTP2_REFUSED_STREAM, 'Unavailable', 'REFUSED_STREAM'],
  [constants.NGHTTP2_CANCEL, 'Canceled', 'CANCEL'],
  [200, 'Internal', '200'],
]
for (const [number, code, name] of resets) {
  t.test(`a stream that is reset with ${name}`, async t => {
    t.equal(wasReset(number, fail), failed(code, `stream terminated by RST_STREAM with error code: ${name}`))
  })
}

t.test('a connection ends or breaks', async t => {
  t.equal(lossText(undefined), 'EOF')
  const reset = Object.assign(new Error(), { code: 'ECONNRESET' })
  t.equal(lossText(reset), 'connection reset by peer')
  t.equal(prefaceText(reset), 'connection error: desc = "error reading server preface: connection reset by peer"')
  t.match(prefaceText(Object.assign(new Error(), { code: 'ERR_HTTP2_ERROR' })), 'looked like an HTTP/1.1 header"')
})

const timeouts: [ms: number, text: string][] = [
  [0, '0n'],
  [-1, '0n'],
  [50, '50000000n'],
  [99.5, '99500000n'],
  [995.192, '995192u'],
  [1000, '1000000u'],
  [100_000, '100000m'],
  [200_000_000, '200000S'],
]
for (const [ms, text] of timeouts) t.test(`${ms} ms on the wire: ${text}`, async t => t.equal(grpcTimeout(ms), text))
