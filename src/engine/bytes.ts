// The default engine: HTTP/1.1 over bytes. Heads are read and spliced where they lie, each message leaves in one write
// where it can, and a request costs no stream, no timer and no object per field.

import type { Socket } from 'node:net'
import type { Gate, Peer } from '../gate/contract.ts'
import { Client } from './bytes/client.ts'
import { fastWires } from './bytes/handle-wire.ts'
import { Out } from './bytes/out.ts'
import { Pool } from './bytes/pool.ts'
import { StreamWire } from './bytes/stream-wire.ts'
import { Strip } from './bytes/strip.ts'
import type { MakeWire } from './bytes/wire.ts'
import type { Engine, EngineOptions } from './engine.ts'
import { Waiting } from './waiting.ts'

/** How often connections without a request are looked at. */
const sweepMs = 1_000

/** How sockets are read and written. `handles` falls back to `streams` on a Node that it was never tested on. */
export type Sockets = 'handles' | 'streams'

const streams: MakeWire = (socket, ear, intake) => new StreamWire(socket, ear, intake)

export function makeBytesEngine(gate: Gate, options: EngineOptions, sockets: Sockets = 'handles'): Engine {
  const handles = sockets === 'handles' ? fastWires() : undefined
  const makeWire = handles ?? streams
  const clients = new Set<Client>()
  const pool = new Pool(options.dialer, options.clock, options.maxIdleUpstream, makeWire, options.bridge)
  const waiting = new Waiting(
    () => [...clients].some(client => client.busy),
    () => clients.size > 0,
  )
  const shared = {
    gate,
    options,
    pool,
    strip: new Strip(options.strip),
    up: new Out(),
    down: new Out(),
    draining: false,
    changed: waiting.changed,
  }

  const stopSweep = options.clock.every(sweepMs, () => {
    const now = options.clock.monotonic()
    for (const client of clients) if (client.overdue(now, options.idleConnectionMs)) client.destroy()
    pool.sweep()
  })

  function gone(client: Client): void {
    clients.delete(client)
    waiting.changed()
  }

  return {
    name: handles ? 'bytes over handles' : 'bytes over streams',
    accept(socket: Socket, from: Peer) {
      const client = new Client(ear => makeWire(socket, ear), from, shared, gone)
      clients.add(client)
      return () => client.retire()
    },
    drain() {
      shared.draining = true
      for (const client of clients) client.retire()
    },
    drained: () => waiting.drained(),
    async closed() {
      await waiting.closed()
      stopSweep()
      pool.destroy()
    },
    destroy() {
      for (const client of clients) client.destroy()
      stopSweep()
      pool.destroy()
    },
  }
}
