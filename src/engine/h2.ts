// HTTP/2 from clients: prior knowledge and `Upgrade: h2c` on the plain port, ALPN on the TLS port. Streams in, streams out,
// over the stream API of node:http2; its compatibility layer is not used.

import type { Socket } from 'node:net'
import { Fault } from '../base/errors.ts'
import type { Gate, Peer } from '../gate/contract.ts'
import { fastWires } from './bytes/handle-wire.ts'
import { Pool } from './bytes/pool.ts'
import { StreamWire } from './bytes/stream-wire.ts'
import type { Bridge, Engine, EngineOptions } from './engine.ts'
import { BridgeWire } from './h2/bridge-wire.ts'
import { Connection } from './h2/connection.ts'
import { Discovery } from './h2/discovery.ts'
import { Reaching } from './h2/reach.ts'
import { Upstream } from './h2/upstream.ts'
import { Upstreams } from './h2/upstreams.ts'
import { Waiting } from './waiting.ts'

/** How often connections without a request are looked at. */
const sweepMs = 1_000

/** What the container speaks by the policy; undefined: it says so itself. In its mirror, who speaks HTTP/2 meets the same. */
const spoken = { mirror: 'h2', h2: 'h2', 'http/1.1': 'http/1.1', auto: undefined } as const

export interface Http2Engine extends Engine {
  /** Lets clients of HTTP/1.1 reach a container that speaks HTTP/2. */
  readonly bridge: Bridge
}

export function makeHttp2Engine(gate: Gate, options: EngineOptions): Http2Engine {
  const connections = new Set<Connection>()
  const upstreams = new Upstreams(options.dialer, options.clock, options.authority)
  const waiting = new Waiting(
    () => [...connections].some(connection => connection.busy),
    () => connections.size > 0,
  )
  let draining = false
  const discovery = new Discovery(options.dialer, upstreams, spoken[options.protocol ?? 'mirror'])
  const makeWire = fastWires() ?? ((socket, ear, intake) => new StreamWire(socket, ear, intake))
  const pool = new Pool(options.dialer, options.clock, options.maxIdleUpstream, makeWire)
  const reach = new Reaching(options, discovery, pool)
  const shared = { gate, options, reach, strip: new Set(options.strip), changed: waiting.changed }

  const stopSweep = options.clock.every(sweepMs, () => {
    const now = options.clock.monotonic()
    for (const connection of connections) if (connection.overdue(now, options.idleConnectionMs)) connection.close()
    upstreams.sweep()
    reach.sweep()
  })

  function gone(connection: Connection): void {
    connections.delete(connection)
    waiting.changed()
  }

  return {
    name: 'http2',
    bridge: (done, how) =>
      discovery.open(outcome => {
        if (outcome instanceof Fault || !(outcome instanceof Upstream)) done(outcome)
        else done({ verdict: outcome.verdict, wire: ear => new BridgeWire(outcome, ear) })
      }, how),
    accept(socket: Socket, from: Peer) {
      if (socket.destroyed) return () => {}
      const connection = new Connection(socket, from, shared, gone)
      connections.add(connection)
      if (draining) connection.leave()
      return () => connection.leave()
    },
    drain() {
      draining = true
      for (const connection of connections) connection.leave()
    },
    drained: () => waiting.drained(),
    async closed() {
      await waiting.closed()
      stopSweep()
      upstreams.destroy()
      reach.destroy()
    },
    destroy() {
      for (const connection of connections) connection.destroy()
      stopSweep()
      upstreams.destroy()
      reach.destroy()
    },
  }
}
