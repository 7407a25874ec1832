// The HTTPS port of the webhook: one path, bodies bounded before they are read, a certificate that is replaced while
// connections live on. It decides nothing; whoever makes it gives the answer.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { Fault } from '../base/errors.ts'
import { maxReviewBytes } from './review.ts'

export const reviewPath = '/inject'

const headMs = 5_000
/** The API server itself waits 30 s at most. */
const requestMs = 30_000
const idleMs = 120_000
const maxHeadBytes = 16 * 1024
const maxConnections = 1_024

export interface ReviewServer {
  readonly server: Server
  /** New handshakes get this certificate. */
  show(credential: { readonly key: Buffer; readonly cert: string }): void
  /** There is nothing to show: new handshakes fail. */
  refuse(): void
}

/**
 * Not yet listening.
 * @param answer a review's bytes in, the answer's JSON out; a Fault 'review-malformed' is told to the caller as 400
 */
export function reviewServer(answer: (bytes: Uint8Array) => string): ReviewServer {
  const tls = { minVersion: 'TLSv1.2', honorCipherOrder: true } as const
  const server = createServer({
    ...tls,
    headersTimeout: headMs,
    requestTimeout: requestMs,
    keepAliveTimeout: idleMs,
    maxHeaderSize: maxHeadBytes,
    handshakeTimeout: headMs,
    noDelay: true,
  })
  server.maxConnections = maxConnections
  server.on('request', (message, response) => handle(message, response, answer))
  // The errors of a socket that spoke no TLS or no HTTP are its own; the object may hold what it sent.
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  server.on('clientError', (_error, socket) => socket.destroy())
  return {
    server,
    show: ({ key, cert }) => server.setSecureContext({ ...tls, key, cert }),
    refuse: () => server.setSecureContext(tls),
  }
}

function handle(message: IncomingMessage, response: ServerResponse, answer: (bytes: Uint8Array) => string): void {
  const refuse = refusal(message)
  if (refuse) {
    refused(response, ...refuse)
    return
  }
  const chunks: Buffer[] = []
  let length = 0
  message.on('data', (chunk: Buffer) => {
    length += chunk.length
    // Past the bound nothing is kept; the answer goes out at once and the connection ends behind it.
    if (length <= maxReviewBytes) chunks.push(chunk)
    else if (!response.headersSent) refused(response, 413, tooLarge)
  })
  message.on('end', () => {
    if (response.headersSent) return
    try {
      send(response, 200, 'application/json', answer(Buffer.concat(chunks, length)))
    } catch (error) {
      const ours = error instanceof Fault && error.code === 'review-malformed'
      refused(response, ours ? 400 : 500, ours ? error.message : 'internal error')
    }
  })
  message.on('error', () => response.destroy())
}

const tooLarge = `want a review of at most ${maxReviewBytes} bytes`

function refusal({ url, method, headers }: IncomingMessage): readonly [status: number, text: string] | undefined {
  if ((url ?? '').split('?', 1)[0] !== reviewPath) return [404, `want ${reviewPath}`]
  if (method !== 'POST') return [405, 'want POST']
  if (!/^application\/json *(?:;|$)/i.test(headers['content-type'] ?? '')) return [415, 'want application/json']
  if (Number(headers['content-length'] ?? 0) > maxReviewBytes) return [413, tooLarge]
  return undefined
}

/** The rest of a refused body is not waited for. */
function refused(response: ServerResponse, status: number, text: string): void {
  response.setHeader('Connection', 'close')
  send(response, status, 'text/plain; charset=utf-8', `${text}\n`)
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  const body = Buffer.from(text)
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': body.length,
    'X-Content-Type-Options': 'nosniff',
  })
  response.end(body)
}
