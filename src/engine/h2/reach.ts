// To a container that speaks HTTP/2.

import { Fault } from '../../base/errors.ts'
import type { EngineOptions } from '../engine.ts'
import type { Asked } from './asked.ts'
import type { Call, Caller, Reach } from './call.ts'
import { callFields } from './fields.ts'
import type { Upstream } from './upstream.ts'
import type { Upstreams } from './upstreams.ts'

const nothing = (): void => {}

export class StreamReach implements Reach {
  readonly #upstreams: Upstreams
  readonly #options: EngineOptions
  readonly #strip: ReadonlySet<string>

  constructor(upstreams: Upstreams, options: EngineOptions) {
    this.#upstreams = upstreams
    this.#options = options
    this.#strip = new Set(options.strip)
  }

  call(asked: Asked, caller: Caller): () => void {
    const upstream = this.#upstreams.take()
    if (!upstream) {
      return this.#upstreams.wait(outcome => {
        caller.opened(outcome instanceof Fault ? outcome : this.#ask(outcome, asked, caller))
      })
    }
    caller.opened(this.#ask(upstream, asked, caller))
    return nothing
  }

  #ask(upstream: Upstream, asked: Asked, caller: Caller): Call {
    const { authority, honourOriginalHost } = this.#options
    const fields = callFields(
      asked.fields,
      { method: asked.method, path: asked.target, scheme: upstream.scheme, protocol: asked.protocol },
      {
        peer: asked.from.address,
        authority,
        strip: this.#strip,
        targetAuthority: asked.authority,
        honourOriginalHost: honourOriginalHost ?? true,
      },
    )
    return upstream.ask(fields, !asked.hasBody, caller)
  }
}
