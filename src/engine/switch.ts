// Is a 101 the answer to what the client asked for? Only then may two sockets be joined behind the gate's back
// (RFC 9110 §7.8, RFC 6455 §4.1). Pure, over raw field lists.

import { createHash } from 'node:crypto'
import { firstValue, responseFields } from './rewrite.ts'
import { reasonPhrase } from './status.ts'

/** Never tunnelled, whatever is allowed: behind such a switch, requests would pass the gate unseen. */
const never: ReadonlySet<string> = new Set(['h2c', 'h2', 'http/2.0', 'http/1.1', 'tls/1.0', 'tls/1.2', 'tls/1.3'])

const protocolToken = /^[!#$%&'*+\-.^_`|~0-9A-Za-z/]+$/

/**
 * The protocol that a request asks to switch to, where it may be tunnelled; any other Upgrade is ignored, as RFC 9110 §7.8
 * lets a server do.
 * @param offered elements of the Upgrade field, lower case
 */
export function tunnelToken(offered: readonly string[], allowed: (token: string) => boolean): string | undefined {
  const [token] = offered
  if (token === undefined || offered.length !== 1 || !protocolToken.test(token)) return undefined
  return !never.has(token) && allowed(token) ? token : undefined
}

const websocketGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/**
 * Why the switch must not happen; undefined where it may.
 * @param lenient do not look at Sec-WebSocket-Accept
 */
export function switchProblem(
  request: readonly string[],
  response: readonly string[],
  lenient: boolean,
): string | undefined {
  const asked = firstValue(request, 'upgrade')?.toLowerCase() ?? ''
  const got = firstValue(response, 'upgrade') ?? ''
  if (got.toLowerCase() !== asked) return `backend tried to switch protocol "${got}" when "${asked}" was requested`
  const key = firstValue(request, 'sec-websocket-key')
  if (asked !== 'websocket' || key === undefined || lenient) return undefined
  const answer = createHash('sha1').update(key.trim() + websocketGuid)
  const right = firstValue(response, 'sec-websocket-accept') === answer.digest('base64')
  return right ? undefined : 'backend answered another websocket key'
}

/** The head of a switch as the client gets it, its empty line included. */
export function switchHead(status: number, response: readonly string[]): string {
  const upgrade = ['Connection', 'Upgrade', 'Upgrade', firstValue(response, 'upgrade') ?? '']
  return headText(status, [...upgrade, ...responseFields(response)])
}

/** A status line and fields as HTTP/1.1 writes them, the empty line included. */
export function headText(status: number, fields: readonly string[]): string {
  let text = `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n`
  for (let i = 0; i + 1 < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`
  return `${text}\r\n`
}
