// What a rule about a manifest is. Rules stand in tables below rules/, one row each.

import type { Manifest } from './manifest.ts'

/**
 * error: the enclave is not worth its name, does not start, or can be brought down from outside. warning: weaker, or more
 * in the host's hands, than it has to be. note: to be known.
 */
export type Severity = 'error' | 'warning' | 'note'

export interface Rule {
  /** Stable: it stands in scripts and in suppressions. */
  readonly id: string
  readonly severity: Severity
  /** What to write instead. */
  readonly cure: string
  /** What is wrong, a sentence for each place; nothing where all is well. */
  readonly find: (manifest: Manifest) => readonly string[]
}

/** A sentence where the condition holds. */
export function when(condition: boolean, text: string): readonly string[] {
  return condition ? [text] : []
}

/** A value as it stands in the manifest; `nothing` where it does not. */
export function told(value: unknown): string {
  return value === undefined
    ? 'nothing'
    : JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? `${each}` : each))
}
