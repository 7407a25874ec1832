// The container behind every contender, the same for all: a process that answers at once, plain on one port and over TLS
// 1.3 on the other. Arguments: port, TLS port, certificate file, key file. Raw sockets, since it shares a core with the
// load and must cost less than what is measured. What a path does:
//
//   /             105 bytes of JSON, once the request's body is read
//   /bytes/N      N bytes
//   /close        as /, and closes the connection
//   /sleep/MS     as /, after so many milliseconds
//   /echo         becomes a WebSocket that echoes messages of less than 126 bytes
//   /grpc         as /, over HTTP/2, with a gRPC status behind it
//   /events       server-sent events, one every 10 ms, each with the time (CLOCK_MONOTONIC, ns) at which it was sent
//
// A fifth argument is a port on which each TLS connection is shown another certificate.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { smallBody } from '../requests.ts'
import { changingServer } from './changing.ts'

const headEnd = '\r\n\r\n'
const largest = 16 * 1024 * 1024

function answer(body: Buffer, close: boolean): Buffer {
  const connection = close ? 'Connection: close\r\n' : ''
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${connection}Content-Length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

const webSocketGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

function becomeEcho(socket: Socket, head: string): void {
  const key = /\r\nsec-websocket-key: *(\S+)/i.exec(head)?.[1] ?? ''
  const accept = createHash('sha1').update(`${key}${webSocketGuid}`).digest('base64')
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade']
  socket.removeAllListeners('data')
  socket.write(`${[...lines, `Sec-WebSocket-Accept: ${accept}`].join('\r\n')}${headEnd}`)
  let rest = Buffer.alloc(0)
  socket.on('data', chunk => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    // Final frame of up to 125 bytes, masked as a client's must be: 2 bytes, 4 of the mask, the payload.
    for (;;) {
      const size = rest.length < 2 ? 0 : (rest[1] ?? 0) & 0x7f
      if (rest.length < 2 || rest.length < 6 + size) return
      const frame = Buffer.allocUnsafe(2 + size)
      frame[0] = rest[0] ?? 0
      frame[1] = size
      for (let i = 0; i < size; i++) frame[2 + i] = (rest[6 + i] ?? 0) ^ (rest[2 + (i & 3)] ?? 0)
      socket.write(frame)
      rest = rest.subarray(6 + size)
    }
  })
}

const eventMs = 10
const listeners = new Set<Socket>()

function becomeEvents(socket: Socket): void {
  const fields = ['Content-Type: text/event-stream', 'Cache-Control: no-store', 'X-Accel-Buffering: no']
  socket.write(`${['HTTP/1.1 200 OK', ...fields, 'Transfer-Encoding: chunked'].join('\r\n')}${headEnd}`)
  listeners.add(socket)
  socket.on('close', () => listeners.delete(socket))
}

setInterval(() => {
  for (const socket of listeners) {
    const event = `data: ${process.hrtime.bigint()}\n\n`
    socket.write(`${event.length.toString(16)}\r\n${event}\r\n`)
  }
}, eventMs)

const smallAnswer = answer(Buffer.from(smallBody), false)
const closingAnswer = answer(Buffer.from(smallBody), true)
const sized = new Map<number, Buffer>()

function bytesAnswer(count: number): Buffer {
  const kept = sized.get(count)
  if (kept) return kept
  const made = answer(Buffer.alloc(Math.min(count, largest), 'x'), false)
  sized.set(count, made)
  return made
}

function respond(socket: Socket, head: string): void {
  const path = head.slice(head.indexOf(' ') + 1, head.indexOf(' HTTP/'))
  if (path === '/') socket.write(smallAnswer)
  else if (path.startsWith('/bytes/')) socket.write(bytesAnswer(Number(path.slice(7))))
  else if (path === '/close') socket.end(closingAnswer)
  else if (path.startsWith('/sleep/'))
    setTimeout(() => socket.writable && socket.write(smallAnswer), Number(path.slice(7)))
  else if (path === '/echo') becomeEcho(socket, head)
  else if (path === '/events') becomeEvents(socket)
  else socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
}

/** HTTP/2 by Node's own server: it costs more than the rest of the backend, and as much for every contender. */
const http2 = createHttp2Server({ settings: { maxConcurrentStreams: 1_000 } })
http2.on('sessionError', () => {})
http2.on('stream', (stream, headers) => {
  stream.on('error', () => {})
  const grpc = headers[':path'] === '/grpc'
  stream.respond(
    { ':status': 200, 'content-type': grpc ? 'application/grpc' : 'application/json' },
    { waitForTrailers: grpc },
  )
  if (grpc) stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end(smallBody)
})

/** By ALPN, or by the first bytes. */
function serve(socket: Socket): void {
  socket.on('error', () => socket.destroy())
  if ('alpnProtocol' in socket && socket.alpnProtocol === 'h2') {
    http2.emit('connection', socket)
    return
  }
  socket.once('readable', () => {
    const first: Buffer | null = socket.read()
    if (first) socket.unshift(first)
    if (first?.toString('latin1', 0, 3) === 'PRI') http2.emit('connection', socket)
    else serveHttp1(socket)
  })
}

function serveHttp1(socket: Socket): void {
  let rest = ''
  let head = ''
  /** Of the body that is still to be read. */
  let missing = 0
  socket.setNoDelay(true)
  socket.on('data', chunk => {
    let at = 0
    if (missing > 0) {
      at = Math.min(missing, chunk.length)
      missing -= at
      if (missing > 0) return
      respond(socket, head)
    }
    let text = rest + chunk.toString('latin1', at)
    for (;;) {
      const end = text.indexOf(headEnd)
      if (end < 0) break
      head = text.slice(0, end)
      text = text.slice(end + headEnd.length)
      const length = head.startsWith('GET') ? 0 : Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
      if (length > text.length) {
        missing = length - text.length
        text = ''
        break
      }
      text = text.slice(length)
      respond(socket, head)
    }
    rest = text
  })
}

const [plain, tls, certificate = '', key = '', changing] = process.argv.slice(2)
const own: TlsOptions = {
  cert: readFileSync(certificate),
  key: readFileSync(key),
  minVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256',
  ALPNProtocols: ['h2', 'http/1.1'],
}
const listen = (server: Server, port: string | undefined): void => {
  server.on('tlsClientError', () => {})
  server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 })
}
if (changing !== undefined) listen(await changingServer(serve, own), changing)
listen(createServer(serve), plain)
listen(createTlsServer(own, serve), tls)
// Whoever started it is gone: so is the reason to run.
process.on('disconnect', () => process.exit())
