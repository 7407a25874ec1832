// What every engine is given and must do. An engine moves bytes between a client whose TLS has been ended and the
// container, and decides nothing: the gate does.

import type { Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import type { Fault } from '../base/errors.ts'
import type { Gate, Peer, Verdict } from '../gate/contract.ts'
import type { Ear, Wire } from './bytes/wire.ts'
import type { Dialer, DialHow, Link } from './dial.ts'

export interface Engine {
  /** For the log: which engine, over what. */
  readonly name: string
  /**
   * Takes over a connection whose TLS, if any, has been ended.
   * @returns lets it end as drain() lets all of them: at once where it is idle, else with the response that is under way
   */
  accept(socket: Socket, from: Peer): () => void
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
  /** Whether clients of HTTP/2 may open tunnels (RFC 8441); absent: no, as in Go. */
  readonly extendedConnect?: boolean
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
  /** What connections without TLS are for; absent: requests. Probes need few streams and no switch of protocols. */
  readonly plaintext?: 'serve' | 'probes-only'
  /** Told of each connection or stream that was broken off because of what its client did. */
  readonly misbehaved?: (what: Misbehaviour) => void
  /** What the container is spoken to in; absent: mirror, which is what the client speaks, as in Knative. */
  readonly protocol?: 'mirror' | 'auto' | 'http/1.1' | 'h2'
  /** To a container that may speak HTTP/2, as if it spoke HTTP/1.1; absent: the dialer's sockets. */
  readonly bridge?: Bridge
  /** Where a plain connection goes that turns out to speak HTTP/2; absent: it is answered as HTTP/1.1 answers it. */
  readonly handOver?: HandOver
}

/**
 * - `protocol`: broke HTTP/2, or what it sets bounds to
 * - `reset-flood`: broke off streams as fast as it opened them (CVE-2023-44487)
 * - `stalled`: did not take an answer
 */
export type Misbehaviour = 'protocol' | 'reset-flood' | 'stalled'

/** A connection to the container that speaks HTTP/1.1 to us, over a socket or over streams of HTTP/2. */
export type Bridged = Link | { readonly verdict: Verdict; readonly wire: (ear: Ear) => Wire }

/** As Dialer.dial. */
export type Bridge = (done: (outcome: Bridged | Fault) => void, how: DialHow) => () => void

/** As Engine.accept. @param early what has come already, from the connection's first byte of HTTP/2 on */
export type HandOver = (socket: Socket, from: Peer, early: Buffer) => () => void

/** Limits of the Go proxy that all engines share (contract: net/http Server and Transport). */
export const limits = {
  /** Time for the first head, and for every later one from its first byte on. */
  headMs: 60_000,
  requestHeadBytes: 1 << 20,
  responseHeadBytes: 10 << 20,
  upstreamIdleMs: 90_000,
} as const
