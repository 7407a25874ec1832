// The requests that ask for fresh evidence, taken out of a server's own: POST to one path, with a body of one form. What
// is answered is bound to the connection that it came on and to the certificate that this connection was opened with.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import {
  challengeBytes,
  challengePath,
  challengeType,
  channelContext,
  exporterBytes,
  exporterLabel,
  readChallenge,
} from '../attest/challenge.ts'
import { describe, Fault } from '../base/errors.ts'
import type { Answerer } from './answerer.ts'

export interface ChallengeOptions {
  readonly answerer: Answerer
  /** DER SubjectPublicKeyInfo of a certificate of ours, by its DER; undefined for any other. */
  readonly spkiOf: (leaf: Uint8Array) => Uint8Array | undefined
  readonly failed: (reason: string) => void
}

/** HTTP/1.1 and HTTP/2, by Node's compatible API. */
type Request = Pick<IncomingMessage, 'method' | 'url' | 'on' | 'resume'> & { readonly socket: unknown }
type Response = Pick<ServerResponse, 'end'> & {
  writeHead(status: number, fields: Readonly<Record<string, string | number>>): unknown
}

/** True where the request was a challenge, and is being answered. */
export function answersChallenges(options: ChallengeOptions): (request: Request, response: Response) => boolean {
  return (request, response) => {
    if (request.url !== challengePath) return false
    if (request.method !== 'POST') {
      request.resume()
      refuse(response, 405, 'POST a challenge\n', { Allow: 'POST' })
      return true
    }
    const parts: Buffer[] = []
    let length = 0
    request.on('data', (part: Buffer) => {
      length += part.length
      if (length <= challengeBytes) parts.push(part)
    })
    request.on('error', () => {})
    request.on('end', () => {
      const body = length <= challengeBytes ? Buffer.concat(parts) : Buffer.alloc(0)
      answer(options, request.socket as TLSSocket, body, response)
    })
    return true
  }
}

async function answer(
  { answerer, spkiOf, failed }: ChallengeOptions,
  socket: TLSSocket,
  body: Buffer,
  response: Response,
): Promise<void> {
  try {
    const nonce = readChallenge(body)
    const leaf = certificateOf(socket)
    // A key that somebody else has given to this server is not the enclave's.
    const spki = leaf && spkiOf(leaf)
    if (!leaf || !spki) {
      failed('a challenge on a connection that was not opened with a certificate of ours')
      refuse(response, 421, 'not the attested certificate\n')
      return
    }
    const channel = socket.exportKeyingMaterial(exporterBytes, exporterLabel, channelContext(nonce, leaf))
    const fresh = answerer.answer(spki, channel)
    if (!fresh) {
      refuse(response, 429, 'too many challenges\n', { 'Retry-After': '1' })
      return
    }
    send(response, 200, challengeType, await fresh)
  } catch (error) {
    const malformed = error instanceof Fault && error.code === 'evidence-malformed'
    if (!malformed) failed(describe(error))
    refuse(response, malformed ? 400 : 503, malformed ? 'no challenge\n' : 'no evidence\n')
  }
}

/** The certificate that this side of the connection has shown; TLS 1.3 and no resumption, or it was not shown here. */
function certificateOf(socket: TLSSocket): Uint8Array | undefined {
  if (socket.getProtocol() !== 'TLSv1.3' || socket.isSessionReused()) return undefined
  const shown = socket.getCertificate()
  return shown && 'raw' in shown ? new Uint8Array(shown.raw) : undefined
}

function refuse(response: Response, status: number, text: string, fields: Readonly<Record<string, string>> = {}): void {
  send(response, status, 'text/plain; charset=utf-8', Buffer.from(text), fields)
}

function send(
  response: Response,
  status: number,
  type: string,
  body: Uint8Array,
  fields: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.length, ...fields })
  response.end(body)
}
