// What a request's way through the gate costs, from entering to finished, without any byte moved. Run from the sources,
// since the gate's surroundings are those of the tests: node bench/micro/gate/gate.ts [--json]

import { time } from '../harness.ts'

interface Ticket {
  responded(status: number): void
  finished(end: string, retries: number): void
}

interface Support {
  readonly makeRig: (options: { working: number }) => { enter(): { ticket: Ticket }; summaries: unknown[] }
}

/** By URL, since it is no part of what is built. */
const { makeRig }: Support = await import(new URL('../../../test/support/gate.ts', import.meta.url).href)
const [unlimited, limited] = [makeRig({ working: 0 }), makeRig({ working: 100 })]

function pass({ enter, summaries }: ReturnType<Support['makeRig']>): unknown {
  const { ticket } = enter()
  ticket.responded(200)
  ticket.finished('complete', 0)
  return summaries.pop()
}

time([
  { name: 'enter to finished, no limit', run: () => pass(unlimited) },
  { name: 'enter to finished, a limit of 100', run: () => pass(limited) },
])
