// A connection for who has its own ways with it, such as a probe. Where a challenge was asked in HTTP/2 the connection is
// that session's for good, so another one is dialed, which the dialer hands over unasked: this certificate has just
// answered. That takes a dialer with `freshForMs`.

import type { Socket } from 'node:net'
import { describe, Fault } from '../base/errors.ts'
import type { AskHttp2, Dialer, Link, Protocol } from './dial.ts'
import type { Owner } from './h2/upstream.ts'

const nobody: Owner = { roomier() {}, gone() {} }

/** @param authority what the container is called where it is asked */
export function dialUnused(
  dialer: Dialer,
  offer: readonly Protocol[],
  authority: string,
  done: (outcome: Link | Fault) => void,
): () => void {
  const asked = new WeakSet<Socket>()
  const askHttp2: AskHttp2 = async (socket, challenge, told) => {
    asked.add(socket)
    try {
      const { ask } = await import('./h2/question.ts')
      ask(socket, challenge, authority, nobody, told)
    } catch (error) {
      told(describe(error))
    }
  }
  function dial(again: boolean): () => void {
    return dialer.dial(
      outcome => {
        if (outcome instanceof Fault || !asked.has(outcome.socket)) {
          done(outcome)
          return
        }
        outcome.socket.destroy()
        if (again) giveUp = dial(false)
        else
          done(
            new Fault('upstream-untrusted', 'the container showed another certificate than it had just answered with'),
          )
      },
      { offer, askHttp2 },
    )
  }
  let giveUp = dial(true)
  return () => giveUp()
}
