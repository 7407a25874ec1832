// What a client asked for: the gate's view of a head, and what an exchange wants to know of it besides. One for each
// connection, filled anew with each request.

import { headProblem, malformed, parseTarget } from '../../base/target.ts'
import type { Peer, RequestHead } from '../../gate/contract.ts'
import { limits } from '../engine.ts'
import { tunnelToken } from '../switch.ts'
import { Body, requestFraming } from './framing.ts'
import { Head } from './head.ts'
import { field } from './names.ts'

/** As much of an unread body as the Go server swallows to keep a connection. */
const maxDiscard = 256 * 1024

/** May be sent twice (RFC 9110 §9.2.2), where it has no body. */
const replayable: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

export class Asked implements RequestHead {
  readonly from: Peer
  readonly fields = new Head('request', limits.requestHeadBytes)
  readonly body = new Body()
  method = ''
  /** As received. */
  target = ''
  version: '1.0' | '1.1' = '1.1'
  /** What the container gets for a target; undefined where it is the one received. */
  path: string | undefined
  /** Authority of an absolute target. */
  authority: string | undefined
  /** Protocol that this request switches to, if the container agrees; as received. */
  token: string | undefined
  /** `100-continue` to an HTTP/1.1 client's body that has not been invited; 'other' for what nobody can fulfil. */
  expects: 'nothing' | 'continue' | 'other' = 'nothing'
  /** True where the client wants the connection to end with the answer. */
  closes = false

  constructor(from: Peer) {
    this.from = from
  }

  get upgrade(): boolean {
    return this.token !== undefined
  }

  header(lowerName: string): string | undefined {
    return this.fields.header(lowerName)
  }

  /**
   * Takes a head that has been read.
   * @param upgrades may this token be tunnelled?
   * @returns what makes it unfit for any decision, as Go's server words it: status and phrase; undefined where nothing
   */
  take(upgrades: (token: string) => boolean): string | undefined {
    const { fields } = this
    this.method = methodOf(fields)
    this.target = fields.slice(fields.methodEnd + 1, fields.targetEnd)
    const problem = headProblem(versionOf(fields), this.#hosts())
    if (problem !== undefined) return problem
    const parsed = parseTarget(this.method, this.target)
    // The first line of HTTP/2's preface is no request of HTTP/1.1 (RFC 9113 §3.4).
    if (!parsed || this.method === 'PRI') return malformed
    const framing = requestFraming(fields)
    if (!framing || announcesFraming(fields)) return malformed
    this.body.begin(framing.framing, framing.length)
    this.version = fields.minor === 0 ? '1.0' : '1.1'
    this.path = parsed.path === this.target ? undefined : parsed.path
    this.authority = parsed.authority
    // Close wins (RFC 9112 §9.3), though Go's server keeps a connection of HTTP/1.0 that asks for both.
    this.closes = fields.hasOption('close') || (this.version === '1.0' && !fields.hasOption('keep-alive'))
    this.expects = this.#expectation()
    this.token = this.#switch(upgrades)
    return undefined
  }

  get hasBody(): boolean {
    return this.body.framing !== 'none'
  }

  /** May it be sent again, after a connection that gave no answer? */
  get repeatable(): boolean {
    if (this.hasBody) return false
    if (replayable.has(this.method)) return true
    return this.fields.find(field.idempotencyKey) >= 0 || this.fields.find(field.xIdempotencyKey) >= 0
  }

  /** Would reading the rest of the body only to throw it away cost more than a new connection? */
  get unreadIsLarge(): boolean {
    if (this.body.done) return false
    return this.body.framing === 'chunked' || this.body.left > maxDiscard
  }

  #hosts(): string[] {
    const { fields } = this
    const hosts: string[] = []
    for (let at = fields.find(field.host); at >= 0; at = fields.find(field.host, at + 1)) hosts.push(fields.value(at))
    return hosts
  }

  #expectation(): Asked['expects'] {
    const { fields } = this
    const at = fields.find(field.expect)
    const expected = at < 0 ? undefined : fields.value(at)
    // A client of HTTP/1.0 cannot be sent an interim answer (RFC 9110 §10.1.1).
    if (expected === undefined || expected === '' || this.version === '1.0') return 'nothing'
    if (expected.toLowerCase() !== '100-continue' || fields.find(field.expect, at + 1) >= 0) return 'other'
    return this.hasBody ? 'continue' : 'nothing'
  }

  /** A switch with a body is none: where that ends and the other protocol begins would be told by both sides. */
  #switch(upgrades: (token: string) => boolean): string | undefined {
    const { fields } = this
    if (fields.find(field.upgrade) < 0 || !fields.hasOption('upgrade')) return undefined
    if (fields.find(field.contentLength) >= 0 || fields.find(field.transferEncoding) >= 0) return undefined
    return tunnelToken(fields.tokens(field.upgrade), upgrades) && fields.first(field.upgrade)
  }
}

/** The usual methods are strings that stand already, and are found again without being hashed. */
const usualMethods = ['GET', 'POST', 'PUT', 'HEAD', 'PATCH', 'DELETE', 'OPTIONS'] as const

function methodOf(fields: Head): string {
  const { bytes, base, methodEnd } = fields
  const first = bytes[base]
  for (const method of usualMethods) {
    if (method.length !== methodEnd || method.charCodeAt(0) !== first) continue
    let same = 1
    while (same < methodEnd && method.charCodeAt(same) === bytes[base + same]) same++
    if (same === methodEnd) return method
  }
  return fields.slice(0, methodEnd)
}

function versionOf({ major, minor }: Head): string {
  return major === 1 && minor === 1 ? '1.1' : `${major}.${minor}`
}

/** Trailers must not be announced that would say where the message ends (RFC 9110 §6.5.1). */
function announcesFraming(fields: Head): boolean {
  if (fields.find(field.trailer) < 0) return false
  return fields
    .tokens(field.trailer)
    .some(name => name === 'content-length' || name === 'transfer-encoding' || name === 'trailer')
}
