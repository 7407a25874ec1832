// Two wires joined after a 101. Bytes go both ways with back-pressure until either end is done; then what is pending
// leaves and both are closed, as the Go proxy does.

import type { Ear, Wire } from './wire.ts'

export interface TunnelReports {
  readonly received: (bytes: number) => void
  readonly sent: (bytes: number) => void
  /** Once, when both ends are gone. */
  readonly closed: () => void
}

/** Who owned a wire before, and still wants to hear that it has closed. */
interface End extends Ear {
  readonly wire: Wire
}

export class Tunnel {
  readonly #client: End
  readonly #upstream: End
  readonly #reports: TunnelReports
  #open = 2
  #ending = false

  constructor(client: End, upstream: End, reports: TunnelReports) {
    this.#client = client
    this.#upstream = upstream
    this.#reports = reports
  }

  /** Takes both wires over. @param early what came from the client, and from the container, behind the switch */
  start(early: Buffer, answered: Buffer): void {
    this.#join(this.#client, this.#upstream.wire, this.#reports.received)
    this.#join(this.#upstream, this.#client.wire, this.#reports.sent)
    if (early.length > 0) this.#client.wire.ear.bytes(early)
    if (answered.length > 0) this.#upstream.wire.ear.bytes(answered)
  }

  /** Breaks off. */
  destroy(): void {
    this.#ending = true
    this.#client.wire.destroy()
    this.#upstream.wire.destroy()
  }

  #join(from: End, to: Wire, count: (bytes: number) => void): void {
    from.wire.ear = {
      bytes: chunk => {
        count(chunk.length)
        if (!to.give(chunk)) from.wire.pause()
        to.keepFrom(from.wire)
      },
      // Told of this wire: what it took from the other side has left.
      drained: () => (from === this.#client ? this.#upstream : this.#client).wire.resume(),
      ended: () => this.#end(),
      closed: code => {
        from.closed(code)
        this.#end()
        this.#open--
        if (this.#open === 0) this.#reports.closed()
      },
    }
    from.wire.resume()
  }

  #end(): void {
    if (this.#ending) return
    this.#ending = true
    this.#client.wire.close()
    this.#upstream.wire.close()
  }
}
