// The demo: plays a tour, and tells what should happen beside what did. All evidence is SYNTHETIC, and says so.

import { describe, Fault } from '../base/errors.ts'
import { demoPorts, requireFree } from './ports.ts'
import { provisionTour } from './provision/tour.ts'
import { selfSignedTour } from './self-signed.ts'
import { asJson, asTable, type Row } from './table.ts'
import type { Tour } from './tour.ts'

export interface DemoOptions {
  /** Where the proxy has its certificate from: 'self-signed', the default, or 'provision'. */
  readonly identity: string | undefined
  readonly portBase: string | undefined
  /** End after the tour. */
  readonly exit: boolean
  readonly json: boolean
  readonly colour: boolean
  readonly write: (text: string) => void
  /** Resolves when the visitor has had enough. */
  readonly stopped: Promise<unknown>
}

/**
 * Runs a tour; resolves to whether everything was as it should be.
 * @throws Fault 'usage' for an unknown identity or an unusable port base, 'bind-failed' for a taken port
 */
export function runDemo(options: DemoOptions): Promise<boolean> {
  const { identity = 'self-signed' } = options
  if (identity === 'self-signed') return runTour(selfSignedTour, options)
  if (identity === 'provision') return runTour(provisionTour, options)
  throw new Fault('usage', `postern demo: --identity: want self-signed or provision, got "${identity}"`)
}

async function runTour<Port extends string>(tour: Tour<Port>, options: DemoOptions): Promise<boolean> {
  const ports = demoPorts(options.portBase, tour.ports)
  await requireFree(Object.values(ports))
  const say = options.json ? () => {} : (text: string) => options.write(`${text}\n`)
  const closers: (() => unknown)[] = []
  const rows: Row[] = []
  const note = (row: Row): void => {
    rows.push(row)
    if (!options.json) options.write(asTable([row], options.colour, rows.length === 1))
  }
  const defer = (close: () => unknown): void => void closers.push(close)
  try {
    say('SYNTHETIC evidence throughout: no hardware stands behind it, and only the policy "demo" accepts it.\n')
    let commands: readonly string[] | undefined
    try {
      const encore = await tour.play({ ports, note, defer })
      if (options.exit) await encore.leave?.()
      else commands = encore.commands
    } catch (error) {
      // Once it has begun, what it has shown is told with what ended it.
      if (rows.length === 0) throw error
      const got = error instanceof Fault ? error.message : describe(error)
      note({ what: 'the rest of the tour', want: 'to be played', got, why: 'it ends here' })
    }
    const good = rows.every(row => row.want === row.got)
    if (options.json) options.write(`${asJson(rows, good)}\n`)
    say(good ? '\nAll as it should be.' : '\nNOT as it should be: see the rows marked !!')
    if (commands) {
      say(invitation(commands))
      await options.stopped
      say('\nleaving')
    }
    return good
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

const invitation = (commands: readonly string[]): string =>
  [
    '',
    'Everything stays up until Ctrl-C. To try, in another terminal:',
    '',
    ...commands.map(each => `  ${each}`),
    '',
  ].join('\n')
