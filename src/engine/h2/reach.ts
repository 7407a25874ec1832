// How a stream's request gets to the container: as a stream, or as a request of HTTP/1.1.

import { describe, Fault } from '../../base/errors.ts'
import type { Pool } from '../bytes/pool.ts'
import type { Upstream as Http1Upstream } from '../bytes/upstream.ts'
import type { EngineOptions } from '../engine.ts'
import { identityOf, type RequestRules } from '../rewrite.ts'
import type { Asked } from './asked.ts'
import type { Call, Reach, TunnelCaller } from './call.ts'
import type { Discovery } from './discovery.ts'
import { callFields } from './fields.ts'
import { Http1Call } from './http1-call.ts'
import { switchFields } from './tunnel-call.ts'
import { Upstream } from './upstream.ts'

const nothing = (): void => {}

export class Reaching implements Reach {
  readonly #options: EngineOptions
  readonly #strip: ReadonlySet<string>
  readonly #discovery: Discovery
  /** Connections of HTTP/1.1; undefined where none are opened. */
  readonly #pool: Pool

  constructor(options: EngineOptions, discovery: Discovery, pool: Pool) {
    this.#options = options
    this.#strip = new Set(options.strip)
    this.#discovery = discovery
    this.#pool = pool
  }

  call(asked: Asked, caller: TunnelCaller): () => void {
    // On a connection of its own, which speaks HTTP/1.1 whatever others speak: that is where containers have WebSocket.
    if (asked.token !== undefined) return this.#pool.dial(outcome => this.#askHttp1(outcome, asked, caller))
    const kept = this.#discovery.spoken === 'h2' ? undefined : this.#pool.take()
    if (kept) {
      this.#askHttp1(kept, asked, caller)
      return nothing
    }
    return this.#discovery.open(outcome => {
      if (outcome instanceof Fault) caller.opened(outcome)
      else if (outcome instanceof Upstream) this.#askHttp2(outcome, asked, caller)
      else this.#askHttp1(this.#pool.adopt(outcome), asked, caller)
    }, {})
  }

  sweep(): void {
    this.#pool.sweep()
  }

  destroy(): void {
    this.#pool.destroy()
  }

  #askHttp2(upstream: Upstream, asked: Asked, caller: TunnelCaller): void {
    const { method, target: path } = asked
    const fields = callFields(asked.fields, { method, path, scheme: upstream.scheme }, this.#rules(asked))
    caller.opened(open(() => upstream.ask(fields, !asked.hasBody, caller)))
  }

  #askHttp1(upstream: Http1Upstream | Fault, asked: Asked, caller: TunnelCaller): void {
    if (upstream instanceof Fault) {
      caller.opened(upstream)
      return
    }
    const switching = asked.token === undefined ? [] : switchFields(asked.token)
    const rules = this.#rules(asked)
    const { allowUnframed } = this.#options
    const call = open(() => new Http1Call(this.#pool, upstream, caller, asked, rules, switching, allowUnframed))
    if (call instanceof Fault) upstream.destroy()
    caller.opened(call)
  }

  #rules(asked: Asked): RequestRules {
    const { authority, honourOriginalHost, identityHeader } = this.#options
    return {
      peer: asked.from.address,
      authority,
      strip: this.#strip,
      targetAuthority: asked.authority,
      honourOriginalHost: honourOriginalHost ?? true,
      identity: identityOf(identityHeader, asked.from),
    }
  }
}

/** What cannot be sent fails its own request and nothing else. */
function open(call: () => Call): Call | Fault {
  try {
    return call()
  } catch (error) {
    return error instanceof Fault ? error : new Fault('request-unsupported', describe(error))
  }
}
