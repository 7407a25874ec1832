// A grpc probe: grpc.health.v1.Health/Check, which must answer SERVING (knative/serving pkg/queue/health/probe.go over
// grpc-go, whose complaints these are). Loaded only where such a probe is declared.

import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { concat } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { Check } from './checks.ts'
import { frameHeadBytes, healthRequest, maxMessageBytes } from './grpc-message.ts'
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
} from './grpc-status.ts'
import { deadline, type Means, reach } from './reach.ts'
import { probeAgent } from './target.ts'
import { joinHostPort, type Problem } from './words.ts'

const host = '127.0.0.1'
const agent = `${probeAgent} grpc-go/1.82.1`

/** @param timeoutMs for connection and answer together; 0 is over at once, as in the Go proxy */
export function probeGrpc(check: Extract<Check, { kind: 'grpc' }>, timeoutMs: number, means: Means): Promise<Problem> {
  const until = deadline(timeoutMs, means.clock)
  const fail: Fail = (code, text) => failure(code, text, timeoutMs)
  let waiting = timeoutMs > 0
  return reach<Problem>({ host, port: check.port, offer: ['h2'] }, until, means, {
    failed: text => fail('Unavailable', `connection error: desc = "transport: Error while dialing: ${text}"`),
    late: () =>
      fail(
        'DeadlineExceeded',
        `context deadline exceeded${waiting ? ' while waiting for connections to become ready' : ''}`,
      ),
    use(socket, done) {
      if (means.verified && !(socket instanceof TLSSocket && socket.alpnProtocol === 'h2')) {
        done('grpc probe: the container did not choose HTTP/2 (want ALPN h2)')
        return
      }
      const session = connect(`http://${joinHostPort(host, check.port)}`, {
        createConnection: () => socket,
        settings: { enablePush: false },
      })
      const lost = (error?: Error): void => {
        const text = waiting ? prefaceText(error) : `error reading from server: ${lossText(error)}`
        done(fail('Unavailable', text))
      }
      session.on('error', lost)
      session.on('close', () => lost())
      // Who says nothing is waited for, as grpc-go does: a request into the void would look like a slow service.
      session.once('remoteSettings', () => {
        waiting = false
        call(session, socket, check, until, means.clock, fail, lost, done)
      })
    },
  })
}

function call(
  session: ClientHttp2Session,
  socket: Socket,
  check: Extract<Check, { kind: 'grpc' }>,
  until: number,
  clock: Clock,
  fail: Fail,
  lost: (error?: Error) => void,
  done: (result: Problem) => void,
): void {
  const stream = session.request(
    {
      ':authority': joinHostPort(host, check.port),
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      ':scheme': socket instanceof TLSSocket ? 'https' : 'http',
      'content-type': 'application/grpc',
      'user-agent': agent,
      te: 'trailers',
      'grpc-timeout': grpcTimeout(until - clock.monotonic()),
      'grpc-accept-encoding': 'gzip',
    },
    { endStream: false },
  )
  const chunks: Uint8Array[] = []
  let bytes = 0
  let encoding: string | undefined
  let trailers: IncomingHttpHeaders | undefined
  let ended = false
  const judge = (): Problem => verdict({ body: concat(...chunks), encoding, trailers }, fail)
  stream.on('response', (headers, flags) => {
    const last = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
    const type = headers['content-type']
    if (!isGrpc(type)) done(notGrpc(headers[':status'] ?? 0, type, fail))
    else if (last) trailers = headers
    encoding = [headers['grpc-encoding']].flat()[0]
  })
  stream.on('data', (chunk: Uint8Array) => {
    chunks.push(chunk)
    bytes += chunk.length
    // Enough to know that it is too much.
    if (bytes > frameHeadBytes + maxMessageBytes) done(judge())
  })
  stream.on('trailers', headers => {
    trailers = headers
  })
  stream.on('end', () => {
    ended = true
  })
  stream.on('error', () => {})
  stream.on('close', () => {
    const reset = stream.rstCode ?? 0
    // Node also ends a stream that the other side cancelled, and cancels those of a connection that is lost.
    if (trailers || (ended && reset === 0)) done(judge())
    else if (session.destroyed || socket.destroyed) lost()
    else done(wasReset(reset, fail))
  })
  stream.end(healthRequest(check.service))
}
