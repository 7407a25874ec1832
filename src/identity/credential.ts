// What we show to a peer: a certificate chain and its key, and where both come from.

import type { KeyObject } from 'node:crypto'
import type { Fault } from '../base/errors.ts'

export interface Credential {
  /** DER, leaf first. */
  readonly chain: readonly [leaf: Uint8Array, ...rest: Uint8Array[]]
  readonly key: KeyObject
  /** Where the private key was born. Anything but 'enclave' needs the policy's dangerAcceptForeignKey. */
  readonly keyOrigin: 'enclave' | 'agent' | 'file'
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  /** Milliseconds since the epoch. */
  readonly notAfter: number
}

export interface CertificateSource {
  readonly name: string
  /** Now, and again whenever due. Ends when the signal aborts. */
  credentials(signal: AbortSignal): AsyncIterable<Credential>
}

export type Standing =
  | { readonly phase: 'empty' }
  | { readonly phase: 'ready'; readonly credential: Credential }
  | { readonly phase: 'stale'; readonly credential: Credential; readonly fault: Fault }
  | { readonly phase: 'expired'; readonly fault: Fault }
