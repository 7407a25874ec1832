// The answers that the gate makes itself, with the texts that users of the Go queue-proxy know.

import type { Reply } from './contract.ts'

/** As Go's http.Error writes one: text, line feed, no sniffing. */
export function errorReply(status: number, text: string, close = false): Reply {
  const headers = [
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['X-Content-Type-Options', 'nosniff'],
  ] as const
  return { status, headers, body: `${text}\n`, close }
}

export const full = errorReply(503, 'pending request queue full')
export const starting = errorReply(503, 'starting')
export const draining = errorReply(503, 'shutting down')
export const notReady = errorReply(503, 'not ready')

/** The Go proxy's text has no line feed, and its type is sniffed. */
export const timedOut: Reply = {
  status: 504,
  headers: [['Content-Type', 'text/plain; charset=utf-8']],
  body: 'request timeout',
}

/** `OPTIONS *` concerns the server itself and never reaches the container. */
export const serverOptions: Reply = { status: 200, headers: [], body: '' }

/** 421 closes the connection and leaves the rest of the request unread. */
export const plaintextRefused = errorReply(
  421,
  'this port answers probes only: send requests over TLS (system-internal-tls), or run with a policy whose ' +
    'inbound.plaintext is "serve"',
  true,
)

/** The certificate, or the evidence in it, by which this connection's client was accepted holds no longer: another handshake. */
export const clientExpired = errorReply(421, 'client-certificate-expired', true)
