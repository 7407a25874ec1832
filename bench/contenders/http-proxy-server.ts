// The well-known http-proxy of Node as a process of its own. Arguments: port, TLS port, backend's port, 'h' or 'tls' for
// the backend, certificate file, key file.

import { readFileSync } from 'node:fs'
import { createServer, Agent as HttpAgent, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, Agent as HttpsAgent } from 'node:https'
import type { Socket } from 'node:net'
import httpProxy from 'http-proxy'

// http-proxy calls util._extend.
Object.assign(process, { noDeprecation: true })
const [h, tls, backend, upstream, certificate = '', key = ''] = process.argv.slice(2)
const proxy = httpProxy.createProxyServer({
  target: `${upstream === 'tls' ? 'https' : 'http'}://127.0.0.1:${backend}`,
  agent:
    upstream === 'tls' ? new HttpsAgent({ keepAlive: true, maxCachedSessions: 0 }) : new HttpAgent({ keepAlive: true }),
  secure: false,
  xfwd: true,
  ws: true,
})
proxy.on('error', (_error, _message, response) => {
  if ('writeHead' in response && !response.headersSent) response.writeHead(502, { 'Content-Length': 0 })
  response.end()
})
const web = (message: IncomingMessage, response: ServerResponse): void => proxy.web(message, response)
const servers = [
  { server: createServer({ keepAliveTimeout: 0 }, web), port: Number(h) },
  {
    server: createTlsServer(
      {
        keepAliveTimeout: 0,
        cert: readFileSync(certificate),
        key: readFileSync(key),
        minVersion: 'TLSv1.3',
        ciphers: 'TLS_AES_128_GCM_SHA256',
      },
      web,
    ),
    port: Number(tls),
  },
]
for (const { server, port } of servers) {
  server.on('upgrade', (message: IncomingMessage, socket: Socket, head: Buffer) => proxy.ws(message, socket, head))
  server.listen({ port, host: '127.0.0.1', backlog: 4096 })
}
process.on('disconnect', () => process.exit())
