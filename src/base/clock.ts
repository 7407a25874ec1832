// Time as an argument. Deadlines are served by one coarse ticker, so a request never costs a timer.

export interface Clock {
  /** Milliseconds since the epoch: the host's word inside an enclave. */
  now(): number
  /** Milliseconds that only grow, for durations. */
  monotonic(): number
  /** Calls back once, after at least `ms`; the returned function takes it back. Does not keep the process alive. */
  after(ms: number, run: () => void): () => void
  /** Calls back every `ms`; the returned function stops it. Does not keep the process alive. */
  every(ms: number, run: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
  every(ms, run) {
    const timer = setInterval(run, ms)
    timer.unref()
    return () => clearInterval(timer)
  },
}
