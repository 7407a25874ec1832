// What the runner knows of a proxy: whether it can run here, what it can do, and the command that starts it.

import type { KeyPair } from '../backend/backend.ts'
import type { LegName, Side } from '../legs.ts'
import type { Command } from '../machine/children.ts'
import type { Tools } from '../machine/tools.ts'
import type { Scenario } from '../scenarios.ts'

export interface Site {
  /** Of the client's side: plain and TLS. */
  readonly ports: { readonly h: number; readonly tls: number }
  /** Free ports for whatever else it listens on. */
  readonly spare: readonly number[]
  readonly upstream: Side
  readonly backendPort: number
  /** CONTAINER_CONCURRENCY; 0 is no limit. */
  readonly limit: number
  /** For its files; exists. */
  readonly folder: string
  /** The certificate to show to clients. */
  readonly pair: KeyPair
  /** Another, for who refuses a container that shows its own. */
  readonly otherPair: KeyPair
  readonly tools: Tools
}

export interface Contender {
  readonly name: string
  readonly summary: string
  /** Why it cannot run here and how that is cured; undefined: it can. */
  readonly missing: (tools: Tools) => string | undefined
  /** Why it cannot do this; undefined: it can. */
  readonly cannot: (scenario: Scenario, leg: LegName) => string | undefined
  /** Ports that it takes whatever it is told; two that share one never run at a time. */
  readonly fixedPorts: readonly number[]
  /** Of the client's side, where it listens on others than it is given. */
  readonly ports?: { readonly h?: number; readonly tls?: number }
  /** In which scenarios it is measured unless it is asked for by name; absent: in all. */
  readonly takesPart?: ((scenario: Scenario) => boolean) | undefined
  /** What to start, after writing its files; undefined for the floor, where the load goes straight to the backend. */
  readonly command: ((site: Site) => Command) | undefined
  readonly version: (tools: Tools) => string
}

export const sparePorts = 3

/** More than a run can ask on one connection. */
export const requestsPerConnection = 1_000_000_000

export const maxConnections = 8_192
