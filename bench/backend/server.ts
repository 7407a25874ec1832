// The container behind every contender, the same for all: a process that answers at once, plain on one port and over TLS
// 1.3 on the other. Arguments: port, TLS port, certificate file, key file. Raw sockets, since it shares a core with the
// load and must cost less than what is measured. What a path does:
//
//   /             105 bytes of JSON, once the request's body is read
//   /bytes/N      N bytes
//   /close        as /, and closes the connection
//   /sleep/MS     as /, after so many milliseconds

import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { smallBody } from '../requests.ts'

const headEnd = '\r\n\r\n'
const largest = 16 * 1024 * 1024

function answer(body: Buffer, close: boolean): Buffer {
  const connection = close ? 'Connection: close\r\n' : ''
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${connection}Content-Length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

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
  else socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
}

function serve(socket: Socket): void {
  let rest = ''
  let head = ''
  /** Of the body that is still to be read. */
  let missing = 0
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
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

const [plain, tls, certificate = '', key = ''] = process.argv.slice(2)
createServer(serve).listen({ port: Number(plain), host: '127.0.0.1', backlog: 4096 })
createTlsServer(
  {
    cert: readFileSync(certificate),
    key: readFileSync(key),
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256',
    ALPNProtocols: ['http/1.1'],
  },
  serve,
)
  .on('tlsClientError', () => {})
  .listen({ port: Number(tls), host: '127.0.0.1', backlog: 4096 })
// Whoever started it is gone: so is the reason to run.
process.on('disconnect', () => process.exit())
