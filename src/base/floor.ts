// The earliest that it can be. The host keeps our clock, and would set it back to a day on which an old revocation list
// still held. What somebody whom we trust has signed with a date cannot have been signed before it: from then on it is
// that late at least, and later by what has passed since.
//
// The host's own word never lifts the floor: a clock that leapt forward by mistake would leave us in the future for good.
// Limits: whoever starts us anew starts at the floor of the build, and a clock that is merely slow or ahead is believed.

import type { Clock } from './clock.ts'

export interface FloorClock extends Clock {
  /** It is this late at least. @param signed a date under a signature that was verified; milliseconds since the epoch */
  raise(signed: number): void
  /** How far the host's clock lies below what it can be, in milliseconds; 0: it does not. */
  behind(): number
}

/**
 * The clock, never below the floor.
 * @param floor a moment that has certainly passed, in milliseconds since the epoch
 */
export function floorClock(inner: Clock, floor: number): FloorClock {
  let known = floor
  let knownSince = inner.monotonic()
  const lowest = (): number => known + inner.monotonic() - knownSince

  return {
    monotonic: () => inner.monotonic(),
    after: (ms, run) => inner.after(ms, run),
    every: (ms, run) => inner.every(ms, run),
    now: () => Math.max(inner.now(), Math.floor(lowest())),
    behind: () => Math.max(0, lowest() - inner.now()),
    raise(signed) {
      // Written so that a date which is no number raises nothing.
      if (!(signed > lowest())) return
      known = signed
      knownSince = inner.monotonic()
    },
  }
}
