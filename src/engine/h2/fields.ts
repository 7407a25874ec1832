// Between raw field lists (name, value, name, value, …) and what node:http2 gives and takes. Rules are those of
// engine/rewrite.ts; here stands only what HTTP/2 itself asks for (RFC 9113 §8.2, §8.3).

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { idOf } from '../bytes/names.ts'
import { firstValue, type RequestRules, requestFields, responseFields, spellings } from '../rewrite.ts'

/** Of a session: what is repeated is passed on repeated. (An option that the types of Node do not know yet.) */
export const asReceived = { strictSingleValueFields: false } as const

/** Means something on a connection of HTTP/1.1 only. nghttp2 takes it; node:http2 throws where it is to be sent. */
const unsendable = 'http2-settings'

export function statusOf(headers: IncomingHttpHeaders): number {
  return Number(headers[':status'] ?? 0)
}

/** Regular fields; the pseudo-fields stand first. */
export function withoutPseudo(raw: readonly string[]): readonly string[] {
  let at = 0
  while (at < raw.length && raw[at]?.startsWith(':')) at += 2
  return at === 0 ? raw : raw.slice(at)
}

export interface CallHead {
  readonly method: string
  readonly path: string
  readonly scheme: 'http' | 'https'
}

/** The head that the container gets as a stream's first fields. */
export function callFields(received: readonly string[], head: CallHead, rules: RequestRules): string[] {
  const made = requestFields(received, rules)
  const fields = [':method', head.method, ':scheme', head.scheme, ':path', head.path]
  // What is no host is left out; the connection's own stands in for it.
  if (made[1]) fields.push(':authority', made[1])
  for (let i = 2; i + 1 < made.length; i += 2) {
    const name = made[i] ?? ''
    if (name === unsendable) continue
    fields.push(name, made[i + 1] ?? '')
  }
  const announced = firstValue(received, 'trailer')
  if (announced !== undefined) fields.push('trailer', announced)
  return fields
}

/** The head that the client gets, without the status. */
export function answerFields(received: readonly string[], status: number): string[] {
  const fields = without(responseFields(received), unsendable)
  const announced = firstValue(received, 'trailer')
  if (announced !== undefined) fields.push('trailer', announced)
  if (status !== 204 && status >= 200) return fields
  // A length where there can be no body is one that somebody may wait for (RFC 9110 §8.6).
  return without(fields, 'content-length')
}

/** The fields of a switch as the client of a stream gets them: what proves it is between us and the container. */
export function tunnelFields(received: readonly string[]): string[] {
  return ['content-length', 'sec-websocket-accept', unsendable].reduce(without, responseFields(received))
}

function without(fields: string[], lowerName: string): string[] {
  if (firstValue(fields, lowerName) === undefined) return fields
  const kept: string[] = []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (fields[i]?.toLowerCase() !== lowerName) kept.push(fields[i] ?? '', fields[i + 1] ?? '')
  }
  return kept
}

/**
 * Fields behind a request's body. Some servers take them for fields of the head, so what means something there, or is
 * stripped, does not pass (RFC 9110 §6.5.1).
 */
export function requestTrailers(received: readonly string[], strip: ReadonlySet<string>): string[] {
  const kept: string[] = []
  for (let i = 0; i + 1 < received.length; i += 2) {
    const name = received[i] ?? ''
    if (idOf(name.toLowerCase()) !== 0 || strip.has(spellings(name))) continue
    kept.push(name, received[i + 1] ?? '')
  }
  return kept
}

/** The form in which node:http2 takes interim heads and trailers. */
export function fieldMap(fields: readonly string[]): OutgoingHttpHeaders {
  const map: Record<string, string | string[]> = Object.create(null)
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = (fields[i] ?? '').toLowerCase()
    if (name === unsendable) continue
    const value = fields[i + 1] ?? ''
    const before = map[name]
    map[name] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]
  }
  return map
}
