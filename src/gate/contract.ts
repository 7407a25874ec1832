// The whole agreement between deciding (the gate) and moving bytes (an engine), types only.
// Orders that come at once are returned, so that nothing re-enters an engine; orders that come later go through the
// Driver and are never given inside enter() or inside a Ticket's call.

import type { Fault } from '../base/errors.ts'

/** The other end of a client connection. */
export interface Peer {
  /** IP address as the kernel gave it; hearsay inside an enclave, never an authentication input. */
  readonly address: string
  readonly port?: number
  /** True where we ended TLS on this connection. */
  readonly secure: boolean
  /** Who proved itself with a certificate that the policy accepts; undefined where nobody was asked, or nobody answered. */
  readonly client?: ClientIdentity | undefined
}

export interface ClientIdentity {
  /** For the container: an RFC 9651 dictionary. */
  readonly text: string
  /** Milliseconds since the epoch; what proved it holds no longer, and no request that begins later is served. */
  readonly until: number
}

/** A view of one request's head. It builds nothing until asked. */
export interface RequestHead {
  readonly method: string
  /** Request target, byte for byte, one character per byte (latin1). */
  readonly target: string
  readonly version: '1.0' | '1.1' | '2'
  readonly from: Peer
  /** True where the client asks to switch protocols and the engine would let it. */
  readonly upgrade: boolean
  /** First value of a field, by its lower-case name. */
  header(lowerName: string): string | undefined
}

/** An answer that the gate makes itself. Content-Length is the engine's business. */
export interface Reply {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Latin1 text; mostly ASCII. */
  readonly body: string
  /** True where the connection must end with this answer and the rest of the request stays unread. */
  readonly close?: boolean
}

/** Obeyed first: reach the container, wait for the Driver, or send this reply. */
export type Order = 'start' | 'wait' | Reply

/** Orders to a request that waited or ran out of time. */
export interface Driver {
  /** A slot is free: reach the container, move bytes. */
  start(): void
  /** No response head has left yet: send this one. */
  answer(reply: Reply): void
  /** A response head has left: break off, so that the client can tell. */
  cut(): void
}

export type End = 'complete' | 'client-left' | 'upstream-failed' | 'malformed' | 'answered' | 'cut'

/** Reports of one request. The gate implements it, only the engine calls it. */
export interface Ticket {
  readonly order: Order
  /** A 1xx was relayed: ends the response-start deadline, re-arms the idle one. */
  interim(status: number): void
  /** The final head, once; 101 makes it a tunnel. */
  responded(status: number): void
  /** Bytes of body or tunnel that came from the client. */
  received(bytes: number): void
  /** Bytes that left towards the client; only these re-arm the idle deadline. */
  sent(bytes: number): void
  /** Something broke: a reply to send, or undefined where a head has left and only breaking off is honest. */
  failed(fault: Fault): Reply | undefined
  /** The last report, after the upstream socket is released. Told twice is harmless. */
  finished(end: End, retries: number): void
}

export interface Gate {
  enter(head: RequestHead, driver: Driver): Ticket
}

/** What is remembered of a finished request. Times are milliseconds. */
export interface Summary {
  /** Still the engine's view: what a recorder wants of it, it reads before it returns. */
  readonly head: RequestHead
  readonly end: End
  /** Status sent to the client; 0 where none was, 499 where it left first. */
  readonly status: number
  /** True where the container's final head came. */
  readonly responded: boolean
  /** True where the request was counted for the autoscaler. */
  readonly counted: boolean
  /** True where the request reached the container's queue slot. */
  readonly admitted: boolean
  /** True where the container was to be reached: admitted, or a probe that passes. */
  readonly forwarded: boolean
  /** From the request's head to its end. */
  readonly totalMs: number
  /** From admission to end; 0 where it was never admitted. */
  readonly durationMs: number
  /** From the order to reach the container to its final head; 0 where none came. */
  readonly headMs: number
  readonly retries: number
  readonly bytesReceived: number
  /** Bytes of body or tunnel, whoever answered. */
  readonly bytesSent: number
  readonly fault: Fault | undefined
}

/** Metrics, request log, span: one each. */
export interface Recorder {
  /** Runs inside the end of each request, and must not throw. */
  finished(summary: Summary): void
}

/** Why a connection to the container was judged good, and for how long that holds. */
export interface Verdict {
  /** SHA-256 of the leaf certificate's DER, hex; '' on a plaintext leg. */
  readonly leafSha256: string
  /** Digest of the policy that judged, hex. */
  readonly policyDigest: string
  /** Counts collateral refreshes; a verdict of an older generation is not used for a new request. */
  readonly collateralGeneration: number
  /** Milliseconds since the epoch after which the connection takes no new request. */
  readonly until: number
}
