// A tunnel that a stream asked for (RFC 8441), as the Upgrade that it is in HTTP/1.1 (RFC 6455 §4.1), and behind the switch
// the container's side of it. Like a tunnel of sockets it is over when either end is done: what is pending leaves, then
// both sides end.

import { randomBytes } from 'node:crypto'
import { Fault } from '../../base/errors.ts'
import type { Upstream } from '../bytes/upstream.ts'
import type { Ear } from '../bytes/wire.ts'
import type { Call, Caller } from './call.ts'

/** What asks for the switch: name, value, … The key is ours, as a stream's client sends none (RFC 8441 §5). */
export function switchFields(token: string): string[] {
  const fields = ['Connection', 'Upgrade', 'Upgrade', token]
  if (token === 'websocket') fields.push('Sec-WebSocket-Key', randomBytes(16).toString('base64'))
  return fields
}

export class TunnelCall implements Call, Ear {
  readonly #upstream: Upstream
  #caller: Caller | undefined

  /** Takes over the wire of a container that has switched. */
  constructor(upstream: Upstream, caller: Caller) {
    this.#upstream = upstream
    this.#caller = caller
    upstream.wire.ear = this
  }

  // The client's side.

  send(chunk: Buffer): boolean {
    return this.#upstream.wire.give(chunk)
  }

  end(): void {
    this.#upstream.wire.close()
  }

  stop(): void {
    this.#upstream.wire.pause()
  }

  go(): void {
    this.#upstream.wire.resume()
  }

  cancel(): void {
    if (!this.#caller) return
    this.#caller = undefined
    this.#upstream.wire.reset()
  }

  // The container's. Bytes are valid while they are told only.

  bytes(chunk: Buffer): void {
    this.#caller?.data(Buffer.from(chunk))
  }

  drained(): void {
    this.#caller?.drained()
  }

  ended(): void {
    this.#upstream.wire.close()
  }

  closed(code: string | undefined): void {
    this.#upstream.closed(code)
    const caller = this.#caller
    this.#caller = undefined
    if (code === undefined) caller?.answered()
    else caller?.broken(new Fault('upstream-reset', 'connection reset by peer'), 'other')
  }
}
