// Is the container ready? Asked with the probes that its author declared, at most once at a time: who asks while a round
// runs shares its answer (knative/serving pkg/queue/readiness/probe.go).
//
// Connections come from the injected dialer. Behind a verified one a tcp probe therefore means handshake and verdict, and
// an http probe is sent only to a container that was judged. There an answer also holds for a moment, so that those who
// may ask cannot turn each question into a handshake.

import type { Clock } from '../base/clock.ts'
import { type AttemptMeans, attempt } from './attempt.ts'
import type { ReadinessCheck } from './checks.ts'
import type { Problem } from './words.ts'

export interface ReadinessOptions extends AttemptMeans {
  /** All must pass; an empty list is always ready. */
  readonly checks: readonly ReadinessCheck[]
  /** One try in aggressive mode, in milliseconds; a verified handshake needs more than a bare connect. */
  readonly aggressiveTryMs: number
  /** Why a round failed, for the operator. */
  readonly failed: (text: string) => void
}

/** Aggressive mode (periodSeconds 0): a try every 50 ms for up to 10 s, as the Go proxy does. */
const aggressive = { everyMs: 50, totalMs: 10_000 } as const

/** How long an answer holds behind a verified dialer. */
const answerMs = 50

/** Returns the function that asks. */
export function makeReadiness(options: ReadinessOptions): () => Promise<boolean> {
  const { clock, verified } = options
  const probes = options.checks.map(each => new Probe(each, options))
  let running: Promise<boolean> | undefined
  let last: { readonly answer: boolean; readonly until: number } | undefined

  async function round(): Promise<boolean> {
    const problems = (await Promise.all(probes.map(probe => probe.run()))).filter(each => each !== undefined)
    for (const problem of problems) options.failed(problem)
    const answer = problems.length === 0
    if (verified) last = { answer, until: clock.monotonic() + answerMs }
    return answer
  }

  return () => {
    if (running) return running
    if (last && clock.monotonic() < last.until) return Promise.resolve(last.answer)
    running = round().finally(() => {
      running = undefined
    })
    return running
  }
}

/** One declared probe. Its row of successes outlives a round, as in the Go proxy. */
class Probe {
  readonly #check: ReadinessCheck
  readonly #options: ReadinessOptions
  #successes = 0

  constructor(check: ReadinessCheck, options: ReadinessOptions) {
    this.#check = check
    this.#options = options
  }

  /** Why it failed, or undefined. */
  run(): Promise<Problem> {
    const { check, periodSeconds, timeoutSeconds } = this.#check
    return periodSeconds === 0 ? this.#poll() : attempt(check, timeoutSeconds * 1000, this.#options)
  }

  /** Tries start on a grid. One that takes longer is followed at once by the next; steps missed meanwhile are left out. */
  async #poll(): Promise<Problem> {
    const { clock, aggressiveTryMs } = this.#options
    const { everyMs, totalMs } = aggressive
    const end = clock.monotonic() + totalMs
    let due = clock.monotonic() + everyMs
    let failures = 0
    let lastProblem: Problem
    for (;;) {
      const problem = await attempt(this.#check.check, aggressiveTryMs, this.#options)
      if (problem === undefined) {
        this.#successes++
        if (this.#successes >= this.#check.successThreshold) return undefined
      } else {
        this.#successes = 0
        failures++
        lastProblem = problem
      }
      const now = clock.monotonic()
      if (now >= end) break
      await pause(clock, due - now)
      due += everyMs * (1 + Math.max(0, Math.floor((now - due) / everyMs)))
    }
    const over = 'context deadline exceeded'
    return lastProblem === undefined
      ? over
      : `aggressive probe error (failed ${failures} times): ${lastProblem}\n${over}`
  }
}

async function pause(clock: Clock, ms: number): Promise<void> {
  if (ms > 0) await new Promise<void>(resolve => clock.after(ms, resolve))
}
