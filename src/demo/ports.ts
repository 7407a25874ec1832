// The demo's ports: in a row from a base, all looked at before anything starts, so that a taken one is told by its number
// and not by half a demo.

import { createServer } from 'node:net'
import { Fault } from '../base/errors.ts'

const defaultBase = 18080

/** One port for each name. @throws Fault 'usage' where the base is no port or leaves no room */
export function demoPorts<Name extends string>(
  base: string | undefined,
  names: readonly Name[],
): Readonly<Record<Name, number>> {
  const first = base === undefined ? defaultBase : /^[0-9]{1,5}$/.test(base) ? Number(base) : Number.NaN
  const last = 65_535 - names.length + 1
  if (!(first >= 1024 && first <= last)) {
    throw new Fault('usage', `postern demo: --port-base: want a number from 1024 to ${last}, got "${base}"`)
  }
  return Object.fromEntries(names.map((name, i) => [name, first + i])) as Record<Name, number>
}

/** @throws Fault 'bind-failed' that names the first taken port and the way out */
export async function requireFree(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    await new Promise<void>((resolve, reject) => {
      const server = createServer()
      server.once('error', () => {
        reject(
          new Fault('bind-failed', `port ${port} is taken: stop what holds it, or choose others with --port-base N`),
        )
      })
      server.listen(port, () => server.close(() => resolve()))
    })
  }
}
