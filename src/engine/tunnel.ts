// Two sockets joined after a 101. Bytes go both ways with back-pressure until either end is done; then what is buffered
// is flushed and both are closed, as the Go proxy does.

import type { Socket } from 'node:net'
import type { Verdict } from '../gate/contract.ts'
import type { EngineOptions } from './engine.ts'

export interface TunnelReports {
  readonly received: (bytes: number) => void
  readonly sent: (bytes: number) => void
  /** Once, when both ends are gone. `left` tells whether the client was the first to break off. */
  readonly closed: (left: boolean) => void
}

const lookEveryMs = 5_000
/** For whoever talks through a tunnel whose verdict is over: time to open another. */
const graceMs = 60_000

/**
 * Ends what outlives single requests a minute after the verdict about the container stops to hold: by its date, or
 * because other collateral came into force. Pooled connections need no such watch, they are asked before each request.
 * @param verdict undefined holds for nothing
 * @returns takes it back
 */
export function endWithVerdict(
  { dialer, clock }: Pick<EngineOptions, 'dialer' | 'clock'>,
  verdict: Verdict | undefined,
  end: () => void,
): () => void {
  let stop = clock.every(lookEveryMs, () => {
    if (verdict !== undefined && dialer.valid(verdict)) return
    stop()
    stop = clock.after(graceMs, end)
  })
  return () => stop()
}

/** Joins the two; the returned function breaks the tunnel off. */
export function joinTunnel(client: Socket, upstream: Socket, reports: TunnelReports): () => void {
  let open = 2
  let left: boolean | undefined

  function pump(from: Socket, to: Socket, count: (bytes: number) => void): void {
    from.on('data', (chunk: Buffer) => {
      count(chunk.length)
      if (!to.write(chunk)) from.pause()
    })
    to.on('drain', () => from.resume())
    from.on('end', () => finish(from === client))
    from.on('error', () => finish(from === client))
    const gone = (): void => {
      finish(from === client)
      open--
      if (open === 0) reports.closed(left === true)
    }
    // A side may be gone before the two are joined; its 'close' does not come again.
    if (from.closed) queueMicrotask(gone)
    else from.on('close', gone)
    from.resume()
  }

  function finish(byClient: boolean): void {
    if (left !== undefined) return
    left = byClient
    client.destroySoon()
    upstream.destroySoon()
  }

  pump(client, upstream, reports.received)
  pump(upstream, client, reports.sent)
  return () => {
    left ??= false
    client.destroy()
    upstream.destroy()
  }
}
