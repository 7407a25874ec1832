// The token that we hold, while we hold one: from a login to the end of its lease, renewed when it is needed in the second
// half of it. Nothing renews in the background: a token that nobody needs had better end.

import type { Json } from '../../base/json.ts'
import { accepted, callVault, malformed, objectIn, type VaultAnswer, type VaultCall, type VaultServer } from './call.ts'
import { loginCall, type VaultLogin } from './login.ts'

interface Held {
  readonly token: string
  /** What the login showed: some methods renew only for who shows it again. */
  readonly credential: VaultCall['credential']
  /** Milliseconds since the epoch. */
  readonly renewAt: number
  readonly until: number
  readonly renewable: boolean
}

const forbidden = 403

export class VaultSession {
  readonly #server: VaultServer
  readonly #login: VaultLogin
  #held: Held | undefined

  constructor(server: VaultServer, login: VaultLogin) {
    this.#server = server
    this.#login = login
  }

  /**
   * Asks with a token; where a held one is refused, once more with a new one, since it may have been revoked.
   * @throws Fault as callVault and accepted
   */
  async ask(call: VaultCall, signal: AbortSignal): Promise<VaultAnswer> {
    const before = this.#held
    const held = await this.#token(signal)
    const answer = await callVault(this.#server, { ...call, token: held.token }, signal)
    if (answer.status !== forbidden) return answer
    this.#held = undefined
    if (held !== before) return answer
    const anew = await this.#token(signal)
    return callVault(this.#server, { ...call, token: anew.token }, signal)
  }

  async #token(signal: AbortSignal): Promise<Held> {
    const now = this.#server.clock.now()
    const held = this.#held
    if (held && now < held.renewAt) return held
    if (held?.renewable && now < held.until) {
      const renewed = await this.#renew(held, signal)
      if (renewed) return renewed
    }
    this.#held = undefined
    const call = await loginCall(this.#login, this.#server.clock)
    const answer = accepted(await callVault(this.#server, call, signal), call.path)
    this.#held = this.#leased(answer, call)
    return this.#held
  }

  /** Undefined where the server will not have it: a login says the rest. */
  async #renew(held: Held, signal: AbortSignal): Promise<Held | undefined> {
    const call = { path: 'auth/token/renew-self', body: {}, token: held.token, credential: held.credential }
    const answer = await callVault(this.#server, call, signal)
    if (answer.status !== 200) return undefined
    this.#held = this.#leased(answer.body, call)
    return this.#held
  }

  #leased(body: VaultAnswer['body'], { path, credential }: VaultCall): Held {
    const auth = objectIn(body, 'auth', path)
    const { client_token: token, lease_duration: seconds, renewable } = auth
    if (typeof token !== 'string' || !/^[\x21-\x7e]{1,8192}$/.test(token)) throw malformed(path, 'no client_token')
    const leaseMs = leaseOf(seconds, path)
    const now = this.#server.clock.now()
    return {
      token,
      credential,
      renewAt: now + leaseMs / 2,
      until: now + leaseMs,
      // The plug-in compares the evidence of a renewal with a measurement, which it never is.
      renewable: renewable === true && this.#login.kind !== 'sgx',
    }
  }
}

/** Milliseconds; a lease of nothing never ends, as root's. */
function leaseOf(seconds: Json | undefined, path: string): number {
  if (typeof seconds !== 'number' || !(seconds >= 0)) throw malformed(path, 'no lease_duration')
  return seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1000
}
