// What the client asked for, as node:http parsed it: the gate's view of the head, and what an exchange wants to know of
// the message besides. Looks only; the body is Upload's business.

import type { IncomingMessage } from 'node:http'
import { headProblem, malformed, parseTarget, type Target } from '../../base/target.ts'
import type { Peer, RequestHead } from '../../gate/contract.ts'
import { firstValue, values } from '../rewrite.ts'

/** As much of an unread body as the Go server swallows to keep a connection. */
const maxDiscard = 256 * 1024

/** May be sent twice (RFC 9110 §9.2.2), where it has no body. */
const replayable: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

export class Asked implements RequestHead {
  readonly message: IncomingMessage
  readonly method: string
  /** As received. */
  readonly target: string
  readonly version: '1.0' | '1.1'
  readonly from: Peer
  readonly upgrade: boolean
  /** Undefined where the target cannot be read in one way. */
  readonly parsed: Target | undefined

  constructor(message: IncomingMessage, from: Peer, upgrade: boolean) {
    this.message = message
    this.method = message.method ?? ''
    this.target = message.url ?? ''
    this.version = message.httpVersion === '1.0' ? '1.0' : '1.1'
    this.from = from
    this.upgrade = upgrade
    this.parsed = parseTarget(this.method, this.target)
  }

  /** name, value, name, value, … */
  get fields(): readonly string[] {
    return this.message.rawHeaders
  }

  header(lowerName: string): string | undefined {
    return firstValue(this.message.rawHeaders, lowerName)
  }

  /** What makes this head unfit for any decision: status and phrase, in the words of Go's server. */
  get problem(): string | undefined {
    return this.parsed ? headProblem(this.message.httpVersion, values(this.fields, 'host')) : malformed
  }

  get hasBody(): boolean {
    const { headers } = this.message
    if (headers['transfer-encoding'] !== undefined) return true
    return headers['content-length'] !== undefined && Number(headers['content-length']) > 0
  }

  /** May it be sent again, after a connection that gave no answer? */
  get repeatable(): boolean {
    if (this.hasBody) return false
    if (replayable.has(this.method)) return true
    const { headers } = this.message
    return headers['idempotency-key'] !== undefined || headers['x-idempotency-key'] !== undefined
  }

  /** Would reading the rest of the body only to throw it away cost more than a new connection? */
  get unreadIsLarge(): boolean {
    if (this.message.complete || !this.hasBody) return false
    const length = this.message.headers['content-length']
    return length === undefined || Number(length) > maxDiscard
  }
}
