// So many connections that are opened once and stay: what WebSockets, event streams and idle clients have in common.

import type { Socket } from 'node:net'
import { type Listener, open } from './connection.ts'
import type { Generator, Job, Outcome } from './job.ts'

const readyMs = 30_000
/** Opened at once; more would overflow a listener's backlog. */
const batch = 100

export abstract class Many implements Generator {
  protected readonly job: Job
  protected errors = 0
  protected firstError: string | undefined
  readonly #sockets = new Set<Socket>()
  #ready = 0
  #closing = false

  constructor(job: Job) {
    this.job = job
  }

  /** What one connection does. `ready` is called once, when it stands as the scenario wants it. */
  protected abstract attend(socket: () => Socket, ready: () => void): Pick<Listener, 'opened' | 'read'>
  abstract go(seconds: number): Promise<Outcome>

  /** @throws Error where the connections do not stand in time */
  async prepare(): Promise<void> {
    const until = Date.now() + readyMs
    for (let i = 0; i < this.job.connections; i++) {
      this.#open()
      while (i + 1 - this.#ready >= batch && Date.now() < until) await new Promise(resolve => setTimeout(resolve, 1))
    }
    while (this.#ready < this.job.connections) {
      if (Date.now() > until || this.errors > 0) {
        const why = this.firstError ?? `not within ${readyMs} ms`
        throw new Error(`${this.#ready} of ${this.job.connections} connections: ${why}`)
      }
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  }

  close(): void {
    this.#closing = true
    for (const socket of this.#sockets) socket.destroy()
  }

  protected get standing(): number {
    return this.#sockets.size
  }

  protected fail(why: string): void {
    this.errors++
    this.firstError ??= why
  }

  #open(): void {
    const attended = this.attend(
      () => socket,
      () => {
        this.#ready++
      },
    )
    const socket = open(this.job.port, this.job.tls, {
      ...attended,
      closed: why => {
        this.#sockets.delete(socket)
        if (!this.#closing) this.fail(why ?? 'closed by the peer')
      },
    })
    this.#sockets.add(socket)
  }
}
