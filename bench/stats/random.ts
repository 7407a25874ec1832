// Random numbers from a seed, so that a run's order and a report's intervals can be had again. Not for secrets.

export type Random = () => number

/** Mulberry32: numbers from 0 (included) to 1 (not). */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A new list in random order. */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const order = items.map(item => ({ item, at: random() }))
  return order.sort((a, b) => a.at - b.at).map(({ item }) => item)
}
