// What outlives single requests ends with the verdict about the container.

import type { Verdict } from '../gate/contract.ts'
import type { EngineOptions } from './engine.ts'

const lookEveryMs = 5_000
/** For whoever talks through a tunnel whose verdict is over: time to open another. */
const graceMs = 60_000

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
