// A connection to a container that may speak either version of HTTP: it chooses by ALPN, on the first connection, and is
// taken at its word until one cannot be had.

import { Fault } from '../../base/errors.ts'
import type { Dialer, DialHow, Link, Protocol } from '../dial.ts'
import type { Upstream } from './upstream.ts'
import type { Upstreams } from './upstreams.ts'

type Done = (outcome: Upstream | Link | Fault) => void

export class Discovery {
  readonly #dialer: Dialer
  readonly #upstreams: Upstreams
  readonly #fixed: Protocol | undefined
  #spoken: Protocol | undefined
  /** Those who came while the first connection was being opened. */
  #waiting: Set<() => void> | undefined

  /** @param fixed what the policy says that the container speaks; undefined: it says so itself */
  constructor(dialer: Dialer, upstreams: Upstreams, fixed: Protocol | undefined) {
    this.#dialer = dialer
    this.#upstreams = upstreams
    this.#fixed = fixed
    this.#spoken = fixed
  }

  /** What the container speaks, as far as it is known. */
  get spoken(): Protocol | undefined {
    return this.#spoken
  }

  /**
   * One connection, or room on one; told once, now or later. The returned function gives up.
   * @param how for a connection of HTTP/1.1
   */
  open(done: Done, how: DialHow): () => void {
    if (this.#spoken === 'h2') return this.#room(done)
    if (this.#spoken === 'http/1.1') return this.#dialer.dial(outcome => done(this.#seen(outcome)), how)
    if (!this.#waiting) return this.#ask(done)
    let giveUp = (): void => {
      this.#waiting?.delete(go)
    }
    const go = (): void => {
      giveUp = this.open(done, how)
    }
    this.#waiting.add(go)
    return () => giveUp()
  }

  #room(done: Done): () => void {
    const upstream = this.#upstreams.take()
    if (!upstream) return this.#upstreams.wait(outcome => done(this.#seen(outcome)))
    done(upstream)
    return () => {}
  }

  #ask(done: Done): () => void {
    const waiting = new Set<() => void>()
    this.#waiting = waiting
    let wanted = true
    const settle = (outcome: Upstream | Link | Fault): void => {
      this.#waiting = undefined
      if (wanted) done(outcome)
      else if (!(outcome instanceof Fault) && 'socket' in outcome) outcome.socket.destroy()
      for (const go of waiting) go()
    }
    this.#dialer.dial(
      outcome => {
        if (outcome instanceof Fault) {
          settle(outcome)
          return
        }
        // Where nothing was chosen it is what any server speaks that knows no ALPN.
        this.#spoken = outcome.protocol ?? 'http/1.1'
        if (this.#spoken === 'h2') this.#upstreams.adopt(outcome, each => settle(this.#seen(each)))
        else settle(outcome)
      },
      { offer: ['h2', 'http/1.1'], askHttp2: this.#upstreams.ask },
    )
    return () => {
      wanted = false
    }
  }

  /** A container that cannot be had may be another one next time. */
  #seen<T>(outcome: T | Fault): T | Fault {
    if (outcome instanceof Fault) this.#spoken = this.#fixed
    return outcome
  }
}
