// What lasts ends with the verdict about the container: tunnels a minute after it, responses in their own time, but
// not for ever. Connections that wait are asked before each request, and need no more.

import type { Verdict } from '../gate/contract.ts'
import type { EngineOptions } from './engine.ts'

const lookEveryMs = 5_000
/** For whoever talks through a tunnel whose verdict is over: time to open another. */
const graceMs = 60_000

/** A response may take as long as Knative lets any request take where nobody says otherwise. */
const responseGraceMs = 600_000

/** Since when a connection's verdict has not held. */
export class Lapse {
  #since: number | undefined

  /**
   * To be asked now and then.
   * @param valid whether the verdict holds
   * @param now by the monotonic clock, in ms
   * @returns true once even a response that is under way has had its time
   */
  isOver(valid: boolean, now: number): boolean {
    this.#since = valid ? undefined : (this.#since ?? now)
    return this.#since !== undefined && now - this.#since >= responseGraceMs
  }
}

/** What a request is told whose response was not done by then. */
export const lapsed = 'the verdict about the container has ended'

/**
 * Ends what outlives single requests a minute after the verdict about the container stops to hold: by its date, or
 * because other collateral came into force. Pooled connections need no such watch, they are asked before each request.
 * @param verdict undefined holds for nothing
 * @returns takes it back
 */
export function endWithVerdict(
  { dialer, clock }: Pick<EngineOptions, 'dialer' | 'clock'>,
  verdict: Verdict | undefined,
  end: () => void,
): () => void {
  let stop = clock.every(lookEveryMs, () => {
    if (verdict !== undefined && dialer.valid(verdict)) return
    stop()
    stop = clock.after(graceMs, end)
  })
  return () => stop()
}
