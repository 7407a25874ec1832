// The ladder: our proxy with nothing on, then one thing after another, so that each step's price is the difference to the
// step before.

import type { LegName } from '../legs.ts'
import type { Contender } from './contender.ts'
import { postern, posternCommand, type Switches, usualSwitches } from './postern.ts'

export interface Rung {
  readonly leg: LegName
  readonly limit: number
  readonly contender: Contender
}

const bare: Switches = { ...usualSwitches, mode: 'pinned', metrics: false }
const attested: Switches = { ...bare, mode: 'attested' }

const steps: readonly (readonly [name: string, leg: LegName, limit: number, switches: Switches])[] = [
  ['plain', 'h-h', 0, bare],
  ['+ TLS to the container', 'h-tls', 0, bare],
  ['+ attested', 'h-tls', 0, attested],
  ['+ TLS from the client', 'tls-tls', 0, attested],
  ['+ metrics', 'tls-tls', 0, { ...attested, metrics: true }],
  ['+ limit', 'tls-tls', 100, { ...attested, metrics: true }],
  ['+ request log', 'tls-tls', 100, { ...attested, metrics: true, requestLog: true }],
]

/** @param engine which of ours climbs it */
export function rungs(engine: string): readonly Rung[] {
  return steps.map(([name, leg, limit, switches]) => {
    const contender = { ...postern(engine, name), name, command: posternCommandOf(engine, switches) }
    return { leg, limit, contender }
  })
}

const posternCommandOf =
  (engine: string, switches: Switches): Contender['command'] =>
  site =>
    posternCommand(site, engine, switches)
