// Between the words of undici and node:http and ours: raw fields, what errors mean, how a response ends.

import type { ServerResponse } from 'node:http'
import { Fault, systemCode } from '../../base/errors.ts'
import { firstValue, tokens } from '../rewrite.ts'

/** undici hands out raw fields as Buffers or strings. */
export function decodeFields(raw: unknown): string[] {
  if (!Array.isArray(raw)) return []
  return raw.map(each => (typeof each === 'string' ? each : Buffer.isBuffer(each) ? each.toString('latin1') : ''))
}

/** The form in which node:http takes trailers. */
export function pairs(raw: readonly string[]): [string, string][] {
  const found: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) found.push([raw[i] ?? '', raw[i + 1] ?? ''])
  return found
}

/** undici refuses the field; the invitation to send was ours already. */
export function withoutExpect(fields: readonly string[]): string[] {
  const kept: string[] = []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (fields[i]?.toLowerCase() !== 'expect') kept.push(fields[i] ?? '', fields[i + 1] ?? '')
  }
  return kept
}

/** What undici and the socket say, in our codes and the Go proxy's words. */
export function asFault(error: Error): Fault {
  if (error instanceof Fault) return error
  const code = systemCode(error) ?? ''
  if (code === 'ECONNRESET' || code === 'EPIPE') return new Fault('upstream-reset', 'connection reset by peer')
  if (code === 'UND_ERR_SOCKET') {
    if (error.message === 'bad upgrade') return new Fault('upstream-switched', 'backend switched protocols unasked')
    if (error.message === 'bad response') return new Fault('upstream-malformed', 'unexpected bytes from the container')
    return new Fault('upstream-closed', 'EOF')
  }
  if (code === 'UND_ERR_INFO') return new Fault('upstream-closed', 'http: server closed idle connection')
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') {
    return new Fault('request-unsupported', `the reference engine cannot forward this request: ${error.message}`)
  }
  // undici's parser errors carry no code of their own.
  if (error.name === 'HTTPParserError' || code.startsWith('HPE_') || code.startsWith('UND_ERR_')) {
    return new Fault('upstream-malformed', code)
  }
  return new Fault('upstream-closed', code === '' ? 'closed' : code)
}

/** Why a response with a body cannot be passed on, as its end could not be told from truncation; undefined where it can. */
export function framingFault(raw: readonly string[], allowUnframed: boolean): Fault | undefined {
  const codings = tokens(raw, 'transfer-encoding')
  if (codings.length > 0) {
    // Under any other coding the body ends with the connection, or is not what the client would take it for.
    return codings.join() === 'chunked' ? undefined : new Fault('upstream-malformed', 'unsupported transfer encoding')
  }
  if (allowUnframed || firstValue(raw, 'content-length') !== undefined) return undefined
  return new Fault('upstream-unframed', 'the response ends only by close, which cannot be told from truncation')
}

/** As Go's server does before its handlers: status and phrase again as the body, and the end of the connection. */
export function refuseHead(response: ServerResponse, problem: string): void {
  response.sendDate = false
  response.useChunkedEncodingByDefault = false
  response.removeHeader('transfer-encoding')
  const fields = ['Content-Type', 'text/plain; charset=utf-8', 'Connection', 'close']
  response.writeHead(Number(problem.slice(0, 3)), problem.slice(4), fields)
  response.end(problem, 'latin1')
}
