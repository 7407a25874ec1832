// One end of a connection as this engine sees it: bytes in, bytes out, and how it ended. Everything that is told comes
// from the event loop, never from inside a call of the one who is told, so nobody is re-entered.

import type { Socket } from 'node:net'
import type { Intake } from './intake.ts'
import type { Out } from './out.ts'

/** Who hears of a wire. */
export interface Ear {
  /** Bytes have come. Their memory is used again once this returns, unless the wire is told to keep it. */
  bytes(chunk: Buffer): void
  /** What was too much has left; only after a write that said so. */
  drained(): void
  /** The other side has ended its direction. */
  ended(): void
  /** Gone; the last word. @param code of the system's error, where one ended it */
  closed(code: string | undefined): void
}

export interface Wire {
  ear: Ear
  /** True from a write that was too much until drained(). */
  readonly full: boolean
  /** Bytes that have not left yet. */
  readonly pending: number
  readonly writable: boolean
  /**
   * To be called behind give(): memory of the wire that it came from is kept for as long as it is still read from here,
   * and only then.
   */
  keepFrom(source: Wire): void
  /** Sends what has been put together, and begins it anew. @returns false where no more should come until drained() */
  send(out: Out): boolean
  /** Sends memory that nobody writes to before it has left. @returns as send() does */
  give(bytes: Buffer): boolean
  /** What is sent until uncork() leaves together. */
  cork(): void
  uncork(): void
  /** What was told last is still wanted: the next bytes are read into other memory. @returns what is to be given back */
  keep(): Buffer<ArrayBuffer> | undefined
  /** So much is to come and wanted in large pieces: it is told a few at a time, at the latest in the next turn. */
  gather(bytes: number): void
  pause(): void
  resume(): void
  /** Ends our direction behind what is pending. */
  end(): void
  /** Closes both directions once what is pending has left. */
  close(): void
  /** Closes at once; what is pending is lost. */
  destroy(): void
  /** Closes so that the other side cannot take it for an orderly end, where the protocol below can say so. */
  reset(): void
  /** Lets go of the socket, which is paused: nobody is told anything any more. What was told stays told. */
  release(): Socket
}

/** Who hears of a wire that has been released. */
export const deaf: Ear = { bytes() {}, drained() {}, ended() {}, closed() {} }

/** @param intake what the socket is read into, where it was opened so; else the wire reads it in its own way */
export type MakeWire = (socket: Socket, ear: Ear, intake?: Intake) => Wire
