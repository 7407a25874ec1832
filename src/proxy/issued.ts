// The attesting CA as the proxy reaches it: a connection by the same dialer and the same judge as the container's, so that
// no request for a certificate is sent before its other end was judged.

import type { TLSSocket } from 'node:tls'
import { Fault } from '../base/errors.ts'
import type { Dialer } from '../engine/dial.ts'
import type { IssuedBy } from '../identity/issued-by.ts'

/** The CA that the policy names: how it is reached, and what it has told. */
export interface IssuerPart {
  readonly dialer: Dialer
  readonly issuedBy: IssuedBy
}

/**
 * One connection to whoever issues our certificate, judged.
 * @param issuer as messages name it: 'provision: host:port'
 * @throws Fault 'issuer-unavailable', 'issuer-untrusted'
 */
export function connectTo(dialer: Dialer, issuer: string, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const cancel = dialer.dial(outcome => {
      signal.removeEventListener('abort', leave)
      // Where the dialer has a judge, what it hands over is TLS.
      if ('socket' in outcome) resolve(outcome.socket as TLSSocket)
      else reject(recoded(outcome, issuer))
    })
    const leave = (): void => {
      cancel()
      reject(new Fault('issuer-unavailable', `${issuer}: given up`))
    }
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
  })
}

/** The dialer's words are about containers. */
function recoded({ code, message }: Fault, issuer: string): Fault {
  const untrusted = code === 'upstream-untrusted'
  return new Fault(untrusted ? 'issuer-untrusted' : 'issuer-unavailable', `${issuer}: ${message}`)
}
