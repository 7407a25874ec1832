// The backend where there is no nginx: a process that gives every request the same answer, plain on one port and over TLS
// on the other. Arguments: port, TLS port, certificate file, key file. It reads heads only: the load sends no bodies.

import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { responseBody } from './scenarios.ts'

const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${responseBody.length}\r\n\r\n${responseBody}`,
)
const headEnd = '\r\n\r\n'

function serve(socket: Socket): void {
  let rest = ''
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', chunk => {
    const heads = (rest + chunk.toString('latin1')).split(headEnd)
    rest = heads.pop() ?? ''
    for (const _ of heads) socket.write(answer)
  })
}

const [plain, tls, certificate = '', key = ''] = process.argv.slice(2)
createServer(serve).listen({ port: Number(plain), host: '127.0.0.1' })
createTlsServer(
  {
    cert: readFileSync(certificate),
    key: readFileSync(key),
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256',
    ALPNProtocols: ['http/1.1'],
  },
  serve,
).listen({ port: Number(tls), host: '127.0.0.1' })
