// The CA's HTTPS port. Bodies are bounded while they are read, every request has one deadline for all of it, and no
// session is resumed: an exporter is of one handshake.

import { constants } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Reason } from '../attest/evidence.ts'
import { systemCode } from '../base/errors.ts'
import { type Credential, withKeyPem } from '../identity/credential.ts'
import { problem, type Reply, type Route } from './routes.ts'

export interface ServerTimes {
  /** For a handshake, and for the head after it: whoever asks makes a quote between the two. */
  readonly headMs: number
  /** From its head to the last byte of the answer. */
  readonly requestMs: number
}

export const serverTimes: ServerTimes = { headMs: 15_000, requestMs: 30_000 }

const maxHeadBytes = 16 * 1024
const maxConnections = 1_024
const idleMs = 5_000

export interface ServerEars {
  /** Told of what is our own mistake. */
  readonly failed: (error: unknown) => void
  /** Told of whoever is refused before a question was read. */
  readonly turnedAway: (from: string, reason: Reason) => void
}

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

/** Not yet listening. */
export function caServer(
  routes: readonly Route[],
  { failed, turnedAway }: ServerEars,
  { headMs, requestMs }: ServerTimes = serverTimes,
): CaServer {
  const server = createServer({
    ...tls,
    handshakeTimeout: headMs,
    headersTimeout: headMs,
    // Ours comes first, and with an answer.
    requestTimeout: headMs + requestMs,
    // Node looks at the two above only so often.
    connectionsCheckingInterval: Math.min(1_000, headMs),
    keepAliveTimeout: idleMs,
    maxHeaderSize: maxHeadBytes,
    noDelay: true,
  })
  server.maxConnections = maxConnections
  server.on('request', (message, response) => handle(message, response))
  // A handshake that failed comes here as well: node:https hands it on.
  server.on('clientError', (error, socket) => {
    if (timeouts.has(systemCode(error) ?? '')) turnedAway((socket as Socket).remoteAddress ?? '', tooSlow(headMs))
    socket.destroy()
  })

  function handle(message: IncomingMessage, response: ServerResponse): void {
    const socket = message.socket as TLSSocket
    const from = socket.remoteAddress ?? ''
    const turnAway = (reply: Reply, reason: Reason): void => {
      turnedAway(from, reason)
      refused(response, reply)
    }
    const deadline = setTimeout(() => {
      if (message.complete || response.headersSent) response.destroy()
      else turnAway(problem(408, 'too slow', { detail: `want all of it within ${requestMs} ms` }), tooSlow(requestMs))
    }, requestMs)
    response.on('close', () => clearTimeout(deadline))
    message.on('error', () => response.destroy())
    const route = routeOf(routes, message)
    if ('status' in route) {
      refused(response, route)
      return
    }
    const most = route.takes?.maxBytes
    if (most !== undefined && Number(message.headers['content-length'] ?? 0) > most) {
      turnAway(...tooLong(most))
      return
    }
    const waitMs = route.limits?.take(from) ?? 0
    if (waitMs > 0) {
      turnAway(...tooOften(waitMs))
      return
    }
    const maxBytes = route.takes?.maxBytes ?? 0
    const chunks: Buffer[] = []
    let length = 0
    message.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= maxBytes) chunks.push(chunk)
      else if (!response.headersSent) turnAway(...tooLong(maxBytes))
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

/** Codes of Node's for a handshake, a head or a body that does not end. */
const timeouts = new Set(['ERR_TLS_HANDSHAKE_TIMEOUT', 'ERR_HTTP_REQUEST_TIMEOUT'])
const tooSlow = (most: number): Reason => ({ rule: 'too-slow', want: `all of it within ${most} ms`, got: 'a part' })

function tooLong(most: number): [Reply, Reason] {
  const want = `at most ${most} bytes`
  return [problem(413, 'too long', { detail: `want ${want}` }), { rule: 'too-long', want, got: 'more' }]
}

function tooOften(waitMs: number): [Reply, Reason] {
  const seconds = Math.ceil(waitMs / 1000)
  const reply = problem(429, 'too often', { detail: `try again in ${seconds} s` })
  return [
    { ...reply, headers: { 'Retry-After': String(seconds) } },
    { rule: 'too-often', want: `the next one in ${seconds} s`, got: 'one now' },
  ]
}

/** The route, or what is answered before a byte of a body is read. */
function routeOf(routes: readonly Route[], message: IncomingMessage): Route | Reply {
  const { method = '', url = '', headers } = message
  const here = routes.filter(({ path }) => path === url)
  if (here.length === 0) return problem(404, 'no such path')
  const route = here.find(each => each.method === method)
  if (route === undefined) {
    return { ...problem(405, 'no such method'), headers: { Allow: here.map(each => each.method).join(', ') } }
  }
  const { takes } = route
  if (takes) {
    const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase()
    if (type !== takes.type) return problem(415, 'another type', { detail: `want ${takes.type}` })
  }
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
