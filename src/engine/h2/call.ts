// The container's side of one request, whatever it speaks: an exchange sends through a Call and hears as a Caller.

import type { Fault } from '../../base/errors.ts'
import type { Verdict } from '../../gate/contract.ts'
import type { Asked } from './asked.ts'

/** How a request gets to the container. */
export interface Reach {
  /** Opens a call; the caller is told opened(), now or later. The returned function gives up before that. */
  call(asked: Asked, caller: TunnelCaller): () => void
}

/**
 * Why a call has broken. untouched: the container says, or must be taken to say, that it has done nothing for it. stale:
 * a connection that had carried others gave no word.
 */
export type Why = 'untouched' | 'stale' | 'other'

/** Raw field lists are name, value, name, value, … */
export interface Caller {
  opened(call: Call | Fault): void
  /** A 1xx but for 101. */
  interim(status: number, fields: readonly string[]): void
  /** The final head. @param last true where nothing follows it, neither body nor trailers */
  responded(status: number, fields: readonly string[], last: boolean): void
  data(chunk: Buffer): void
  /** Fields behind the body; answered() follows. */
  trailers(fields: readonly string[]): void
  /** The response is complete. */
  answered(): void
  /** The last word. */
  broken(fault: Fault, why: Why): void
  /** The container takes more again. */
  drained(): void
}

/** Who may ask for a tunnel. */
export interface TunnelCaller extends Caller {
  /** The container has switched to what the request asked for: from now on `call` is its side, and data() what it says. */
  switched(call: Call, fields: readonly string[], verdict: Verdict): void
}

export interface Call {
  /** @returns false where no more should come until drained() */
  send(chunk: Buffer): boolean
  /** The request is complete. */
  end(trailers: readonly string[]): void
  /** The client takes no more for now, or takes more again. */
  stop(): void
  go(): void
  /** Nobody is told any more, and the container is told that nobody waits. */
  cancel(): void
}
