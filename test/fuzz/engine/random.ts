// Chance that can be had again: everything that a fuzz target makes comes out of one seed.

export class Random {
  #state: number

  /** @param seed any safe integer; neighbours are as good as strangers */
  constructor(seed: number) {
    this.#state = (seed ^ Math.floor(seed / 0x1_0000_0000)) >>> 0
  }

  /** An integer from 0 on, below `bound` (mulberry32). */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * bound)
  }

  /** True once in so many. */
  oneIn(many: number): boolean {
    return this.below(many) === 0
  }

  pick<T>(from: readonly [T, ...T[]]): T
  pick<T>(from: readonly T[]): T
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }

  /** Mostly small, sometimes up to the most. */
  size(most: number): number {
    return this.below(1 + this.below(1 + this.below(most + 1)))
  }

  /** Characters of one byte each. */
  text(length: number, alphabet?: string): string {
    let made = ''
    for (let i = 0; i < length; i++) {
      made += alphabet === undefined ? String.fromCharCode(this.below(256)) : alphabet[this.below(alphabet.length)]
    }
    return made
  }

  /** Cuts a text into pieces, none of them empty. */
  pieces(text: string, most: number): string[] {
    const cuts = new Set<number>([text.length])
    for (let left = this.below(most); left > 0; left--) cuts.add(this.below(text.length + 1))
    const sorted = [...cuts].sort((a, b) => a - b)
    return sorted.map((cut, i) => text.slice(sorted[i - 1] ?? 0, cut)).filter(piece => piece !== '')
  }
}

/** Characters that parsers have disagreed about. */
const pointed = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  '\t',
  ' ',
  ':',
  ';',
  ',',
  '"',
  '\x0b',
  '\x0c',
  '\x7f',
  '\x85',
  '\xa0',
  '\xff',
]

/** A few bytes put in, left out, changed or doubled. */
export function spoil(random: Random, text: string, most = 3): string {
  let spoilt = text
  for (let left = 1 + random.below(most); left > 0; left--) {
    const at = random.below(spoilt.length + 1)
    const length = random.oneIn(4) ? random.below(20) : random.below(3)
    const instead = random.oneIn(4)
      ? spoilt.slice(at, at + random.below(40)).repeat(2)
      : random.oneIn(3)
        ? random.text(random.below(3))
        : random.pick(pointed)
    spoilt = spoilt.slice(0, at) + instead + spoilt.slice(at + length)
  }
  return spoilt
}
