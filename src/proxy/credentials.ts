// The credential of the moment, and every leaf of ours that is still valid: none of them is an acceptable container. Follows
// the keeper and lets TLS show what it holds.

import { createHash } from 'node:crypto'
import type { FaultCode } from '../base/errors.ts'
import { type Credential, withKeyPem } from '../identity/credential.ts'
import type { Keeper } from '../identity/keeper.ts'
import type { TlsListener } from './listeners.ts'

const forgetAfterMs = 24 * 3_600_000

export class Credentials {
  readonly leafSha256s = new Set<string>()
  /** When each of them ends. */
  readonly #ends = new Map<string, number>()
  #current: Credential | undefined
  #expired: FaultCode | undefined

  /** Why there was no new certificate when the last one ended; undefined while there is one, and before the first. */
  get expired(): FaultCode | undefined {
    return this.#expired
  }

  get current(): Credential | undefined {
    return this.#current
  }

  follow(keeper: Keeper, listener: TlsListener): void {
    keeper.onChange(standing => {
      this.#expired = standing.phase === 'expired' ? standing.fault.code : undefined
      if (standing.phase === 'expired') {
        this.#current = undefined
        listener.refuse()
      } else if (standing.phase === 'ready') {
        this.#current = standing.credential
        this.#remember(standing.credential)
        withKeyPem(standing.credential, pem => listener.show(pem))
      }
    })
  }

  /** A leaf is forgotten long after its end, when no clock takes it for valid: renewals may go on for years. */
  #remember({ chain, notBefore, notAfter }: Credential): void {
    for (const [leaf, end] of this.#ends) {
      if (end + forgetAfterMs > notBefore) continue
      this.#ends.delete(leaf)
      this.leafSha256s.delete(leaf)
    }
    const leaf = createHash('sha256').update(chain[0]).digest('hex')
    this.#ends.set(leaf, notAfter)
    this.leafSha256s.add(leaf)
  }
}
