// Who was turned away before a question was read: they came too often, said too much, or took too long. All of them are
// counted; of the audit log each rule gets a line a second, which says how many there were since the line before, so that
// nobody fills it who has not even shown evidence.

import type { Reason } from '../attest/evidence.ts'
import type { Clock } from '../base/clock.ts'
import type { Audit } from './audit.ts'

const lineMs = 1_000

export interface TurnedAwayOptions {
  readonly clock: Clock
  readonly audit: Audit
  readonly counted: (rules: readonly string[]) => void
}

export class TurnedAway {
  readonly #options: TurnedAwayOptions
  readonly #rules = new Map<string, { at: number; unsaid: number }>()

  constructor(options: TurnedAwayOptions) {
    this.#options = options
  }

  /** @param from address of the other end: the host's word @param reason of ours alone, nothing that was sent */
  record(from: string, reason: Reason): void {
    const { clock, audit, counted } = this.#options
    counted([reason.rule])
    const now = clock.monotonic()
    const last = this.#rules.get(reason.rule)
    if (last && now - last.at < lineMs) {
      last.unsaid += 1
      return
    }
    audit.record('refused', { from, reasons: [{ ...reason }], ...(last && last.unsaid > 0 && { more: last.unsaid }) })
    this.#rules.set(reason.rule, { at: now, unsaid: 0 })
  }
}
