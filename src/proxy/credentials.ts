// The credential of the moment, and every leaf that we have ever shown: none of them is an acceptable container. Follows
// the keeper and lets TLS show what it holds.

import { createHash } from 'node:crypto'
import { type Credential, withKeyPem } from '../identity/credential.ts'
import type { Keeper } from '../identity/keeper.ts'
import type { TlsListener } from './listeners.ts'

export class Credentials {
  readonly leafSha256s = new Set<string>()
  #current: Credential | undefined
  #expired = false

  /** True from the end of the last certificate until there is a new one. */
  get expired(): boolean {
    return this.#expired
  }

  get current(): Credential | undefined {
    return this.#current
  }

  follow(keeper: Keeper, listener: TlsListener): void {
    keeper.onChange(standing => {
      this.#expired = standing.phase === 'expired'
      if (standing.phase === 'expired') {
        this.#current = undefined
        listener.refuse()
      } else if (standing.phase === 'ready') {
        this.#current = standing.credential
        this.leafSha256s.add(createHash('sha256').update(standing.credential.chain[0]).digest('hex'))
        withKeyPem(standing.credential, pem => listener.show(pem))
      }
    })
  }
}
