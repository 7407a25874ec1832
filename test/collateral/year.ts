// The collateral lab: a year of renewals on a clock of its own, over real HTTP, with everything away, wrong or hostile
// for a while. Nobody is accepted outside of what the collateral says, nothing goes back, and nobody is refused who need
// not be. The table that it makes stands in the documentation, word for word.

import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { type LabService, type Numbers, pccs, pcs, startService, type Trouble } from '../support/collateral-services.ts'
import { setOf } from '../support/collateral-sources.ts'
import { day, makeWorld } from '../support/collateral-world.ts'
import { live, step, type Year, type YearOptions } from '../support/collateral-year.ts'
import { LabClock } from '../support/lab-clock.ts'
import { fmspc, serials } from '../support/pki-intel.ts'

const world = await makeWorld()
const start = Date.UTC(2026, 0, 1)
const stepsOfADay = day / step

/** When something is wrong, in days from the start. */
type Spell = readonly [from: number, to: number, trouble: Trouble]
const troubleAt = (spells: readonly Spell[], at: number): Trouble =>
  spells.find(([from, to]) => at >= from * day && at < to * day)?.[2] ?? 'nothing'

const rows: [name: string, refused: string][] = []

interface Lab {
  readonly clock: LabClock
  readonly now: () => number
  readonly pcs: (numbers?: () => Numbers) => Promise<LabService>
  readonly pccs: (asOf: (now: number) => number) => Promise<LabService>
  readonly live: (options: Omit<YearOptions, 'world' | 'start' | 'clock'>) => Promise<Year>
}

/** @param run lives a year and says in words who was refused */
function lab(name: string, run: (t: Test, lab: Lab) => Promise<string>): Promise<unknown> {
  return t.test(name, async t => {
    const clock = new LabClock(start)
    const now = () => clock.now()
    const both = () => ({ standard: 18, early: 19 })
    const service = async (answer: Parameters<typeof startService>[0]): Promise<LabService> => {
      const made = await startService(answer)
      t.teardown(() => made.close())
      return made
    }
    const refused = await run(t, {
      clock,
      now,
      pcs: (numbers = both) => service(pcs(world, now, numbers)),
      pccs: asOf => service(pccs(world, () => asOf(now()), both)),
      async live(options) {
        const year = await live({ world, start, clock, ...options })
        t.same(year.wrong, [], 'nobody is accepted outside of the window, and nothing goes back')
        t.comment(`${year.questions} questions, ${year.generation} replacements, ${year.refused.length} steps refused`)
        return year
      },
    })
    rows.push([name, refused])
  })
}

function nobody(t: Test, year: Year): string {
  t.equal(year.refused.length, 0)
  return 'nobody'
}

await lab('Intel is there all year', async (t, { live, pcs }) => {
  const year = await live({ services: [['pcs', await pcs()]] })
  t.ok(year.questions < 250, `${year.questions} questions`)
  return nobody(t, year)
})

await lab('Intel is away for 2 hours, a day, a week, 20 days', async (t, { live, pcs }) => {
  const service = await pcs()
  const spells: Spell[] = [
    [10, 10 + 1 / 12, 'down'],
    [40, 41, 'down'],
    [80, 87, 'down'],
    [140, 160, 'down'],
  ]
  const host = (at: number) => {
    service.trouble = troubleAt(spells, at)
  }
  const year = await live({ services: [['pcs', service]], host })
  t.ok(
    year.news.some(({ news }) => news === 'not-taken'),
    'and the log says so',
  )
  return nobody(t, year)
})

await lab('Intel is away for 40 days', async (t, { live, pcs }) => {
  const service = await pcs()
  const host = (at: number) => {
    service.trouble = troubleAt([[100, 140, 'down']], at)
  }
  const { refused, rules } = await live({ services: [['pcs', service]], host })
  const [first = 0, last = 0] = [refused[0], refused.at(-1)]
  t.same(rules, ['collateral-outdated'])
  t.ok(first >= 120 * stepsOfADay, 'nobody for 20 days')
  t.ok(first <= 130 * stepsOfADay + 1, 'everybody after 30')
  t.equal(refused.length, last - first + 1, 'without a gap')
  t.ok(last <= 140 * stepsOfADay, 'and nobody from the first moment on that it is back')
  return 'everybody from the end of the last good (day 20 to 30) until it is back'
})

await lab(
  'Intel answers with each of these for 3 days: 404, 460, 503, a redirect, garbage, no list, no chain, half an answer, silence',
  async (t, { live, pcs }) => {
    const service = await pcs()
    const troubles: Trouble[] = [
      404,
      460,
      503,
      'redirect',
      'garbage',
      'no-crl',
      'unchained',
      'bad-chain',
      'cut',
      'slow',
      'drip',
      'oversized',
    ]
    const spells = troubles.map((trouble, i): Spell => [10 + 25 * i, 13 + 25 * i, trouble])
    const host = (at: number) => {
      service.trouble = troubleAt(spells, at)
    }
    return nobody(t, await live({ services: [['pcs', service]], host }))
  },
)

