// HTTP/2 from clients: prior knowledge and `Upgrade: h2c` on the plain port, ALPN on the TLS port. Streams in, streams out,
// over the stream API of node:http2; its compatibility layer is not used.

import type { Socket } from 'node:net'
import type { Gate, Peer } from '../gate/contract.ts'
import type { Engine, EngineOptions } from './engine.ts'
import { Connection } from './h2/connection.ts'
import { StreamReach } from './h2/reach.ts'
import { Upstreams } from './h2/upstreams.ts'

/** How often connections without a request are looked at. */
const sweepMs = 1_000

export function makeHttp2Engine(gate: Gate, options: EngineOptions): Engine {
  const connections = new Set<Connection>()
  const upstreams = new Upstreams(options.dialer, options.clock, options.authority)
  const onDrained: (() => void)[] = []
  const onClosed: (() => void)[] = []
  let draining = false
  const reach = new StreamReach(upstreams, options)
  const shared = { gate, options, reach, strip: new Set(options.strip), changed: look }

  /** Lets go of who waits for the end of requests, or of connections. */
  function look(): void {
    for (const connection of connections) if (connection.busy) return
    for (const resolve of onDrained.splice(0)) resolve()
    if (connections.size > 0) return
    for (const resolve of onClosed.splice(0)) resolve()
  }

  const stopSweep = options.clock.every(sweepMs, () => {
    const now = options.clock.monotonic()
    for (const connection of connections) if (connection.overdue(now, options.idleConnectionMs)) connection.close()
    upstreams.sweep()
  })

  function gone(connection: Connection): void {
    connections.delete(connection)
    look()
  }

  return {
    name: 'http2',
    accept(socket: Socket, from: Peer) {
      const connection = new Connection(socket, from, shared, gone)
      connections.add(connection)
      if (draining) connection.leave()
    },
    drain() {
      draining = true
      for (const connection of connections) connection.leave()
    },
    drained() {
      const drained = new Promise<void>(resolve => onDrained.push(resolve))
      look()
      return drained
    },
    async closed() {
      const closed = new Promise<void>(resolve => onClosed.push(resolve))
      look()
      await closed
      stopSweep()
      upstreams.destroy()
    },
    destroy() {
      for (const connection of connections) connection.destroy()
      stopSweep()
      upstreams.destroy()
    },
  }
}
