// What reading and rewriting a head over bytes costs: a request of ten fields as the activator sends it, and a small
// response.
// node bench/micro/engine/bytes/head.ts [--json]

import { Head } from '../../../../src/engine/bytes/head.ts'
import { Out } from '../../../../src/engine/bytes/out.ts'
import { type RequestPlan, writeRequestHead } from '../../../../src/engine/bytes/request-head.ts'
import { writeResponseFields, writeStatusLine } from '../../../../src/engine/bytes/response-head.ts'
import { Strip } from '../../../../src/engine/bytes/strip.ts'
import { requestBytes, small } from '../../../requests.ts'
import { time } from '../../harness.ts'

const maxBytes = 64 * 1024
const request = requestBytes(small, true)
const response = Buffer.from(
  'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 105\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n',
)
const plan: RequestPlan = {
  ...{ peer: '10.244.0.9', authority: '127.0.0.1:8080', strip: new Strip([]) },
  ...{ method: 'GET', path: undefined, framing: 'none', length: 0, upgrade: undefined },
}
const out = new Out()
const [asked, answered] = [new Head('request', maxBytes), new Head('response', maxBytes)]
const [readAsked, readAnswered] = [new Head('request', maxBytes), new Head('response', maxBytes)]

function read(head: Head, bytes: Buffer): number {
  head.reset()
  return head.feed(bytes, 0, bytes.length)
}

if (read(asked, request) !== request.length || read(answered, response) !== response.length) {
  throw new Error('a head was not read to its end')
}

time([
  { name: 'read a request', run: () => read(readAsked, request) },
  { name: 'read a response', run: () => read(readAnswered, response) },
  {
    name: 'write the request for the container',
    run() {
      writeRequestHead(out, asked, plan)
      return out.take()
    },
  },
  {
    name: 'write the response for the client',
    run() {
      writeStatusLine(out, 1, 200)
      writeResponseFields(out, 1, answered)
      return out.take()
    },
  },
])
