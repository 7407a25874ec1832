// A year of a proxy's life with collateral, over real HTTP, on a clock of its own: every two hours a peer comes,
// with a genuine quote, and is judged as the proxy judges. Written down is who was refused, and when.

import { readCrl } from '../../src/attest/crl.ts'
import type { PeerJudgement } from '../../src/attest/evidence.ts'
import { judgePeer } from '../../src/attest/peer.ts'
import { readTcbInfo } from '../../src/attest/tcb-info.ts'
import { Verdicts } from '../../src/attest/verdicts.ts'
import { floorClock } from '../../src/base/floor.ts'
import { folderSource } from '../../src/collateral/folder.ts'
import type { News } from '../../src/collateral/news.ts'
import { serviceSource } from '../../src/collateral/service.ts'
import type { Source } from '../../src/collateral/source.ts'
import { CollateralStore } from '../../src/collateral/store.ts'
import type { LabService } from './collateral-services.ts'
import { type CollateralWorld, day } from './collateral-world.ts'
import { makePeer, makeRule, makeTee } from './evidence.ts'
import type { LabClock } from './lab-clock.ts'
import { fmspc } from './pki-intel.ts'

export const step = 2 * 3_600_000

export interface Year {
  /** Steps at which the peer was refused. */
  readonly refused: readonly number[]
  /** Rules of refusals, each once. */
  readonly rules: readonly string[]
  /** Where a peer was accepted outside of what its collateral says; empty, or the verifier is broken. */
  readonly wrong: readonly string[]
  readonly news: readonly News[]
  readonly questions: number
  readonly generation: number
}

export interface YearOptions {
  readonly world: CollateralWorld
  readonly start: number
  readonly services: readonly (readonly [kind: 'pcs' | 'pccs' | 'azure', service: LabService])[]
  readonly folder?: Parameters<typeof folderSource>[2]
  readonly clock: LabClock
  readonly pastNextUpdateMs?: number
  /** A year where absent. */
  readonly days?: number
  /** Before each step. @param at since the start, in milliseconds */
  readonly host?: (at: number) => void
}

/** Numbers that look like chance and are the same in each run. */
function dice(): () => number {
  let state = 1
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

export async function live(options: YearOptions): Promise<Year> {
  const { world, clock, services, pastNextUpdateMs = 0, days = 365 } = options
  const floored = floorClock(clock, 0)
  const news: News[] = []
  let waiting = 0
  const counted = (source: Source): Source => ({
    ...source,
    async ask(want) {
      waiting++
      return source.ask(want).finally(() => waiting--)
    },
  })
  const sources = services.map(([kind, { url }]) => {
    const rootCrlAt = kind === 'pcs' ? `${url}/IntelSGXRootCA.der` : undefined
    return counted(serviceSource({ kind, at: url, rootCrlAt, evaluation: 'standard', clock: floored }))
  })
  if (options.folder) sources.push(counted(folderSource('/c', floored, options.folder)))
  const store = new CollateralStore({
    root: world.root,
    sources,
    clock: floored,
    pastNextUpdateMs,
    maxAgeMs: undefined,
    evaluationDataNumber: undefined,
    report: each => news.push(each),
    random: dice(),
  })
  const leaf = await makePeer({ tee: makeTee({ platform: world.platforms.platform }) })
  const rule = makeRule()
  const verdicts = new Verdicts<PeerJudgement>()
  const refused: number[] = []
  const rules = new Set<string>()
  const wrong: string[] = []
  const last = { number: 0, issued: 0, listed: 0 }

  /** Until nothing is asked any more; who gets no answer gives up by the clock. */
  async function settle(): Promise<void> {
    for (let quiet = 0; waiting > 0 || quiet < 2; quiet = waiting > 0 ? 0 : quiet + 1) {
      await new Promise(resolve => setImmediate(resolve))
      const held = services.reduce((sum, [, service]) => sum + service.holding(), 0)
      if (waiting > 0 && waiting === held) clock.advance(5_000)
    }
  }

  async function peer(n: number): Promise<void> {
    const key = { leaf, policyDigest: '', collateralGeneration: store.generation }
    const known = verdicts.known(key, floored.now())
    let verdict = known
    try {
      if (!verdict) {
        const providing = store.provide({ fmspc, ca: 'platform' })
        providing.catch(() => undefined)
        await settle()
        const trust = { root: world.root, collateral: await providing, pastNextUpdateMs }
        const now = floored.now()
        verdict = verdicts.find(key, now, () => judgePeer(leaf, rule, trust, now))
        if (verdict.accepted) check(trust.collateral, now, verdict.until)
      }
    } catch (error) {
      refused.push(n)
      rules.add((error as { code: string }).code)
      return
    }
    if (verdict.accepted) return
    refused.push(n)
    for (const reason of verdict.reasons) rules.add(reason.rule)
  }

  function check(collateral: Awaited<ReturnType<CollateralStore['provide']>>, now: number, until: number): void {
    const { issueDate, nextUpdate, evaluationDataNumber } = readTcbInfo(collateral.tcbInfo)
    const list = readCrl(collateral.pckCrl, 'list')
    const ends = Math.min(nextUpdate, list.nextUpdate) + pastNextUpdateMs
    if (now < issueDate || now < list.thisUpdate || now > ends || until > ends) wrong.push(`outside at ${now}`)
    if (evaluationDataNumber < last.number || issueDate < last.issued || list.thisUpdate < last.listed) {
      wrong.push(`back at ${now}`)
    }
    Object.assign(last, { number: evaluationDataNumber, issued: issueDate, listed: list.thisUpdate })
  }

  store.start()
  await settle()
  for (let n = 0; n < (days * day) / step; n++) {
    options.host?.(n * step)
    clock.advance(step)
    if (waiting > 0) await settle()
    await peer(n)
  }
  store.stop()
  const questions = news.filter(each => each.news === 'asked').length
  return { refused, rules: [...rules], wrong, news, questions, generation: store.generation }
}
