// What every engine is given and must do. An engine moves bytes between a client whose TLS has been ended and the
// container, and decides nothing: the gate does.

import type { Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import type { Gate, Peer } from '../gate/contract.ts'
import type { Dialer } from './dial.ts'

export interface Engine {
  /** For the log: which engine, over what. */
  readonly name: string
  /** Takes over a connection whose TLS, if any, has been ended. */
  accept(socket: Socket, from: Peer): void
  /** From now on every response closes its connection, and idle connections are closed at once. */
  drain(): void
  /** Resolves when no request is left; tunnels may be. */
  drained(): Promise<void>
  /** Resolves when no connection is left. */
  closed(): Promise<void>
  /** Breaks off whatever is left. */
  destroy(): void
}

export type MakeEngine = (gate: Gate, options: EngineOptions) => Engine

export interface EngineOptions {
  readonly dialer: Dialer
  readonly clock: Clock
  /** Host that the container sees where the client sent none, `127.0.0.1:<USER_PORT>`. */
  readonly authority: string
  /** May this Upgrade token be tunnelled? Lower case. Anything else is answered as if there were no Upgrade. */
  readonly upgrades: (token: string) => boolean
  /**
   * True where a 101 to a websocket request is passed on whatever its Sec-WebSocket-Accept, as the Go proxy does. Only the
   * right answer proves that the container speaks websocket and not something that merely says 101.
   */
  readonly lenientWebSocket?: boolean
  /** Whether K-Original-Host becomes the Host; absent: yes, as in Knative. */
  readonly honourOriginalHost?: boolean
  /** Request fields that are removed besides the hop-by-hop ones, lower case. */
  readonly strip: readonly string[]
  /** Field that says who the client is, where it proved it; lower case, hyphens. Nobody else's copy of it passes. */
  readonly identityHeader?: string | undefined
  /** True where a response delimited by close may be passed on; on a TLS leg truncation cannot be told from its end. */
  readonly allowUnframed: boolean
  /** Idle connections to the container that are kept. */
  readonly maxIdleUpstream: number
  /** A client connection without a request is closed after this long; 0 keeps it, as the Go proxy does. */
  readonly idleConnectionMs: number
}

/** Limits of the Go proxy that all engines share (contract: net/http Server and Transport). */
export const limits = {
  /** Time for the first head, and for every later one from its first byte on. */
  headMs: 60_000,
  requestHeadBytes: 1 << 20,
  responseHeadBytes: 10 << 20,
  upstreamIdleMs: 90_000,
} as const
