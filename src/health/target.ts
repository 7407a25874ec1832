// Where an http probe goes, and where a redirect sends it (net/http client.go).

import type { Check } from './checks.ts'
import type { Place } from './reach.ts'
import { joinHostPort } from './words.ts'

export type Fields = readonly (readonly [name: string, value: string])[]

export interface Target extends Place {
  readonly scheme: string
  /** As Host or :authority says it. */
  readonly authority: string
  /** Path and query, from its slash on. */
  readonly path: string
  /** The whole URL, for messages. */
  readonly text: string
}

/** The answer's head, or why there is none. */
export type Answer = { readonly status: number; readonly location: string } | string

/** Sends one GET. `drain` waits for the end of the body. */
export type Get = (target: Target, fields: Fields, until: number, drain: boolean) => Promise<Answer>

export const timedOut = 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'

const redirections: readonly number[] = [301, 302, 303, 307, 308]

/** Does the answer send us on? A redirect without Location does not. */
export function redirects(answer: Exclude<Answer, string>): boolean {
  return answer.location !== '' && redirections.includes(answer.status)
}

export function targetOf(check: Extract<Check, { kind: 'http' }>): Target {
  const { scheme, host, port } = check
  return target(scheme, host, port, joinHostPort(host, port), `/${check.path}`)
}

/** Where a Location points, seen from where it was given; undefined where it is no URL. */
export function resolve(location: string, from: Target): Target | undefined {
  if (!URL.canParse(location, from.text)) return undefined
  const url = new URL(location, from.text)
  const scheme = url.protocol.slice(0, -1)
  const port = url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port)
  return target(scheme, url.hostname.replace(/^\[|\]$/g, ''), port, url.host, `${url.pathname}${url.search}`)
}

function target(scheme: string, host: string, port: number, authority: string, path: string): Target {
  return { scheme, host, port, authority, path, text: `${scheme}://${authority}${path}` }
}

const secrets: readonly string[] = [
  'authorization',
  'www-authenticate',
  'cookie',
  'cookie2',
  'proxy-authorization',
  'proxy-authenticate',
]

/** Secrets stay with the host that they were declared for. */
export function withoutSecrets(fields: Fields): Fields {
  return without(fields, secrets)
}

/** True where `to` is the host of `first` or below it. */
export function keepsSecrets(first: Target, to: Target): boolean {
  return to.host === first.host || to.host.endsWith(`.${first.host}`)
}

/** Adds where we come from, as Go does. */
export function withReferer(fields: Fields, from: Target, to: Target): Fields {
  if (has(fields, 'referer') || (from.scheme === 'https' && to.scheme === 'http')) return fields
  return [...fields, ['Referer', from.text]]
}

export function has(fields: Fields, lowerName: string): boolean {
  return fields.some(([name]) => name.toLowerCase() === lowerName)
}

export function without(fields: Fields, lowerNames: readonly string[]): Fields {
  return fields.filter(([name]) => !lowerNames.includes(name.toLowerCase()))
}

/** Go asks for gzip unless somebody asks for something particular. */
export function compression(fields: Fields): Fields {
  return has(fields, 'accept-encoding') || has(fields, 'range') ? [] : [['Accept-Encoding', 'gzip']]
}

/** Both numbers of Kubernetes' version are empty in the Go proxy, too. */
export const probeAgent = 'kube-probe//'
