// Every engine × every behaviour, over raw sockets on both sides. An engine's own test calls engineConformance().

import type { Test } from 'tap'
import type { MakeEngine } from '../../src/engine/engine.ts'
import type { Gaps, Subject } from '../support/engine.ts'
import { entries } from '../support/engine-doors.ts'
import { aborts, order } from '../support/engine-ends.ts'
import { framing, heads } from '../support/engine-messages.ts'
import { orders, pool, verdicts } from '../support/engine-pool.ts'
import { smuggling } from '../support/engine-smuggling.ts'
import { truncation } from '../support/engine-truncation.ts'
import { life, tunnels } from '../support/engine-tunnels.ts'

const chapters: readonly [name: string, chapter: (t: Test, subject: Subject) => void][] = [
  ['framing', framing],
  ['heads', heads],
  ['smuggling', smuggling],
  ['order', order],
  ['aborts', aborts],
  ['pool', pool],
  ['verdicts', verdicts],
  ['truncation', truncation],
  ['orders', orders],
  ['tunnels', tunnels],
  ['life', life],
  ['entries', entries],
]

/**
 * @param gaps what this engine cannot do; the suite asserts what it does instead
 */
export function engineConformance(t: Test, name: string, makeEngine: MakeEngine, gaps: Gaps): void {
  const subject: Subject = { makeEngine, gaps: new Set(gaps) }
  for (const [chapter, run] of chapters) {
    t.test(`${name}: ${chapter}`, async t => run(t, subject))
  }
}

// By itself this file has no engine to test; it is run with the others all the same.
if (import.meta.main) {
  const { default: tap } = await import('tap')
  tap.test('the suite has chapters, each with a name of its own', async t => {
    t.equal(new Set(chapters.map(([name]) => name)).size, chapters.length)
  })
}
