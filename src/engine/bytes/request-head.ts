// The head that the container gets, spliced from the one received: runs of lines that pass are copied whole, the others
// are left out, and what we say comes behind them. The rules are those of engine/rewrite.ts, over bytes; a test holds the
// two together.

import { isKubeletProbe } from '../../base/knative.ts'
import { chooseHost, forwardedShim, type RequestRules } from '../rewrite.ts'
import { isNormalTraceparent, normaliseTrace } from '../trace.ts'
import type { Framing } from './framing.ts'
import type { Head } from './head.ts'
import { hopByHop, namedFields } from './named.ts'
import { type FieldId, field } from './names.ts'
import type { Out } from './out.ts'
import type { Strip } from './strip.ts'

/** What a field's number means for a request on its way through. */
const pass = 0
const drop = 1
/** Looked at once more. */
const look = 2

const fate = new Uint8Array(64)
for (const id of [
  ...hopByHop,
  field.host,
  field.servingNamespace,
  field.servingRevision,
  field.originalHost,
  field.xForwardedFor,
  field.contentLength,
]) {
  fate[id] = drop
}
for (const id of [field.userAgent, field.forwarded, field.traceparent, field.tracestate, field.baggage]) {
  fate[id] = look
}

/** Methods whose lack of a body is said in so many words, as Go's client does. */
const saysNoBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

export interface RequestPlan extends Omit<RequestRules, 'strip'> {
  readonly strip: Strip
  readonly method: string
  /** Target where it is not the one received. */
  readonly path: string | undefined
  readonly framing: Framing
  /** Of a body by length, in bytes. */
  readonly length: number
  /** Token to switch to; undefined where nothing is switched. */
  readonly upgrade: string | undefined
}

/** Writes the whole head, its empty line included. */
export function writeRequestHead(out: Out, head: Head, plan: RequestPlan): void {
  const gone = new Gone(head, plan.strip)
  const forwarded = gone.names('forwarded') ? undefined : forwardedOf(head, gone)
  const originalAt = plan.honourOriginalHost === false ? -1 : gone.find(field.originalHost)
  const original = originalAt < 0 ? undefined : head.value(originalAt)
  const trace = traceOf(head, gone)

  writeLine(out, head, plan.path)
  out.text('Host: ').text(chooseHost(original, plan.targetAuthority ?? gone.first(field.host), plan.authority))

  const { bytes, base } = head
  let from = -1
  for (let at = 0; at < head.count; at++) {
    const kept = keeps(at)
    if (kept && from < 0) from = head.lineFrom(at)
    if (kept || from < 0) continue
    copyLines(from, head.lineFrom(at))
    from = -1
  }
  if (from >= 0) copyLines(from, head.linesEnd)

  function keeps(at: number): boolean {
    const id = head.id(at)
    if (fate[id] === drop || gone.has(at)) return false
    if (fate[id] === pass) return true
    switch (id) {
      case field.userAgent:
        return !head.isEmpty(at)
      case field.forwarded:
        return forwarded === undefined
      default:
        return trace === undefined
    }
  }

  /** Lines end with CRLF, but the run before it was left open by what stands before. */
  function copyLines(start: number, end: number): void {
    out.text('\r\n').bytes(bytes, base + start, base + end - 2)
  }

  out.text('\r\nX-Forwarded-For: ')
  for (let at = gone.find(field.xForwardedFor); at >= 0; at = gone.find(field.xForwardedFor, at + 1)) {
    if (gone.has(at)) continue
    head.writeValue(out, at)
    out.text(', ')
  }
  out.text(plan.peer)
  if (forwarded !== undefined) out.text('\r\nForwarded: ').text(forwarded)
  if (trace !== undefined) writeFields(out, trace)
  if (gone.find(field.te) >= 0 && head.tokens(field.te).includes('trailers')) out.text('\r\nTE: trailers')
  if (plan.identity) writeFields(out, plan.identity)
  if (plan.framing === 'chunked') writeChunked(out, head, gone)
  else if (plan.framing === 'length') out.text(`\r\nContent-Length: ${plan.length}`)
  else if (saysNoBody.has(plan.method)) out.text('\r\nContent-Length: 0')
  if (plan.upgrade !== undefined) out.text('\r\nConnection: Upgrade\r\nUpgrade: ').text(plan.upgrade)
  out.text('\r\n\r\n')
}

function writeLine(out: Out, { bytes, base, methodEnd, targetEnd }: Head, path: string | undefined): void {
  if (path === undefined) out.bytes(bytes, base, base + targetEnd)
  else out.bytes(bytes, base, base + methodEnd + 1).text(path)
  out.text(' HTTP/1.1\r\n')
}

