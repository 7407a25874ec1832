// The collateral in force: asked for when a peer's quote names a model that nobody asked for before, asked for again
// before it ends, and kept to its own end and no further. Which sources may be asked is the policy's word alone.
//
// It must never hold what it could not verify, nor go back. While nothing newer comes, what is in force stays, and the
// news say so. Time passes for schedules by the monotonic clock, dates are judged by the clock that has a floor.

import { readAnchor } from '../attest/collateral.ts'
import type { IntelCollateral } from '../attest/evidence.ts'
import type { Model } from '../attest/verify.ts'
import { describe, Fault } from '../base/errors.ts'
import { chance } from '../base/retry.ts'
import { answersOf } from './folder.ts'
import type { Standing } from './news.ts'
import { lookEveryMs } from './schedule.ts'
import { Slot, type SlotRules } from './slot.ts'
import { nameOf, type Source, type Want, wantsOf } from './source.ts'

export interface StoreOptions extends Omit<SlotRules, 'anchor' | 'random'> {
  /** DER of the trust anchor. */
  readonly root: Uint8Array
  /** In the order in which they are asked. */
  readonly sources: readonly Source[]
  readonly random?: () => number
}

/** Models of platforms, and what belongs to all of them: two lists of CAs, the root's, the QE identity. */
const maxSlots = 64 + 4
/** How long a peer waits. Below what a dial may take. */
const waitMs = 8_000

const rootCrl: Want = { kind: 'root-crl' }
const common: readonly Want[] = [rootCrl, { kind: 'qe-identity' }]
const isCommon = ({ name }: Slot): boolean => common.some(want => nameOf(want) === name)

export class CollateralStore {
  readonly #options: StoreOptions
  readonly #rules: SlotRules
  readonly #slots = new Map<string, Slot>()
  readonly #sets = new Map<string, IntelCollateral>()
  readonly #local: readonly Source[]
  #generation = 0
  #stopped = false
  #stopTicker = (): void => {}

  /** @throws Fault 'quote-unverified', 'certificate-malformed' for a root that is none */
  constructor(options: StoreOptions) {
    this.#options = options
    this.#rules = { ...options, anchor: readAnchor(options.root), random: options.random ?? chance }
    this.#local = options.sources.filter(source => source.local)
  }

  /**
   * Goes up by one whenever something in force is replaced, so that a verdict that rests on it is told from a newer one.
   * What is learnt for a model that was unknown replaces nothing.
   */
  get generation(): number {
    return this.#generation
  }

