// Request fields that the policy takes off, in every spelling. Asked about each field of each request, so nearly all are
// told apart by number or length.

import { spellings } from '../rewrite.ts'
import type { Head } from './head.ts'
import { field, idOf } from './names.ts'

export class Strip {
  readonly #names: ReadonlySet<string>
  readonly #known = new Uint8Array(64)
  readonly #lengths = new Uint8Array(256)

  /** @param names lower case, with hyphens */
  constructor(names: readonly string[]) {
    this.#names = new Set(names)
    for (const name of names) {
      this.#known[idOf(name)] = 1
      this.#lengths[name.length & 0xff] = 1
    }
    this.#known[field.other] = 0
  }

  /** True where the field does not pass. */
  has(head: Head, at: number): boolean {
    const id = head.id(at)
    if (id !== field.other) return this.#known[id] === 1
    return this.#lengths[head.nameLength(at) & 0xff] === 1 && this.#names.has(spellings(head.name(at)))
  }

  /** @param lowerName with hyphens */
  names(lowerName: string): boolean {
    return this.#names.has(lowerName)
  }
}