function writeChunked(out: Out, head: Head, gone: Gone): void {
  out.text('\r\nTransfer-Encoding: chunked')
  for (let at = gone.find(field.trailer); at >= 0; at = gone.find(field.trailer, at + 1)) {
    out.text('\r\nTrailer: ').text(head.value(at))
  }
}

/**
 * Fields behind a body. Some servers take them for fields of the head, so what means something there, or is stripped, does
 * not pass (RFC 9110 §6.5.1).
 */
export function writeRequestTrailers(out: Out, trailers: Head, strip: Strip): void {
  for (let at = 0; at < trailers.count; at++) {
    if (trailers.id(at) !== field.other || strip.has(trailers, at)) continue
    out.text(trailers.name(at)).text(': ').text(trailers.value(at)).text('\r\n')
  }
}

function writeFields(out: Out, fields: readonly string[]): void {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    out
      .text('\r\n')
      .text(fields[i] as string)
      .text(': ')
      .text(fields[i + 1] as string)
  }
}

/** Fields that do not pass because of what Connection or the policy says of them. */
class Gone {
  readonly #head: Head
  readonly #strip: Strip
  /** Lower-case names in Connection that name a field; undefined in nearly every request. */
  readonly #named: ReadonlySet<string> | undefined

  constructor(head: Head, strip: Strip) {
    this.#head = head
    this.#strip = strip
    this.#named = strip.names('connection') ? undefined : namedFields(head)
  }

  names(lowerName: string): boolean {
    return this.#named?.has(lowerName) === true
  }

  /** True where the field does not pass. */
  has(at: number): boolean {
    return (this.#named !== undefined && this.names(this.#head.name(at).toLowerCase())) || this.#stripped(at)
  }

  #stripped(at: number): boolean {
    return this.#strip.has(this.#head, at)
  }

  /** The first field of this number that is there for the container's head to be made of. */
  find(id: FieldId, from = 0): number {
    for (let at = this.#head.find(id, from); at >= 0; at = this.#head.find(id, at + 1)) {
      if (!this.#stripped(at)) return at
    }
    return -1
  }

  first(id: FieldId): string | undefined {
    const at = this.find(id)
    return at < 0 ? undefined : this.#head.value(at)
  }
}

function forwardedOf(head: Head, gone: Gone): string | undefined {
  const at = gone.find(field.forwarded)
  if (at >= 0 && !head.isEmpty(at)) return undefined
  const xff = gone.find(field.xForwardedFor)
  const proto = gone.find(field.xForwardedProto)
  const host = gone.find(field.xForwardedHost)
  if (xff < 0 && proto < 0 && host < 0) return undefined
  const raw: string[] = []
  for (const at of [xff, proto, host]) {
    if (at >= 0) raw.push(head.name(at), head.value(at))
  }
  return forwardedShim(raw)
}

/** Trace fields as they leave, where that is not as they came. */
function traceOf(head: Head, gone: Gone): string[] | undefined {
  if (gone.find(field.traceparent) < 0 && gone.find(field.baggage) < 0) return undefined
  if (isProbeLike(gone) || isTraceNormal(head, gone)) return undefined
  const raw: string[] = []
  for (let at = 0; at < head.count; at++) {
    const id = head.id(at)
    const traces = id === field.traceparent || id === field.tracestate || id === field.baggage
    if (traces && !gone.has(at)) raw.push(head.name(at), head.value(at))
  }
  const written = [...raw]
  normaliseTrace(written)
  return written.length === raw.length && written.every((each, i) => each === raw[i]) ? undefined : written
}

/** The usual trace, of which nothing would be written in another way: one valid parent, at most one state, no baggage. */
function isTraceNormal(head: Head, gone: Gone): boolean {
  const parent = gone.find(field.traceparent)
  if (parent < 0 || gone.find(field.baggage) >= 0 || !isNormalTraceparent(head.value(parent))) return false
  const state = gone.find(field.tracestate)
  return gone.find(field.traceparent, parent + 1) < 0 && (state < 0 || gone.find(field.tracestate, state + 1) < 0)
}

/** Requests that the Go proxy keeps out of its tracing: their trace fields pass untouched. */
function isProbeLike(gone: Gone): boolean {
  if (gone.first(field.networkProbe)) return true
  return isKubeletProbe(gone.first(field.userAgent), gone.first(field.kubeletProbe))
}