  get standing(): Standing {
    const slots = [...this.#slots.values()]
    const ends = slots.flatMap(({ held }) => (held ? [held.until] : []))
    return {
      endsAt: ends.length > 0 ? Math.min(...ends) : undefined,
      failing: slots.filter(slot => slot.complaint !== undefined).length,
    }
  }

  /** Begins to ask, for what every model needs: what is wrong with a source is told before the first peer comes. */
  start(): void {
    const { clock, sources } = this.#options
    this.#stopTicker = clock.every(lookEveryMs, () => this.#look())
    if (sources.length > 0) for (const want of common) this.#ask(this.#slot(want))
  }

  stop(): void {
    this.#stopped = true
    this.#stopTicker()
    for (const source of this.#options.sources) source.stop()
  }

  /**
   * What is in force for a model, asked for if need be. One question at a time goes out for each thing, however many
   * wait for it.
   * @param stapled what a peer brought along, where the policy lets it count
   * @throws Fault that says what could not be had, and why
   */
  async provide(model: Model, stapled?: IntelCollateral): Promise<IntelCollateral> {
    const wants = wantsOf(model)
    if (this.#slots.size + wants.length > maxSlots) this.#forgetEmpty()
    const slots = wants.map(want => this.#slot(want))
    if (stapled) this.#offer(slots, stapled)
    await this.#patiently(slots.filter(slot => !slot.holds).map(slot => this.#asked(slot)))
    for (const slot of slots) slot.requireHolds()
    return this.#assemble(model)
  }

  /** Whatever is due. A model that nobody had anything for waits until somebody asks for it. */
  #look(): void {
    const onlyLocal = this.#local.length === this.#options.sources.length
    const slots = [...this.#slots.values()]
    // What ends first sets the pace for all; what fails has a pace of its own.
    const leastLeft = Math.min(...slots.filter(slot => slot.held && !slot.complaint).map(slot => slot.left))
    for (const slot of slots) {
      if (!slot.held && !isCommon(slot)) continue
      if (onlyLocal || slot.isDue(leastLeft)) this.#ask(slot)
      else if (this.#local.length > 0) this.#peek(slot)
    }
  }

  #slot(want: Want): Slot {
    const name = nameOf(want)
    const known = this.#slots.get(name)
    if (known) return known
    if (this.#slots.size >= maxSlots) throw new Fault('collateral-missing', `${name}: too many models of platforms`)
    const slot = new Slot(want, this.#rules)
    this.#slots.set(name, slot)
    return slot
  }

  /** What was asked for and never came. What did come is kept, or it could come again older. */
  #forgetEmpty(): void {
    for (const [name, slot] of this.#slots) {
      if (!slot.held && !slot.asking && !isCommon(slot)) this.#slots.delete(name)
    }
  }

  /** The question that is out, or a new one, unless the last one failed a moment ago. */
  #asked(slot: Slot): Promise<void> {
    return slot.asking ?? (slot.mayAsk ? this.#ask(slot) : Promise.resolve())
  }

  #ask(slot: Slot): Promise<void> {
    if (slot.asking) return slot.asking
    slot.urgent = false
    slot.asking = this.#askAll(slot).finally(() => {
      slot.asking = undefined
    })
    return slot.asking
  }

  /** Asks one source after the other until one has something newer. */
  async #askAll(slot: Slot): Promise<void> {
    let confirmed: string | undefined
    const reasons: Fault[] = []
    for (const source of this.#options.sources) {
      try {
        const newer = await this.#askOne(slot, source)
        confirmed = source.name
        if (newer) break
        if (!slot.holds) throw new Fault('collateral-outdated', 'has nothing newer')
      } catch (error) {
        const code = error instanceof Fault ? error.code : 'internal'
        reasons.push(new Fault(code, `${source.name}: ${describe(error)}`))
      }
    }
    if (this.#stopped) return
    if (confirmed !== undefined && slot.holds) slot.confirmed(confirmed)
    else slot.failed(reasons)
  }

  /** Directories beside services: looked at every time, without a word where they have nothing newer. */
  async #peek(slot: Slot): Promise<void> {
    for (const source of this.#local) {
      if (await this.#askOne(slot, source).catch(() => false)) slot.confirmed(source.name)
    }
  }

  /** @returns whether it had something newer. @throws Fault where it had nothing that may be in force */
  async #askOne(slot: Slot, source: Source): Promise<boolean> {
    const { report } = this.#options
    try {
      const answers = await source.ask(slot.want)
      const judge = this.#slot(rootCrl)
      // Asked for at the same time, and needed first.
      if (slot !== judge && !judge.held) await this.#asked(judge)
      const newer = this.#take(slot, () => slot.takeBest(answers, source.name, judge.held?.rootCrl))
      report({ news: 'asked', source: source.name, outcome: newer ? 'newer' : 'same' })
      return newer
    } catch (error) {
      report({ news: 'asked', source: source.name, outcome: 'failed' })
      throw error
    }
  }

  /** Takes, and sees to what follows from it. */
  #take(slot: Slot, take: () => boolean): boolean {
    const before = slot.held
    const newer = take()
    if (!newer || before === undefined) return newer
    this.#generation++
    // A newer list may have revoked whoever signed the rest: somebody else has signed it anew, and it is there to be had.
    if (slot.want.kind === 'root-crl') for (const each of this.#slots.values()) each.urgent = each !== slot
    return newer
  }

  /** What a peer brought: a source that cannot be asked. What is bad in it is as if it were not there. */
  #offer(slots: readonly Slot[], stapled: IntelCollateral): void {
    const { answers } = answersOf(stapled)
    const judge = this.#slot(rootCrl)
    for (const slot of slots) {
      const mine = answers.filter(([want]) => nameOf(want) === slot.name).map(([, answer]) => answer)
      let outcome: 'newer' | 'same' | 'failed'
      try {
        const newer = this.#take(slot, () => slot.takeBest(mine, 'stapled', judge.held?.rootCrl))
        outcome = newer ? 'newer' : 'same'
        if (newer) slot.confirmed('stapled')
      } catch {
        outcome = 'failed'
      }
      this.#options.report({ news: 'asked', source: 'stapled', outcome })
    }
  }

  /** One object for as long as nothing in it is replaced: what was verified of it is kept with it. */
  #assemble({ fmspc, ca }: Model): IntelCollateral {
    const held = wantsOf({ fmspc, ca }).map(want => this.#slots.get(nameOf(want))?.held?.answer)
    const [root, pckCrl, tcbInfo, qeIdentity] = held
    if (!root || !pckCrl || !tcbInfo || !qeIdentity) throw new Fault('internal', 'collateral: lost a document')
    const set: IntelCollateral = {
      kind: 'intel',
      tcbInfo: tcbInfo.body,
      tcbInfoIssuerChain: tcbInfo.chain,
      qeIdentity: qeIdentity.body,
      qeIdentityIssuerChain: qeIdentity.chain,
      rootCaCrl: root.body,
      pckCrl: pckCrl.body,
      pckCrlIssuerChain: pckCrl.chain,
    }
    const name = `${ca} ${fmspc}`
    const known = this.#sets.get(name)
    const members = Object.keys(set) as (keyof IntelCollateral)[]
    if (known && members.every(member => known[member] === set[member])) return known
    this.#sets.set(name, set)
    return set
  }

  /** Until all are done or patience is over. */
  #patiently(questions: readonly Promise<void>[]): Promise<void> {
    if (questions.length === 0) return Promise.resolve()
    return new Promise(resolve => {
      const cancel = this.#options.clock.after(waitMs, resolve)
      Promise.all(questions).then(() => {
        cancel()
        resolve()
      })
    })
  }
}
