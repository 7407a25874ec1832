// A store and the sources that a test tells what to say, with everything that was asked and told written down.

import type { IntelCollateral } from '../../src/attest/evidence.ts'
import type { Model } from '../../src/attest/verify.ts'
import { Fault } from '../../src/base/errors.ts'
import { type FloorClock, floorClock } from '../../src/base/floor.ts'
import type { News } from '../../src/collateral/news.ts'
import { type Answer, nameOf, type Source, type Want, wantsOf } from '../../src/collateral/source.ts'
import { CollateralStore, type StoreOptions } from '../../src/collateral/store.ts'
import type { CollateralWorld, Edition } from './collateral-world.ts'
import { LabClock } from './lab-clock.ts'

const none = new Uint8Array()

/** What an edition says to a want. */
export function answerOf(edition: Edition, want: Want): Answer {
  switch (want.kind) {
    case 'root-crl':
      return { body: edition.rootCrl, chain: none }
    case 'pck-crl':
      return { body: edition.pckCrl(want.ca), chain: edition.caChain(want.ca) }
    case 'tcb-info':
      return { body: edition.tcbInfo(want.fmspc), chain: edition.signingChain }
    case 'qe-identity':
      return { body: edition.qeIdentity, chain: edition.signingChain }
  }
}

/** All of an edition that a model needs, as a directory has it or a peer brings it along. */
export function setOf(edition: Edition, model: Model): IntelCollateral {
  const [root, crl, tcb, qe] = wantsOf(model).map(want => answerOf(edition, want))
  if (!root || !crl || !tcb || !qe) throw new Error('four wants')
  return {
    kind: 'intel',
    rootCaCrl: root.body,
    pckCrl: crl.body,
    pckCrlIssuerChain: crl.chain,
    tcbInfo: tcb.body,
    tcbInfoIssuerChain: tcb.chain,
    qeIdentity: qe.body,
    qeIdentityIssuerChain: qe.chain,
  }
}

export interface ToldSource extends Source {
  says: (want: Want) => readonly Answer[] | Promise<readonly Answer[]>
  /** Names of what was asked. */
  readonly asked: string[]
  stopped: boolean
}

export function toldSource(name: string, says: ToldSource['says'], local = false): ToldSource {
  const asked: string[] = []
  return {
    name,
    local,
    says,
    asked,
    stopped: false,
    async ask(want) {
      asked.push(nameOf(want))
      return this.says(want)
    },
    stop() {
      this.stopped = true
    },
  }
}

export const away = (): never => {
  throw new Fault('collateral-missing', 'away')
}

export interface StoreTest {
  readonly clock: LabClock
  readonly floored: FloorClock
  readonly store: CollateralStore
  readonly news: News[]
  /** News of one kind since the last call, in short. */
  told(kind: News['news']): string[]
  /** Moves time, and waits until whatever was asked is answered. */
  pass(ms: number): Promise<void>
}

export function storeTest(
  world: Pick<CollateralWorld, 'root'>,
  sources: readonly Source[],
  start: number,
  options: Partial<StoreOptions> = {},
): StoreTest {
  const clock = new LabClock(start)
  const floored = floorClock(clock, 0)
  const news: News[] = []
  const store = new CollateralStore({
    root: world.root,
    sources,
    clock: floored,
    pastNextUpdateMs: 0,
    maxAgeMs: undefined,
    evaluationDataNumber: undefined,
    report: each => news.push(each),
    random: () => 0,
    ...options,
  })
  let seen = 0
  return {
    clock,
    floored,
    store,
    news,
    told(kind) {
      const fresh = news.slice(seen).filter(({ news }) => news === kind)
      seen = news.length
      return fresh.map(each => ('what' in each ? each.what : `${each.source} ${each.outcome}`))
    },
    async pass(ms) {
      clock.advance(ms)
      for (let i = 0; i < 3; i++) await new Promise(resolve => setImmediate(resolve))
    },
  }
}
