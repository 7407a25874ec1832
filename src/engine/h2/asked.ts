// What a client asked for with a stream's first fields: the gate's view of the head, and what an exchange wants to know of
// it besides. node:http2 has refused what RFC 9113 §8.1.1 calls malformed: fields of connections, upper-case names,
// missing or repeated pseudo-fields, lengths that are not kept.

import { malformed, parseTarget, validHost } from '../../base/target.ts'
import type { Peer, RequestHead } from '../../gate/contract.ts'
import { firstValue, values } from '../rewrite.ts'
import { tunnelToken } from '../switch.ts'
import { withoutPseudo } from './fields.ts'

/** May be sent twice (RFC 9110 §9.2.2), where it has no body. */
const replayable: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

export class Asked implements RequestHead {
  readonly method: string
  readonly target: string
  readonly version = '2'
  readonly from: Peer
  /** What a CONNECT with `:protocol` (RFC 8441) wants a tunnel for, where it may have one, lower case. */
  readonly token: string | undefined
  /** Name, value, name, value, … without pseudo-fields. */
  readonly fields: readonly string[]
  /** Undefined where neither `:authority` nor Host names one. */
  readonly authority: string | undefined
  readonly hasBody: boolean
  /** True where the stream's first fields are its last. */
  readonly whole: boolean

  /** @param raw as received: pseudo-fields first @param tunnels may a tunnel be opened for this token? */
  constructor(raw: readonly string[], from: Peer, whole: boolean, tunnels: (token: string) => boolean) {
    let method = ''
    let protocol: string | undefined
    let target = ''
    let authority: string | undefined
    for (let i = 0; raw[i]?.startsWith(':'); i += 2) {
      const value = raw[i + 1] ?? ''
      if (raw[i] === ':method') method = value
      else if (raw[i] === ':path') target = value
      else if (raw[i] === ':authority') authority = value
      else if (raw[i] === ':protocol') protocol = value.toLowerCase()
    }
    this.target = target
    this.from = from
    this.fields = withoutPseudo(raw)
    this.authority = authority ?? firstValue(this.fields, 'host')
    this.whole = whole
    // What has a length, or has ended, is no tunnel.
    const open = protocol !== undefined && !whole && firstValue(this.fields, 'content-length') === undefined
    this.token = open ? tunnelToken([protocol ?? ''], tunnels) : undefined
    this.method = this.token === undefined ? method : 'GET'
    this.hasBody = !whole && this.token === undefined
  }

  get upgrade(): boolean {
    return this.token !== undefined
  }

  /** As HTTP/1.1 would have it: the authority is the Host, a body without a length is chunked, a tunnel is an Upgrade. */
  header(lowerName: string): string | undefined {
    if (lowerName === 'host') return this.authority
    if (lowerName === 'upgrade') return this.token
    if (lowerName === 'transfer-encoding') {
      return this.hasBody && firstValue(this.fields, 'content-length') === undefined ? 'chunked' : undefined
    }
    return firstValue(this.fields, lowerName)
  }

  /** What makes this head unfit for any decision: status and phrase, in the words of Go's server. */
  get problem(): string | undefined {
    const hosts = values(this.fields, 'host')
    if (hosts.length > 1 || (hosts.length === 1 && hosts[0] !== this.authority)) return malformed
    if (this.authority !== undefined && !validHost(this.authority)) return `${malformed}: malformed Host header`
    if (this.method === 'CONNECT') return undefined
    if (!this.target.startsWith('/') && this.target !== '*') return malformed
    return /[\0-\x20\x7f]/.test(this.target) || !parseTarget(this.method, this.target) ? malformed : undefined
  }

  /** May it be sent again, after a connection that gave no answer? */
  get repeatable(): boolean {
    if (this.hasBody) return false
    if (replayable.has(this.method)) return true
    return this.header('idempotency-key') !== undefined || this.header('x-idempotency-key') !== undefined
  }
}
