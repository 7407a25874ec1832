// What a tour of the demo is: it starts whatever it shows, and notes what should happen beside what did.

import type { Row } from './table.ts'

export interface Scene<Port extends string> {
  readonly ports: Readonly<Record<Port, number>>
  note(row: Row): void
  /** Done when the demo ends, last first. */
  defer(close: () => unknown): void
}

export interface Tour<Port extends string> {
  /** Names of the ports that it needs. */
  readonly ports: readonly Port[]
  play(scene: Scene<Port>): Promise<Encore>
}

export interface Encore {
  /** What a visitor may try while everything stays up, one command a line. */
  readonly commands: readonly string[]
  /** Where nobody stays: the rest of the tour. */
  leave?(): Promise<void>
}
