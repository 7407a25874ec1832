// A tiny HTTP/1.1 server for the side ports: few paths, answers that fit in memory, bounded heads and times. The data
// path never passes here.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Fault, systemCode } from './errors.ts'

export interface SideAnswer {
  readonly status: number
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

export interface SideRequest {
  readonly method: string
  readonly from: string
}

export interface SideRoute {
  /** Exact path; anything else is 404. */
  readonly path: string
  answer(request: SideRequest): SideAnswer | Promise<SideAnswer>
}

const headMs = 60_000
const maxHeadBytes = 64 * 1024
const maxConnections = 256

const notFound: SideAnswer = {
  status: 404,
  contentType: 'text/plain; charset=utf-8',
  headers: { 'X-Content-Type-Options': 'nosniff' },
  body: '404 page not found\n',
}

/** An answer for people. */
export function plainText(status: number, body: string): SideAnswer {
  return { status, contentType: 'text/plain; charset=utf-8', body }
}

const failed = plainText(500, 'internal error\n')

/** The server of one side port, not yet listening. A request body is read and thrown away. */
export function sideServer(...routes: readonly SideRoute[]): Server {
  const server = createServer({
    headersTimeout: headMs,
    requestTimeout: headMs,
    keepAliveTimeout: 0,
    maxHeaderSize: maxHeadBytes,
    noDelay: true,
  })
  server.maxConnections = maxConnections
  server.on('request', (message, response) => {
    message.resume()
    const path = (message.url ?? '').split('?', 1)[0]
    const route = routes.find(each => each.path === path)
    if (route === undefined) {
      send(message, response, notFound)
      return
    }
    const request = { method: message.method ?? '', from: message.socket.remoteAddress ?? '' }
    new Promise<SideAnswer>(resolve => resolve(route.answer(request))).then(
      answer => send(message, response, answer),
      () => send(message, response, failed),
    )
  })
  server.on('clientError', (_error, socket) => refuse(socket as Socket))
  return server
}

/**
 * Listens on every address.
 * @param port 0: any that is free
 * @returns the port
 * @throws Fault 'bind-failed'
 */
export function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', error =>
      reject(new Fault('bind-failed', `listen tcp :${port}: ${systemCode(error) ?? 'failed'}`)),
    )
    server.listen({ port }, () => {
      server.removeAllListeners('error')
      server.on('error', () => {})
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

/** Requests under way end; connections that wait for one are closed. */
export function closed(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
}

function send(message: IncomingMessage, response: ServerResponse, answer: SideAnswer): void {
  const body = Buffer.from(answer.body as Uint8Array)
  response.removeHeader('connection')
  const fields: Record<string, string | number> = { 'Content-Length': body.length, ...answer.headers }
  if (answer.contentType !== undefined) fields['Content-Type'] = answer.contentType
  // Node keeps a connection of HTTP/1.0 only if asked; a client that says close is obeyed.
  if (message.headers.connection?.toLowerCase() === 'close') fields['Connection'] = 'close'
  response.writeHead(answer.status, fields)
  response.end(message.method === 'HEAD' ? undefined : body)
}

function refuse(socket: Socket): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const text = '400 Bad Request'
  socket.end(`HTTP/1.1 ${text}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${text}`)
}
