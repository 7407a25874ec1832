// Answers to challenges, at a rate that is ours and not the asker's: a quote holds up the whole process and the platform's
// quoting enclave, so each one spends a token, and all who wait meanwhile share the next. Nothing that an asker chooses is
// quoted as such: report data are made in attest/bind.ts alone, from a map that says `challenge`.

import { maxChannels, type OwnClaims } from '../attest/bind.ts'
import { makeAnswer } from '../attest/challenge.ts'
import type { QuoteSource } from '../attest/evidence.ts'
import type { Clock } from '../base/clock.ts'

export interface AnswererOptions {
  readonly source: QuoteSource
  /** What the certificates say as well. */
  readonly claims: Pick<OwnClaims, 'role' | 'policyDigest' | 'service'>
  readonly clock: Clock
  /** Quotes that a burst may have. */
  readonly burst?: number
  /** Quotes a second after that. */
  readonly perSecond?: number
}

interface Waiting {
  /** Of the certificate that the connection was opened with: hex of the DER. */
  readonly spki: string
  readonly channel: Uint8Array
  readonly resolve: (answer: Uint8Array) => void
  readonly reject: (error: unknown) => void
}

export class Answerer {
  readonly #options: AnswererOptions
  readonly #burst: number
  readonly #perSecond: number
  #waiting: Waiting[] = []
  #tokens: number
  #countedAt: number
  /** A quote is being made, or waited for. */
  #busy = false

  constructor(options: AnswererOptions) {
    this.#options = options
    this.#burst = options.burst ?? 3
    this.#perSecond = options.perSecond ?? 1
    this.#tokens = this.#burst
    this.#countedAt = options.clock.monotonic()
  }

  /**
   * Evidence for one connection.
   * @param spki DER SubjectPublicKeyInfo of the certificate that it was opened with
   * @param channel 32 bytes of its exporter
   * @returns undefined where as many wait as one quote can serve; rejects with Fault 'tee-unavailable'
   */
  answer(spki: Uint8Array, channel: Uint8Array): Promise<Uint8Array> | undefined {
    if (this.#waiting.length >= maxChannels) return undefined
    const answer = new Promise<Uint8Array>((resolve, reject) => {
      this.#waiting.push({ spki: Buffer.from(spki).toString('hex'), channel, resolve, reject })
    })
    this.#next()
    return answer
  }

  /** Makes a quote for all who wait, as soon as there is a token for it. */
  #next(): void {
    if (this.#busy || this.#waiting.length === 0) return
    this.#busy = true
    const go = (): void => {
      this.#busy = false
      this.#next()
    }
    const missing = 1 - this.#counted()
    if (missing > 0) {
      this.#options.clock.after(Math.ceil((missing / this.#perSecond) * 1000), go)
      return
    }
    this.#tokens -= 1
    this.#quote().finally(go)
  }

  #counted(): number {
    const now = this.#options.clock.monotonic()
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#countedAt) / 1000) * this.#perSecond)
    this.#countedAt = now
    return this.#tokens
  }

  /** One quote is about one key: whoever came by an older certificate has to wait for the next. */
  async #quote(): Promise<void> {
    const { source, claims } = this.#options
    const spki = this.#waiting[0]?.spki ?? ''
    const served = this.#waiting.filter(each => each.spki === spki)
    this.#waiting = this.#waiting.filter(each => each.spki !== spki)
    try {
      const channels = served.map(each => each.channel)
      const answer = await makeAnswer(source, { ...claims, spki: new Uint8Array(Buffer.from(spki, 'hex')), channels })
      for (const each of served) each.resolve(answer)
    } catch (error) {
      for (const each of served) each.reject(error)
    }
  }
}
