// One connection to the container for one probe, through the injected dialer, and its end: whatever becomes of the probe,
// nothing is left open, and nothing lasts longer than it may.

import type { Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { describe, Fault } from '../base/errors.ts'
import { joinHostPort } from './words.ts'

/** Opens one connection; the returned function gives up. */
export type Dial = (done: (outcome: { readonly socket: Socket } | Fault) => void) => () => void

/** Versions of HTTP as ALPN names them, the best first. */
export type Offer = readonly ('h2' | 'http/1.1')[]

export interface Means {
  /** @param offer what is offered where the connection is TLS */
  readonly dial: (host: string, port: number, offer: Offer) => Dial
  readonly clock: Clock
  /** True where every socket is TLS towards a container that was judged. */
  readonly verified: boolean
}

export interface Place {
  readonly host: string
  readonly port: number
  /** Absent: HTTP/1.1. */
  readonly offer?: Offer
}

/** What is done with the connection. `done` may be called more than once; the first call counts. */
export interface Errand<T> {
  use(socket: Socket, done: (result: T) => void): void
  /** There is no connection, or `use` threw. */
  failed(text: string): T
  /** Time is over. */
  late(): T
}

/** When `timeoutMs` from now is over, by the monotonic clock. */
export function deadline(timeoutMs: number, clock: Clock): number {
  return clock.monotonic() + timeoutMs
}

/** Connects, runs the errand and closes, all before `until`. Never rejects. */
export function reach<T>(place: Place, until: number, means: Means, errand: Errand<T>): Promise<T> {
  const { host, port, offer = ['http/1.1'] } = place
  const { clock, dial } = means
  return new Promise(resolve => {
    let over = false
    let socket: Socket | undefined
    let giveUp = (): void => {}
    let stopTimer = (): void => {}
    const finish = (result: T): void => {
      if (over) return
      over = true
      stopTimer()
      giveUp()
      socket?.destroy()
      resolve(result)
    }
    const left = until - clock.monotonic()
    if (left <= 0) {
      finish(errand.late())
      return
    }
    if (left !== Number.POSITIVE_INFINITY) stopTimer = clock.after(left, () => finish(errand.late()))
    const open = (outcome: { readonly socket: Socket } | Fault): void => {
      if (outcome instanceof Fault) {
        finish(errand.failed(outcome.message))
        return
      }
      socket = outcome.socket
      // Stays: a late error of a closed socket concerns nobody.
      socket.on('error', () => {})
      if (over) socket.destroy()
      else attempt('', () => errand.use(outcome.socket, finish))
    }
    // What was declared may be unfit to be sent; that fails the probe and not the process.
    const attempt = (prefix: string, run: () => void): void => {
      try {
        run()
      } catch (error) {
        finish(errand.failed(`${prefix}${describe(error)}`))
      }
    }
    attempt(`dial tcp ${joinHostPort(host, port)}: `, () => {
      giveUp = dial(host, port, offer)(open)
    })
  })
}
