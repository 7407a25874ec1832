// The CA's HTTPS port. Bodies are bounded while they are read, every request has one deadline for all of it, and no
// session is resumed: an exporter is of one handshake.

import { constants } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { type Credential, withKeyPem } from '../identity/credential.ts'
import { problem, type Reply, type Route } from './routes.ts'

export interface ServerTimes {
  /** For a handshake, and for the head after it: whoever asks makes a quote between the two. */
  readonly headMs: number
  /** From its first byte to the last of the answer. */
  readonly requestMs: number
}

export const serverTimes: ServerTimes = { headMs: 15_000, requestMs: 30_000 }

const maxHeadBytes = 16 * 1024
const maxConnections = 1_024
const idleMs = 5_000

export interface CaServer {
  readonly server: Server
  /** New handshakes get this certificate. */
  show(credential: Credential): void
  /** There is nothing to show: new handshakes fail. */
  refuse(): void
}

const tls = {
  minVersion: 'TLSv1.3',
  honorCipherOrder: true,
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const

/** Not yet listening. @param failed told of what is our own mistake, by its class */
export function caServer(
  routes: readonly Route[],
  failed: (error: unknown) => void,
  { headMs, requestMs }: ServerTimes = serverTimes,
): CaServer {
  const server = createServer({
    ...tls,
    handshakeTimeout: headMs,
    headersTimeout: headMs,
    requestTimeout: requestMs,
    // Node looks at the two above only so often.
    connectionsCheckingInterval: Math.min(1_000, headMs),
    keepAliveTimeout: idleMs,
    maxHeaderSize: maxHeadBytes,
    noDelay: true,
  })
  server.maxConnections = maxConnections
  server.on('request', (message, response) => handle(message, response))
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  server.on('clientError', (_error, socket) => socket.destroy())

  function handle(message: IncomingMessage, response: ServerResponse): void {
    const deadline = setTimeout(() => response.destroy(), requestMs)
    response.on('close', () => clearTimeout(deadline))
    message.on('error', () => response.destroy())
    const socket = message.socket as TLSSocket
    const from = socket.remoteAddress ?? ''
    const route = routeOf(routes, message, from)
    if ('status' in route) {
      refused(response, route)
      return
    }
    const maxBytes = route.takes?.maxBytes ?? 0
    const chunks: Buffer[] = []
    let length = 0
    message.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= maxBytes) chunks.push(chunk)
      else if (!response.headersSent) refused(response, tooLong(maxBytes))
    })
    message.on('end', () => {
      if (response.headersSent || response.destroyed) return
      const channel = {
        from,
        exported: (bytes: number, label: string, context: Buffer) => {
          // What a resumed session exports is of this connection too, but who it is was never shown on it.
          if (socket.isSessionReused()) throw new Error('a resumed session')
          return socket.exportKeyingMaterial(bytes, label, context)
        },
      }
      new Promise<Reply>(resolve => resolve(route.answer(Buffer.concat(chunks, length), channel))).then(
        reply => send(response, reply),
        error => {
          failed(error)
          refused(response, problem(500, 'internal error'))
        },
      )
    })
  }

  return {
    server,
    show: credential => withKeyPem(credential, pem => server.setSecureContext({ ...tls, ...pem })),
    refuse: () => server.setSecureContext(tls),
  }
}

const tooLong = (most: number): Reply => problem(413, 'too long', { detail: `want at most ${most} bytes` })

/** The route, or what is answered before a byte of a body is read. */
function routeOf(routes: readonly Route[], message: IncomingMessage, from: string): Route | Reply {
  const { method = '', url = '', headers } = message
  const here = routes.filter(({ path }) => path === url)
  if (here.length === 0) return problem(404, 'no such path')
  const route = here.find(each => each.method === method)
  if (route === undefined) {
    return { ...problem(405, 'no such method'), headers: { Allow: here.map(each => each.method).join(', ') } }
  }
  const { takes, limits } = route
  if (takes) {
    const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase()
    if (type !== takes.type) return problem(415, 'another type', { detail: `want ${takes.type}` })
    if (Number(headers['content-length'] ?? 0) > takes.maxBytes) return tooLong(takes.maxBytes)
  }
  if (limits && !limits.take(from)) return { ...problem(429, 'too often'), headers: { 'Retry-After': '1' } }
  return route
}

/** The rest of a refused body is not waited for. */
function refused(response: ServerResponse, reply: Reply): void {
  response.setHeader('Connection', 'close')
  send(response, reply)
}

function send(response: ServerResponse, { status, type, body, headers }: Reply): void {
  if (response.destroyed || response.headersSent) return
  const bytes = Buffer.from(body as Uint8Array)
  response.writeHead(status, {
    ...(type !== '' && { 'Content-Type': type, 'Content-Length': bytes.length }),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  })
  response.end(bytes)
}
