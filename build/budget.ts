// How large the enclave's one file may be. Every byte of it is trusted, hashed at each start and kept in memory.

/** A file that gave bytes to a bundle, as a path below the root. */
export interface Input {
  readonly path: string
  readonly bytes: number
}

export interface Bundle {
  readonly text: string
  readonly inputs: readonly Input[]
}

/** In bytes. `ours` is what src/ gives; the rest makes and reads certificates, and writes metrics. */
export const budget = { all: 1_320_000, ours: 490_000 } as const

export function total({ text }: Bundle): number {
  return Buffer.byteLength(text)
}

/** What is larger than it may be, in sentences. */
export function overBudget(bundle: Bundle): string[] {
  const ours = bundle.inputs.filter(({ path }) => path.startsWith('src/')).reduce((sum, { bytes }) => sum + bytes, 0)
  const found: [name: string, bytes: number, most: number][] = [
    ['all of it', total(bundle), budget.all],
    ['src/', ours, budget.ours],
  ]
  return found
    .filter(([, bytes, most]) => bytes > most)
    .map(
      ([name, bytes, most]) => `${name}: at most ${most} bytes, got ${bytes}: cut something, or raise build/budget.ts`,
    )
}
