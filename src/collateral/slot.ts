// The place of one document: which is in force, how long it may be used, and when it is asked for again. It knows no
// source; what it is given it verifies, and takes only what holds now and is no older than what it has.

import type { Certificate } from '../attest/certificate.ts'
import type { Crl } from '../attest/crl.ts'
import { Fault, type FaultCode } from '../base/errors.ts'
import type { FloorClock } from '../base/floor.ts'
import { type Document, requireHolds, requireNotOlder, sameAnswer, verifyAnswer } from './document.ts'
import type { News } from './news.ts'
import { afterFailure, isTimeAgain } from './schedule.ts'
import { type Answer, nameOf, type Want } from './source.ts'

export interface SlotRules {
  readonly anchor: Certificate
  readonly clock: FloorClock
  /** The policy's dangerPastNextUpdateSeconds. */
  readonly pastNextUpdateMs: number
  /** The policy's maxAgeSeconds; undefined: as old as it says itself. */
  readonly maxAgeMs: number | undefined
  /** The one evaluation data number that is wanted; undefined: what the sources give. */
  readonly evaluationDataNumber: number | undefined
  readonly report: (news: News) => void
  /** Uniform in [0, 1), for jitter. */
  readonly random: () => number
}

const missing = 'collateral-missing'

export class Slot {
  readonly want: Want
  readonly name: string
  /** The question that is out. */
  asking: Promise<void> | undefined
  /** It is asked for at the next look, whenever it would have been. */
  urgent = false
  readonly #rules: SlotRules
  #held: Document | undefined
  // By the monotonic clock: the last answer, when a failure is made good, and when it may be asked for at all.
  #confirmedAt = Number.NEGATIVE_INFINITY
  #retryAt = Number.NEGATIVE_INFINITY
  #again = Number.NEGATIVE_INFINITY
  #jitter = 0
  #failures = 0
  #complaint: string | undefined
  #code: FaultCode = missing

  constructor(want: Want, rules: SlotRules) {
    this.want = want
    this.name = nameOf(want)
    this.#rules = rules
  }

  get held(): Document | undefined {
    return this.#held
  }

  /** Why the last question brought nothing; undefined where it did. */
  get complaint(): string | undefined {
    return this.#complaint
  }

  /** False for a moment after a failure. */
  get mayAsk(): boolean {
    return this.#rules.clock.monotonic() >= this.#again
  }

  /** @param leastLeftMs until the first thing in force ends, whichever it is */
  isDue(leastLeftMs: number): boolean {
    const now = this.#rules.clock.monotonic()
    if (this.urgent || (now >= this.#again && !this.holds)) return true
    if (this.#complaint !== undefined) return now >= this.#retryAt
    return isTimeAgain(now - this.#confirmedAt, leastLeftMs, this.#jitter)
  }

  get holds(): boolean {
    try {
      this.requireHolds()
      return true
    } catch {
      return false
    }
  }

  /** Milliseconds until what is in force ends, by its own word or else by the policy's; 0 where nothing is. */
  get left(): number {
    if (!this.#held) return 0
    const { clock, pastNextUpdateMs } = this.#rules
    const now = clock.now()
    const end = now < this.#held.until ? this.#held.until : this.#held.until + pastNextUpdateMs
    return Math.max(0, Math.min(end, this.#agesAt(this.#held)) - now)
  }

  /** @throws Fault, why nothing is in force, where nothing is */
  requireHolds(): void {
    if (!this.#held) throw new Fault(this.#code, `${this.name}: ${this.#complaint ?? 'still being asked for'}`)
    try {
      this.#requireUsable(this.#held)
    } catch (error) {
      if (!(error instanceof Fault) || this.#complaint === undefined) throw error
      throw new Fault(error.code, `${error.message}; ${this.#complaint}`)
    }
  }

  /**
   * Takes whatever of these may be in force.
   * @param rootCrl the list in force, which judges everything but itself
   * @returns whether one of them is newer than what was
   * @throws Fault, why the first was refused, where none may be in force
   */
  takeBest(answers: readonly Answer[], source: string, rootCrl: Crl | undefined): boolean {
    const refusals: unknown[] = []
    let newer = false
    for (const answer of answers) {
      try {
        newer = this.#take(answer, source, rootCrl) || newer
      } catch (error) {
        refusals.push(error)
      }
    }
    if (refusals.length === answers.length) throw refusals[0] ?? new Fault(missing, 'has nothing of it')
    return newer
  }

  /** A source had something newer, or has just this. */
  confirmed(source: string): void {
    const { clock, report, random } = this.#rules
    this.#failures = 0
    this.#confirmedAt = clock.monotonic()
    this.#jitter = random()
    this.#again = clock.monotonic() + afterFailure(1, 0, random())
    if (this.#complaint === undefined) return
    this.#complaint = undefined
    report({ news: 'well-again', what: this.name, source })
  }

  /** Nobody had anything that may be in force. @param reasons one for each source */
  failed(reasons: readonly Fault[]): void {
    const { clock, report, random } = this.#rules
    this.#failures++
    this.#again = clock.monotonic() + afterFailure(this.#failures, 0, random())
    this.#retryAt = clock.monotonic() + afterFailure(this.#failures, this.left, random())
    const reason = reasons.map(({ message }) => message).join('; ') || 'there is no source that could be asked'
    if (this.#complaint === reason) return
    this.#complaint = reason
    // That somebody has it and it is bad says more than that somebody else does not have it.
    this.#code = reasons.find(({ code }) => code !== missing)?.code ?? missing
    report({ news: 'not-taken', what: this.name, reason, until: this.holds ? this.#held?.until : undefined })
  }

  /** @returns false for what is in force already */
  #take(answer: Answer, source: string, rootCrl: Crl | undefined): boolean {
    const { anchor, clock, evaluationDataNumber, report } = this.#rules
    const before = this.#held
    if (before && sameAnswer(before.answer, answer)) return false
    const document = verifyAnswer(this.want, answer, anchor, rootCrl)
    // Intel has signed this date, so it has passed, whatever else is wrong with the document.
    clock.raise(document.from)
    this.#requireUsable(document)
    if (before) requireNotOlder(before, document)
    const { kind } = this.want
    const { number, from, until } = document
    const numbered = kind === 'tcb-info' || kind === 'qe-identity'
    if (numbered && evaluationDataNumber !== undefined && number !== BigInt(evaluationDataNumber)) {
      throw new Fault('collateral-outdated', `${this.name}: want number ${evaluationDataNumber}, got ${number}`)
    }
    this.#held = document
    const past = clock.now() > until
    report({ news: 'in-force', what: this.name, source, number: String(number), issued: from, until, past })
    return true
  }

  #requireUsable(document: Document): void {
    const { clock, pastNextUpdateMs } = this.#rules
    requireHolds(document, clock.now(), pastNextUpdateMs)
    if (clock.now() <= this.#agesAt(document)) return
    const issued = new Date(document.from).toISOString()
    throw new Fault('collateral-outdated', `${this.name}: issued ${issued}, older than the policy's maxAgeSeconds`)
  }

  /** When it is too old for the policy; the root's list comes once a year, and is as old as it says. */
  #agesAt({ want, from }: Document): number {
    const { maxAgeMs } = this.#rules
    return maxAgeMs === undefined || want.kind === 'root-crl' ? Number.POSITIVE_INFINITY : from + maxAgeMs
  }
}