await lab('A PCCS that does not reach Intel for 25 days', async (t, { live, pccs }) => {
  const away = (at: number) => at >= start + 100 * day && at < start + 125 * day
  const cache = await pccs(at => (away(at) ? start + 100 * day : at))
  return nobody(t, await live({ services: [['pccs', cache]] }))
})

await lab(
  'A PCCS, then Intel; the PCCS is gone for half a year, and stale for the other half',
  async (t, { live, pccs, pcs }) => {
    const cache = await pccs(at => Math.min(at, start + day))
    const host = (at: number) => {
      cache.trouble = troubleAt([[180, 365, 'down']], at)
    }
    return nobody(
      t,
      await live({
        services: [
          ['pccs', cache],
          ['pcs', await pcs()],
        ],
        host,
      }),
    )
  },
)

await lab('Two evaluation numbers at once, from one answer to the next, all year', async (t, { live, pcs }) => {
  let turn = 0
  const service = await pcs(() => (turn++ % 3 === 0 ? { standard: 18, early: 18 } : { standard: 17, early: 17 }))
  const year = await live({ services: [['pcs', service]] })
  const taken = year.news.flatMap(each =>
    each.news === 'in-force' && each.what.startsWith('tcb') ? [each.number] : [],
  )
  t.ok(taken.includes('18'), 'the higher number is seen')
  t.same(taken, taken.toSorted(), 'and the lower never again')
  return nobody(t, year)
})

await lab('A directory that somebody fills once a week', async (t, { live, now }) => {
  const filledAt = () => now() - ((now() - start) % (7 * day))
  const folder = () => [setOf(world.edition(filledAt(), 18), { fmspc, ca: 'platform' })]
  return nobody(t, await live({ services: [], folder }))
})

const late = 100 * day
await lab('Azure serves what is 70 days past its next update, for a month', async (t, { live, pccs }) => {
  // A month of it is enough: each peer has everything asked for again.
  const { refused, rules } = await live({ services: [['azure', await pccs(at => at - late)]], days: 30 })
  t.equal(refused.length, 30 * stepsOfADay)
  t.same(rules, ['collateral-outdated'])
  return 'everybody'
})

await lab('The same, under `dangerPastNextUpdateSeconds` of 90 days', async (t, { live, pccs }) => {
  const services = [['azure', await pccs(at => at - late)]] as const
  const year = await live({ services, pastNextUpdateMs: 90 * day })
  t.ok(year.questions < 1000, `${year.questions} questions`)
  t.ok(
    year.news.every(each => each.news !== 'in-force' || each.what === 'root-crl' || each.past),
    'and the log says so',
  )
  return nobody(t, year)
})

await lab("The host's clock is 60 days back for a week", async (t, { live, pcs, clock }) => {
  let back = false
  const service = await pcs()
  const host = (at: number) => {
    const want = at >= 200 * day && at < 207 * day
    if (want !== back) clock.set(clock.now() + (want ? -60 : 60) * day)
    back = want
  }
  return nobody(t, await live({ services: [['pcs', service]], host }))
})

await lab("The host's clock is 400 days ahead for 6 hours", async (t, { live, pcs, clock }) => {
  let ahead = false
  const service = await pcs()
  service.trouble = 'nothing'
  const host = (at: number) => {
    const want = at >= 200 * day && at < 200 * day + 3 * step
    if (want !== ahead) clock.set(clock.now() + (want ? 400 : -400) * day)
    ahead = want
    // Intel's clock is right: it serves nothing of the future.
    service.trouble = want ? 503 : 'nothing'
  }
  const { refused } = await live({ services: [['pcs', service]], host })
  t.equal(refused.length, 3)
  return 'everybody for those hours'
})

await lab('A machine is revoked on day 100', async (t, { live, pcs }) => {
  const service = await pcs()
  t.teardown(() => world.revoked.splice(0))
  const host = (at: number) => {
    if (at === 100 * day) world.revoked.push(serials.leaf)
  }
  const { refused, rules } = await live({ services: [['pcs', service]], host })
  const [first = 0] = refused
  t.same(rules, ['quote-unverified'])
  t.ok(first >= 100 * stepsOfADay && first <= 111 * stepsOfADay, `day ${first / stepsOfADay}`)
  t.equal(refused.length, 365 * stepsOfADay - first, 'for good')
  return 'that machine, from the next renewal on (10 days at most)'
})

t.test('the table in the documentation is this one', async t => {
  const lines = [
    '| what happens in a year | who is refused |',
    '|---|---|',
    ...rows.map(row => `| ${row.join(' | ')} |`),
  ]
  const page = readFileSync(new URL('../../src/collateral/README.md', import.meta.url), 'utf8')
  const [, shown] = /<!-- lab -->\n(.*?)\n<!-- \/lab -->/s.exec(page) ?? []
  t.equal(shown?.trim(), lines.join('\n'))
})
