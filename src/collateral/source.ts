// What there is to ask for, and whoever may be asked. The one seam of this room: a source hands over bytes and vouches
// for nothing, since everything is signed by Intel.

import type { Model } from '../attest/verify.ts'

/** One of the things that Intel publishes, for enclaves. */
export type Want =
  | { readonly kind: 'root-crl' }
  | { readonly kind: 'pck-crl'; readonly ca: Model['ca'] }
  | { readonly kind: 'tcb-info'; readonly fmspc: string }
  | { readonly kind: 'qe-identity' }

export type Kind = Want['kind']

/** Bytes as they were received. */
export interface Answer {
  readonly body: Uint8Array
  /** PEM: its signer, then the root; empty for the root's own list. */
  readonly chain: Uint8Array
}

export interface Source {
  /** For logs and metrics: what it is, and where. */
  readonly name: string
  /** True where asking costs nothing and reaches nobody: it is asked once a minute, whatever else is due. */
  readonly local: boolean
  /**
   * What it has, best first; none where it has nothing of this.
   * @throws Fault 'collateral-missing' that says why there is no answer
   */
  ask(want: Want): Promise<readonly Answer[]>
  /** Lets go of whatever is being asked. */
  stop(): void
}

/** One string for each want. */
export function nameOf(want: Want): string {
  if (want.kind === 'pck-crl') return `pck-crl ${want.ca}`
  if (want.kind === 'tcb-info') return `tcb-info ${want.fmspc}`
  return want.kind
}

/** What has to be there for a model's quotes, the root's list first: it judges who signed the rest. */
export function wantsOf({ fmspc, ca }: Model): readonly [Want, Want, Want, Want] {
  return [{ kind: 'root-crl' }, { kind: 'pck-crl', ca }, { kind: 'tcb-info', fmspc }, { kind: 'qe-identity' }]
}

/** Largest answers; Intel's are below 12 KiB, and its longest list is below 1 MiB. */
export const maxBytes: Readonly<Record<Kind, number>> = {
  'root-crl': 1_048_576,
  'pck-crl': 2_097_152, // hex doubles it
  'tcb-info': 262_144,
  'qe-identity': 262_144,
}
