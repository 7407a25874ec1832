// A clock whose durations survive a leap. Under Gramine every clock of Node's is the host's time of day: a step forward
// makes all timers fall due at once, and every deadline with them. What lies between two looks at the clock counts for
// a few seconds at most here, so a leap is a pause; so is a process that was stopped.
//
// It cannot help against a clock that runs too slowly or too fast: whoever keeps our clock can stretch every deadline.

import type { Clock } from './clock.ts'

/** Longer than this nobody looks away: the ticker sees to it, and an event loop that is blocked so long is ill anyway. */
const longestMs = 5_000
const lookEveryMs = 1_000

/** The same clock with durations that do not leap. The time of day is left as it is. */
export function steadyClock(inner: Clock): Clock {
  let seen = inner.monotonic()
  let lost = 0

  function monotonic(): number {
    const now = inner.monotonic()
    if (now - seen > longestMs) lost += now - seen - lookEveryMs
    seen = now
    return now - lost
  }

  inner.every(lookEveryMs, monotonic)

  return {
    now: () => inner.now(),
    monotonic,
    after(ms, run) {
      const due = monotonic() + ms
      let cancel = (): void => {}
      const wake = (): void => {
        const left = due - monotonic()
        // A timer of Node's may be a fraction of a millisecond early.
        if (left < 1) run()
        else cancel = inner.after(left, wake)
      }
      cancel = inner.after(ms, wake)
      return () => cancel()
    },
    every: (ms, run) => inner.every(ms, run),
  }
}
