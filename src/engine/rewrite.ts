// What changes in a head on its way through, as pure functions over raw field lists (name, value, name, value, …), the
// form in which Node and undici hold them. Rules: RFC 9110 §7.6.1 (hop-by-hop), RFC 7239 (Forwarded), and the Go proxy's
// order of doing things (httputil.ReverseProxy, knative/serving pkg/http/handler and pkg/activator/headers.go).

import { header, isKubeletProbe } from '../base/knative.ts'
import { validHost } from '../base/target.ts'
import type { Peer } from '../gate/contract.ts'
import { normaliseTrace } from './trace.ts'

/** Fields that concern one connection only. `te: trailers` and an upgrade are put back where they apply. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Written for us by whoever routes; the container never sees them. Of K-Original-Host the gate has looked at the first. */
const pruned: ReadonlySet<string> = new Set([header.servingNamespace, header.servingRevision, header.originalHost])

export interface RequestRules {
  /** IP address of the peer, appended to X-Forwarded-For. */
  readonly peer: string
  /** Host where the client sent none or an empty one. */
  readonly authority: string
  /** Further fields to remove, lower case, hyphens; a field matches in all its `_` and `-` spellings. */
  readonly strip: ReadonlySet<string>
  /** Authority of an absolute-form target: then it is the Host. */
  readonly targetAuthority?: string | undefined
  /** Whether K-Original-Host, which anybody can send, becomes the Host. It never reaches the container. */
  readonly honourOriginalHost?: boolean
  /** Name and value of a field of ours, behind all others; its name must be among `strip`. */
  readonly identity?: readonly [name: string, value: string] | undefined
}

/** The field that tells the container who calls. */
export function identityOf(header: string | undefined, { client }: Peer): RequestRules['identity'] {
  return header === undefined || client === undefined ? undefined : [header, client.text]
}

/** The first value of a field, by its lower-case name. */
export function firstValue(raw: readonly string[], lowerName: string): string | undefined {
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]?.toLowerCase() === lowerName) return raw[i + 1]
  }
  return undefined
}

/** All values of a field, by its lower-case name. */
export function values(raw: readonly string[], lowerName: string): string[] {
  const found: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]?.toLowerCase() === lowerName) found.push(raw[i + 1] ?? '')
  }
  return found
}

/** The elements of a comma-separated field over all its lines, trimmed, lower case, empty ones left out. */
export function tokens(raw: readonly string[], lowerName: string): string[] {
  return values(raw, lowerName)
    .flatMap(value => value.split(','))
    .map(token => token.trim().toLowerCase())
    .filter(token => token !== '')
}

/** The head that the container gets: Host first, then what is left in the order received, then what we add. */
export function requestFields(received: readonly string[], rules: RequestRules): string[] {
  const raw = withoutStripped(received, rules.strip)
  const named = new Set(tokens(raw, 'connection'))
  const forwarded = named.has('forwarded') ? undefined : forwardedShim(raw)
  const originalHost = rules.honourOriginalHost === false ? undefined : firstValue(raw, header.originalHost)
  const kept: string[] = []
  const forwardedFor: string[] = []
  let host: string | undefined
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    const lower = name.toLowerCase()
    if (lower === 'host') {
      host ??= value
      continue
    }
    if (hopByHop.has(lower) || named.has(lower) || pruned.has(lower)) continue
    if (lower === 'user-agent' && value === '') continue
    if (lower === 'forwarded' && forwarded !== undefined) continue
    if (lower === 'x-forwarded-for') forwardedFor.push(value)
    else kept.push(name, value)
  }
  const fields = ['Host', chooseHost(originalHost, rules.targetAuthority ?? host, rules.authority), ...kept]
  fields.push('X-Forwarded-For', [...forwardedFor, rules.peer].join(', '))
  if (forwarded !== undefined) fields.push('Forwarded', forwarded)
  if (tokens(raw, 'te').includes('trailers')) fields.push('TE', 'trailers')
  if (!isProbeLike(raw)) normaliseTrace(fields)
  if (rules.identity) fields.push(...rules.identity)
  return fields
}

/** Gone before anything is made of it: what is stripped does not come back as Host or Forwarded. */
function withoutStripped(raw: readonly string[], strip: ReadonlySet<string>): readonly string[] {
  if (strip.size === 0) return raw
  const kept: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    if (!strip.has(spellings(name))) kept.push(name, raw[i + 1] ?? '')
  }
  return kept
}

/** A field's name in the one spelling that stands for all of its `_` and `-` and cases. */
export function spellings(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}

/** Requests that the Go proxy keeps out of its tracing: their trace fields pass untouched. */
function isProbeLike(raw: readonly string[]): boolean {
  if (firstValue(raw, header.networkProbe)) return true
  return isKubeletProbe(firstValue(raw, 'user-agent'), firstValue(raw, header.kubeletProbe))
}

/** The Host that the container sees; empty where K-Original-Host is no host. */
export function chooseHost(original: string | undefined, received: string | undefined, authority: string): string {
  if (original) return validHost(original) ? original : ''
  return received || authority
}

/**
 * A Forwarded value made of the X-Forwarded-* fields, for containers that read only the standard one; undefined where
 * the client sent Forwarded itself or none of the others. Elements are as received, before our own peer is appended.
 */
export function forwardedShim(raw: readonly string[]): string | undefined {
  if (firstValue(raw, 'forwarded')) return undefined
  const xff = firstValue(raw, 'x-forwarded-for') ?? ''
  const proto = firstValue(raw, 'x-forwarded-proto') ?? ''
  const host = firstValue(raw, 'x-forwarded-host') ?? ''
  if (xff === '' && proto === '' && host === '') return undefined
  const nodes = xff === '' ? [] : xff.split(',').map(node => node.trim())
  // Behind a comma at the end there is nobody.
  if (nodes.length > 1 && nodes.at(-1) === '') nodes.pop()
  const [first = '', ...rest] = nodes
  const pairs: string[] = []
  if (xff !== '') pairs.push(`for=${forwardedNode(first)}`)
  if (host !== '') pairs.push(`host=${host}`)
  if (proto !== '') pairs.push(`proto=${proto}`)
  // After an empty first node the Go proxy writes no separator; kept, since somebody may parse what it writes.
  const head = xff !== '' && first === '' ? pairs.join(';').replace(';', '') : pairs.join(';')
  return [head, ...rest.map(node => `for=${forwardedNode(node)}`)].join(', ')
}

function forwardedNode(node: string): string {
  return node.includes(':') ? `"[${node}]"` : node
}

/** The head that the client gets, framing fields included. */
export function responseFields(raw: readonly string[]): string[] {
  const named = new Set(tokens(raw, 'connection'))
  const kept: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const lower = (raw[i] ?? '').toLowerCase()
    if (hopByHop.has(lower) || named.has(lower)) continue
    kept.push(raw[i] ?? '', raw[i + 1] ?? '')
  }
  return kept
}
