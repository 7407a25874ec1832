// Renewal: asks an issuer for a credential now, and again when two thirds of each one's life are over.
//
// A failure is reported and tried again, sooner at first; it never ends the sequence and never reaches whoever shows
// the standing credential. Ends with the signal, leaving no timer. Sleeps are cut into hours: setTimeout overflows at
// 25 days, and inside an enclave the host may move the clock under a long one.

import type { Clock } from '../base/clock.ts'
import { describe, Fault } from '../base/errors.ts'
import { chance, retryAfter } from '../base/retry.ts'
import { type Credential, checkCredential } from './credential.ts'

export interface RotateOptions {
  /** Makes one credential; the signal is the rotation's own. */
  readonly issue: (signal: AbortSignal) => Promise<Credential>
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Told of every failed attempt and the milliseconds until the next. */
  readonly failed: (fault: Fault, retryInMs: number) => void
  /** Uniform in [0, 1), for jitter. */
  readonly random?: () => number
}

const longestSleepMs = 3_600_000

/** Credentials that passed checkCredential, one per renewal. Never throws. */
export async function* rotate(options: RotateOptions): AsyncGenerator<Credential, void, void> {
  const { issue, clock, signal, failed, random = chance } = options
  let failures = 0
  let mostMs = Number.POSITIVE_INFINITY
  const pauseMs = (): number => Math.min(retryAfter(failures, random()), mostMs)
  while (!signal.aborted) {
    try {
      const credential = await orAbort(issue(signal), signal)
      if (credential === undefined) return
      checkCredential(credential, clock.now())
      mostMs = longestPause(credential)
      const due = dueAt(credential, random())
      if (due > clock.now()) {
        failures = 0
        yield credential
        await sleepUntil(clock, due, signal)
      } else {
        // Handed out with most of its life over: usable, but asking again at once would be a storm.
        yield credential
        failures += 1
        await sleepUntil(clock, clock.now() + pauseMs(), signal)
      }
    } catch (error) {
      if (signal.aborted) return
      failures += 1
      const retryInMs = pauseMs()
      failed(asFault(error), retryInMs)
      await sleepUntil(clock, clock.now() + retryInMs, signal)
    }
  }
}

/**
 * When a credential is renewed: at two thirds of its life, or up to a tenth of its life sooner, so that pods which
 * started together do not ask together.
 * @param random in [0, 1)
 * @returns milliseconds since the epoch
 */
export function dueAt(credential: Pick<Credential, 'notBefore' | 'notAfter'>, random: number): number {
  const life = credential.notAfter - credential.notBefore
  return Math.floor(credential.notBefore + life * (2 / 3 - random / 10))
}

/** A short life leaves little time between its second third and its end: a twentieth of it, and at least a second. */
function longestPause({ notBefore, notAfter }: Credential): number {
  return Math.max(1_000, (notAfter - notBefore) / 20)
}

/**
 * Calls back once `clock.now()` has reached `time`, however far away that is.
 * @returns takes it back
 */
export function at(clock: Clock, time: number, run: () => void): () => void {
  let cancel = (): void => {}
  const step = (): void => {
    const left = time - clock.now()
    if (left <= 0) run()
    else cancel = clock.after(Math.min(left, longestSleepMs), step)
  }
  cancel = clock.after(Math.min(Math.max(0, time - clock.now()), longestSleepMs), step)
  return () => cancel()
}

/** Resolves at `time` or when the signal aborts, whichever comes first. Never rejects. */
export function sleepUntil(clock: Clock, time: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve()
    const wake = (): void => {
      cancel()
      signal.removeEventListener('abort', wake)
      resolve()
    }
    const cancel = at(clock, time, wake)
    signal.addEventListener('abort', wake, { once: true })
  })
}

/** The promise's value, or undefined once the signal aborts: an issuer that hangs must not hold up the end. */
function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const leave = (): void => resolve(undefined)
    if (signal.aborted) leave()
    signal.addEventListener('abort', leave, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}

/** Any error as a Fault: an issuer's own, else 'credential-invalid' that says what may be said of it. */
export function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error
  return new Fault('credential-invalid', `no credential was issued: ${describe(error)}`, { cause: error })
}
