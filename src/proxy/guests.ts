// Clients that were accepted by a certificate, for as long as what they were accepted by holds. Then their connections take
// no further request: one that waits is closed, one at work ends with its response, HTTP/2 says GOAWAY; a tunnel, or a
// response that is still under way, has a minute. Other collateral is another verdict: who has it no more leaves at once.

import type { TLSSocket } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import type { Chain } from '../base/peer-chain.ts'
import type { ClientIdentity } from '../gate/contract.ts'
import { at } from '../identity/rotate.ts'

/** A client that was accepted. */
export interface Guest {
  /** What it has shown. */
  readonly chain: Chain
  readonly identity: ClientIdentity
}

export interface GuestJudge {
  /** Counts what makes verdicts old. */
  generation(): number
  /** Judges once more what a client had shown. Never rejects. */
  again(chain: Chain): Promise<ClientIdentity | 'refused'>
}

interface Kept {
  readonly chain: Chain
  /** The engine's, which sees what it has become. */
  readonly client: { text: string; until: number }
  generation: number
  readonly retire: () => void
  cancel: () => void
}

const lookEveryMs = 5_000
const lastMs = 60_000

export class Guests {
  readonly #judge: GuestJudge
  readonly #clock: Clock
  readonly #in = new Map<TLSSocket, Kept>()
  #looking = false
  readonly #stop: () => void

  constructor(judge: GuestJudge, clock: Clock) {
    this.#judge = judge
    this.#clock = clock
    this.#stop = clock.every(lookEveryMs, () => void this.#look())
  }

  /**
   * Lets one in.
   * @param generation what it was when it was judged
   * @param accept hands the connection over; what it returns lets it end
   */
  add(
    socket: TLSSocket,
    { chain, identity }: Guest,
    generation: number,
    accept: (client: ClientIdentity) => () => void,
  ): void {
    const client = { ...identity }
    const kept: Kept = { chain, client, generation, retire: accept(client), cancel: () => {} }
    this.#in.set(socket, kept)
    this.#schedule(socket, kept)
    socket.on('close', () => {
      kept.cancel()
      this.#in.delete(socket)
    })
  }

  /** Looks after nobody any more. */
  close(): void {
    this.#stop()
    for (const { cancel } of this.#in.values()) cancel()
  }

  #schedule(socket: TLSSocket, kept: Kept): void {
    const { until } = kept.client
    kept.cancel()
    const end = (): void => this.#end(socket, kept)
    const cancels = [at(this.#clock, until, end), at(this.#clock, until + lastMs, end)]
    kept.cancel = () => {
      for (const cancel of cancels) cancel()
    }
  }

  /** Looked at against the clock: one that was put right has passed what no timer has seen. */
  #end(socket: TLSSocket, { client: { until }, retire }: Kept): void {
    const now = this.#clock.now()
    if (now >= until + lastMs) socket.destroy()
    else if (now >= until) retire()
  }

  /** One after another: thousands may have come by the same certificate, and only the first of them costs anything. */
  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    for (const [socket, kept] of this.#in) {
      this.#end(socket, kept)
      const generation = this.#judge.generation()
      if (kept.generation === generation) continue
      kept.generation = generation
      const found = await this.#judge.again(kept.chain)
      if (socket.destroyed) continue
      if (found === 'refused') socket.destroy()
      else {
        Object.assign(kept.client, found)
        this.#schedule(socket, kept)
      }
    }
    this.#looking = false
  }
}
