// One request to Vault or OpenBao: a connection of its own to a server that was verified before, one deadline for all of
// it, an answer of bounded size in strict JSON, no redirect. On node:http, since nothing else works in an enclave.
//
// Secrets are in what we send (tokens, a login's evidence of itself), so no error here holds what was sent, and what the
// server says of its refusal is told without them. API: "HTTP API" of Vault and of OpenBao, the same for both.

import { type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { describe, Fault } from '../../base/errors.ts'
import { type Json, type JsonObject, readJson } from '../../base/json.ts'
import type { Credential } from '../credential.ts'

export interface VaultServer {
  /** Host and port as in its URL. */
  readonly authority: string
  /** Undefined for the root namespace. */
  readonly namespace: string | undefined
  readonly clock: Clock
  /**
   * Opens one connection, and hands it over once its other end is known to be the server that the policy means.
   * @param credential what to show where the server asks for a certificate
   * @throws Fault 'issuer-unavailable' or 'issuer-untrusted'
   */
  connect(credential: Credential | undefined, signal: AbortSignal): Promise<Socket>
}

export interface VaultCall {
  /** Below `/v1/`, of characters that need no escape. */
  readonly path: string
  readonly body: Readonly<Record<string, string | boolean>>
  readonly token?: string | undefined
  /** Shown on the connection. */
  readonly credential?: Credential | undefined
  /** What must not come back in an error, besides the token. */
  readonly secrets?: readonly string[]
}

export interface VaultAnswer {
  readonly status: number
  /** Empty where there is no content. */
  readonly body: JsonObject
  /** What the server says is wrong, on one line, without our secrets; '' where it says nothing. */
  readonly errors: string
}

const callMs = 15_000
const maxBodyBytes = 1024 * 1024
const maxHeadBytes = 32 * 1024
const maxErrorText = 200

/**
 * Asks, and hands over whatever status comes.
 * @throws Fault 'issuer-unavailable', 'issuer-untrusted', or 'issuer-malformed' for what is not an answer of Vault
 */
export async function callVault(server: VaultServer, call: VaultCall, signal: AbortSignal): Promise<VaultAnswer> {
  const giveUp = new AbortController()
  const stop = (): void => giveUp.abort()
  const cancelTimer = server.clock.after(callMs, stop)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    const socket = await server.connect(call.credential, giveUp.signal)
    const { status, text } = await exchange(socket, server, call, giveUp.signal)
    return read(status, text, call)
  } catch (error) {
    if (giveUp.signal.aborted && !signal.aborted) {
      throw new Fault('issuer-unavailable', `vault: ${call.path}: no whole answer within ${callMs} ms`)
    }
    if (error instanceof Fault) throw error
    throw new Fault('issuer-unavailable', `vault: ${call.path}: ${describe(error)}`)
  } finally {
    cancelTimer()
    signal.removeEventListener('abort', stop)
  }
}

/**
 * The answer's body where it is one of success.
 * @throws Fault 'issuer-refused' where we or the policy have to change, 'issuer-unavailable' where time may help
 */
export function accepted(answer: VaultAnswer, path: string): JsonObject {
  const { status, body, errors } = answer
  if (status === 200 || status === 204) return body
  const why = errors === '' ? '' : `: ${errors}`
  const told = `vault: ${path}: status ${status}${why}`
  if (status >= 300 && status < 400) {
    throw new Fault(
      'issuer-refused',
      `${told}; redirects are not followed: name the active node, or a service before it`,
    )
  }
  // 412 and 472, 473: a node that is not the one to ask (yet); 429: too many at once; 5xx: sealed, or broken.
  const later = status >= 500 || [412, 429, 472, 473].includes(status)
  throw new Fault(later ? 'issuer-unavailable' : 'issuer-refused', told)
}

function exchange(
  socket: Socket,
  { authority, namespace }: VaultServer,
  { path, body, token }: VaultCall,
  signal: AbortSignal,
): Promise<{ status: number; text: Buffer }> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      socket.destroy()
      reject(error)
    }
    const content = Buffer.from(JSON.stringify(body))
    const asked = request({
      createConnection: () => socket,
      method: 'PUT',
      path: `/v1/${path}`,
      maxHeaderSize: maxHeadBytes,
      signal,
      headers: {
        Host: authority,
        Accept: 'application/json',
        'Accept-Encoding': 'identity',
        'Content-Type': 'application/json',
        'Content-Length': content.length,
        // Asked for by Vault's agents and proxies, against requests that a browser was tricked into.
        'X-Vault-Request': 'true',
        ...(namespace !== undefined && { 'X-Vault-Namespace': namespace }),
        ...(token !== undefined && { 'X-Vault-Token': token }),
      },
    })
    asked.on('error', fail)
    asked.on('upgrade', () => fail(malformed(path, 'an upgrade')))
    asked.on('response', response => {
      const done = (text: Buffer): void => {
        socket.destroy()
        resolve({ status: response.statusCode ?? 0, text })
      }
      if (response.headers['content-encoding'] !== undefined) fail(malformed(path, 'an encoding'))
      else collect(response, done, fail, path)
    })
    asked.end(content)
  })
}

function collect(
  response: IncomingMessage,
  done: (text: Buffer) => void,
  fail: (error: unknown) => void,
  path: string,
): void {
  const chunks: Buffer[] = []
  let length = 0
  response.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length > maxBodyBytes) fail(malformed(path, `more than ${maxBodyBytes} bytes`))
    else chunks.push(chunk)
  })
  response.on('error', fail)
  response.on('end', () => done(Buffer.concat(chunks)))
}

function read(status: number, text: Buffer, call: VaultCall): VaultAnswer {
  if (text.length === 0) {
    if (status === 200) throw malformed(call.path, 'no body')
    return { status, body: {}, errors: '' }
  }
  let body: Json
  try {
    body = readJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text))
  } catch {
    // Whatever stands in between answers in HTML; its status says more than its text.
    if (status >= 300) return { status, body: {}, errors: 'no JSON' }
    throw malformed(call.path, 'no JSON')
  }
  if (!isObject(body)) throw malformed(call.path, 'no JSON object')
  return { status, body, errors: errorsOf(body, call) }
}

function errorsOf(body: JsonObject, { token, secrets = [] }: VaultCall): string {
  const { errors } = body
  if (!Array.isArray(errors)) return ''
  const said = errors.filter(each => typeof each === 'string').join('; ')
  const clean = [token, ...secrets].reduce<string>(
    (text, secret) => (secret ? text.replaceAll(secret, '<secret>') : text),
    said,
  )
  return clean.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, maxErrorText)
}

/** A member that must be an object. @throws Fault 'issuer-malformed' */
export function objectIn(body: JsonObject, member: string, path: string): JsonObject {
  const value = body[member]
  if (!isObject(value)) throw malformed(path, `no ${member}`)
  return value
}

export function malformed(path: string, got: string): Fault {
  return new Fault('issuer-malformed', `vault: ${path}: the answer has ${got}`)
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
