// The three timeouts of a request, all served by one ticker (knative/serving pkg/http/handler/timeout.go): the whole
// request, the time to the first response byte, and the longest gap between bytes towards the client. Every kind has one
// duration for all requests, so each line is in order of expiry and a tick looks only at the front.

import type { Clock } from '../base/clock.ts'
import { type Place, Queue } from '../base/queue.ts'

export type Deadline = 'request' | 'response-start' | 'idle'

export interface DeadlineOptions {
  /** From arrival, queueing included. 0 expires at the first tick, as the Go proxy's does. */
  readonly requestMs: number
  /** From arrival to the first interim or final head; 0 = off. */
  readonly responseStartMs: number
  /** Between bytes towards the client, from arrival on; 0 = off. */
  readonly idleMs: number
}

/** How late a deadline may be. */
const tickMs = 50

/** Who has deadlines. */
export interface Expiring {
  /** Told once for each deadline that passes, until disarm(). */
  expired(deadline: Deadline): void
}

/** One request's deadlines. */
export class Timed {
  readonly who: Expiring
  readonly arrivedAt: number
  movedAt: number
  request: Place<Timed> | undefined
  start: Place<Timed> | undefined
  idle: Place<Timed> | undefined

  constructor(arrivedAt: number, who: Expiring) {
    this.arrivedAt = arrivedAt
    this.movedAt = arrivedAt
    this.who = who
  }
}

interface Track {
  readonly deadline: Deadline
  readonly ms: number
  readonly line: Queue<Timed>
}

export class Deadlines {
  readonly #clock: Clock
  readonly #request: Track
  readonly #start: Track | undefined
  readonly #idle: Track | undefined
  readonly #tracks: readonly Track[]
  #stopTicker: (() => void) | undefined

  constructor(options: DeadlineOptions, clock: Clock) {
    this.#clock = clock
    const track = (deadline: Deadline, ms: number): Track => ({ deadline, ms, line: new Queue<Timed>() })
    this.#request = track('request', options.requestMs)
    this.#start = options.responseStartMs > 0 ? track('response-start', options.responseStartMs) : undefined
    this.#idle = options.idleMs > 0 ? track('idle', options.idleMs) : undefined
    this.#tracks = [this.#request, this.#start, this.#idle].filter(each => each !== undefined)
  }

  /** Starts all deadlines of a request. */
  arm(who: Expiring): Timed {
    const timed = new Timed(this.#clock.monotonic(), who)
    timed.request = this.#request.line.push(timed)
    timed.start = this.#start?.line.push(timed)
    timed.idle = this.#idle?.line.push(timed)
    this.#stopTicker ??= this.#clock.every(tickMs, () => this.#tick())
    return timed
  }

  /** A response has begun: its start is no longer waited for. */
  begun(timed: Timed): void {
    if (timed.start) this.#start?.line.remove(timed.start)
  }

  /** Bytes moved: the idle deadline starts anew. */
  moved(timed: Timed): void {
    if (!this.#idle || !timed.idle) return
    timed.movedAt = this.#clock.monotonic()
    this.#idle.line.renew(timed.idle)
  }

  /** Takes all deadlines back. */
  disarm(timed: Timed): void {
    if (timed.request) this.#request.line.remove(timed.request)
    if (timed.start) this.#start?.line.remove(timed.start)
    if (timed.idle) this.#idle?.line.remove(timed.idle)
  }

  #tick(): void {
    const now = this.#clock.monotonic()
    for (const { deadline, ms, line } of this.#tracks) {
      for (let timed = line.first; timed; timed = line.first) {
        const since = deadline === 'idle' ? timed.movedAt : timed.arrivedAt
        if (since + ms > now) break
        line.shift()
        timed.who.expired(deadline)
      }
    }
    // An idle proxy has nothing to wake up for; inside an enclave every wake-up is an exit.
    if (this.#tracks.every(track => track.line.size === 0)) {
      this.#stopTicker?.()
      this.#stopTicker = undefined
    }
  }
}
