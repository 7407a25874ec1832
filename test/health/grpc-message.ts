import { gzipSync } from 'node:zlib'
import t from 'tap'
import { healthRequest, maxMessageBytes, readHealthResponse } from '../../src/health/grpc-message.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))

t.test('a request names a service, or none', async t => {
  t.equal(hex(healthRequest('')), '0000000000')
  t.equal(hex(healthRequest('svc')), '00000000050a03737663')
  t.equal(hex(healthRequest('é')), '00000000040a02c3a9')
  t.equal(hex(healthRequest('x'.repeat(300)).subarray(0, 8)), '000000012f0aac02')
})

const readings: [name: string, body: string, expected: string][] = [
  ['unknown', '00 00000002 0800', 'UNKNOWN'],
  ['serving', '00 00000002 0801', 'SERVING'],
  ['not serving', '00 00000002 0802', 'NOT_SERVING'],
  ['no such service', '00 00000002 0803', 'SERVICE_UNKNOWN'],
  ['a number without a name', '00 00000002 0807', '7'],
  ['a negative number', '00 0000000b 08ffffffffffffffffff01', '-1'],
  ['the default', '00 00000000', 'UNKNOWN'],
  ['the last one counts', '00 00000004 08020801', 'SERVING'],
  ['another field', '00 00000003 0a0178', 'UNKNOWN'],
  ['fields of each kind', '00 00000015 1005 190000000000000000 1500000000 1a0161 0801', 'SERVING'],
]
for (const [name, body, status] of readings) {
  t.test(`${name}: ${status}`, async t => t.same(readHealthResponse(bytes(body), ''), { status }))
}

const malformed = 'grpc: failed to unmarshal the received message: proto: cannot parse invalid wire-format data'
const complaints: [name: string, body: string, text: string][] = [
  ['nothing', '', 'cardinality violation: received no response message from non-server-streaming RPC'],
  ['half a head', '000000', 'unexpected EOF'],
  ['half a message', '00 00000002 08', 'unexpected EOF'],
  ['a compressed message', '01 00000002 0801', 'grpc: compressed flag set with identity or empty encoding'],
  ['another format', '05 00000002 0801', 'grpc: received unexpected payload format 5'],
  [
    'two messages',
    '00 00000002 0801 00 00000002 0801',
    'cardinality violation: expected <EOF> for non server-streaming RPCs, but received another message',
  ],
  ['a field that ends early', '00 00000002 18ff', malformed],
  ['a length that lies', '00 00000002 0a05', malformed],
  ['a group', '00 00000001 0b', malformed],
  ['field 0', '00 00000002 0001', malformed],
  ['a number that does not end', '00 0000000c 08ffffffffffffffffffffff', malformed],
]
for (const [name, body, text] of complaints) {
  t.test(`${name} is refused`, async t => t.same(readHealthResponse(bytes(body), ''), { code: 'Internal', text }))
}

t.test('a message that would be too large', async t => {
  t.same(readHealthResponse(bytes('00 ff000002 0801'), ''), {
    code: 'ResourceExhausted',
    text: `grpc: received message larger than max (4278190082 vs. ${maxMessageBytes})`,
  })
})

const compressed = (payload: Uint8Array): Uint8Array => {
  const packed = gzipSync(payload)
  const head = Buffer.from([1, 0, 0, 0, 0])
  head.writeUInt32BE(packed.length, 1)
  return new Uint8Array(Buffer.concat([head, packed]))
}

t.test('gzip is what we said that we take', async t => {
  const body = compressed(Uint8Array.of(8, 1))
  t.same(readHealthResponse(body, 'gzip'), { status: 'SERVING' })
  t.same(readHealthResponse(body, 'br'), {
    code: 'Unimplemented',
    text: 'grpc: Decompressor is not installed for grpc-encoding "br"',
  })
  const text = 'grpc: failed to decompress the received message: '
  t.same(readHealthResponse(bytes('01 00000002 0801'), 'gzip'), { code: 'Internal', text: `${text}Z_DATA_ERROR` })
  t.same(readHealthResponse(compressed(new Uint8Array(maxMessageBytes + 1)), 'gzip'), {
    code: 'Internal',
    text: `${text}ERR_BUFFER_TOO_LARGE`,
  })
})
