// Requests without a pause, on connections that are kept and on new ones, and what came of them.

import type { Agent } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'

/** What a request found: where it was on a new connection, whose certificate. */
export interface Found {
  readonly status: number
  /** SHA-256 of the leaf, as it was shown on a new connection. */
  readonly leaf?: string
  /** Its end, milliseconds since the epoch. */
  readonly notAfter?: number
}

/** Who asks. */
export interface Asking {
  /** @param keepAlive keeps its one connection, or none */
  agent(keepAlive: boolean): Agent
  /** One request. @param agent undefined: on a connection of its own. Rejects where there is no answer. */
  ask(agent?: Agent): Promise<Found>
}

export interface Counts {
  /** Requests that were answered on connections that were kept, and on new ones. */
  readonly kept: number
  readonly fresh: number
  /** Those that were not answered with 200, but for `late`. */
  readonly failed: number
  /** Those that failed when the last certificate that was seen had ended. */
  readonly late: number
  /** Certificates that new connections were shown. */
  readonly certificates: number
  /** Connections of those who keep theirs. */
  readonly connections: number
  /** What failed first. */
  readonly problem?: string
}

export const keptVisitors = 4
const freshVisitors = 2
const restMs = 20

export class Load {
  readonly #client: Asking
  readonly #leaves = new Set<string>()
  #counts = { kept: 0, fresh: 0, failed: 0, late: 0, connections: 0 }
  #problem: string | undefined
  #lastEnd = Number.POSITIVE_INFINITY
  #going = false
  #visitors: Promise<void>[] = []

  constructor(client: Asking) {
    this.#client = client
  }

  /** Begins anew, with counts of zero. */
  begin(): Counts {
    this.#leaves.clear()
    this.#counts = { kept: 0, fresh: 0, failed: 0, late: 0, connections: 0 }
    this.#problem = undefined
    this.#lastEnd = Number.POSITIVE_INFINITY
    this.#going = true
    this.#visitors = [
      ...Array.from({ length: keptVisitors }, () => this.#keep()),
      ...Array.from({ length: freshVisitors }, () => this.#visit()),
    ]
    return this.counts()
  }

  counts(): Counts {
    const problem = this.#problem
    return { ...this.#counts, certificates: this.#leaves.size, ...(problem !== undefined && { problem }) }
  }

  /** Resolves when everything that was asked is answered. */
  async end(): Promise<Counts> {
    this.#going = false
    await Promise.all(this.#visitors)
    return this.counts()
  }

  async #keep(): Promise<void> {
    const agent = this.#client.agent(true)
    await this.#visit(agent)
    agent.destroy()
  }

  async #visit(agent?: Agent): Promise<void> {
    while (this.#going) {
      try {
        this.#answered(agent, await this.#client.ask(agent))
      } catch (error) {
        this.#failed(error instanceof Error ? error.message : String(error))
      }
      await delay(restMs)
    }
  }

  #answered(agent: Agent | undefined, { status, leaf, notAfter }: Found): void {
    if (agent && leaf !== undefined) this.#counts.connections += 1
    if (status !== 200) {
      this.#failed(`status ${status}`)
      return
    }
    this.#counts[agent ? 'kept' : 'fresh'] += 1
    if (agent || leaf === undefined || notAfter === undefined) return
    this.#leaves.add(leaf)
    this.#lastEnd = notAfter
  }

  #failed(problem: string): void {
    if (Date.now() >= this.#lastEnd) {
      this.#counts.late += 1
      return
    }
    this.#counts.failed += 1
    this.#problem ??= problem
  }
}
