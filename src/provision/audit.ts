// The audit log: one line for each decision, refusals too, each with the hash of the line before. Whoever keeps any line
// can tell whether the ones up to it were changed or left out. Lines hold who, which evidence and which rule; never a key
// or a token, and of what a stranger chose no more than a reason quotes.

import { createHash } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { type Json, type JsonObject, readJson } from '../base/json.ts'

export type AuditEvent = 'started' | 'unlocked' | 'unlock-refused' | 'issued' | 'refused'
export type AuditFields = Readonly<Record<string, Json>>

const none = '0'.repeat(64)

export class Audit {
  readonly #clock: Clock
  readonly #write: (line: string) => void
  #count = 0
  #head = none

  /** @param write receives whole lines, line feed included */
  constructor(clock: Clock, write: (line: string) => void) {
    this.#clock = clock
    this.#write = write
  }

  /** SHA-256 of the last line without its line feed, hex; zeros before the first. */
  get head(): string {
    return this.#head
  }

  record(event: AuditEvent, fields: AuditFields): void {
    const time = new Date(this.#clock.now()).toISOString()
    const line = JSON.stringify({ audit: this.#count, time, previous: this.#head, event, ...fields })
    this.#count += 1
    this.#head = sha256(line)
    this.#write(`${line}\n`)
  }
}

/**
 * Checks a log's lines, whatever other lines stand between them.
 * @returns the last line's hash and how many there are, or where the chain is broken
 */
export function verifyAudit(
  text: string,
):
  | { readonly ok: true; readonly head: string; readonly lines: number }
  | { readonly ok: false; readonly reason: string } {
  let head = none
  let count = 0
  for (const line of text.split('\n')) {
    const said = auditLine(line)
    if (said === undefined) continue
    if (said['audit'] !== count)
      return { ok: false, reason: `want line ${count}, got ${JSON.stringify(said['audit'])}` }
    if (said['previous'] !== head) return { ok: false, reason: `line ${count} does not follow the one before` }
    head = sha256(line)
    count += 1
  }
  return { ok: true, head, lines: count }
}

function auditLine(line: string): JsonObject | undefined {
  if (!line.startsWith('{"audit":')) return undefined
  try {
    return readJson(line) as JsonObject
  } catch {
    return { audit: 'a line that is no JSON' }
  }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
