// Where the demo can run, what it tells, and how it is made to fail.

import { requireFree } from '../../src/demo/ports.ts'
import { preloaded } from './process.ts'

export interface Told {
  readonly synthetic: boolean
  readonly good: boolean
  readonly rows: readonly { what: string; want: string; got: string; why: string; good: boolean }[]
}

const most = 8

/** The first of as many free ports in a row as any tour needs, below those that the system hands out. */
export async function portBase(): Promise<number> {
  for (;;) {
    const base = 10_000 + most * Math.floor(Math.random() * 2_500)
    const row = Array.from({ length: most }, (_, i) => base + i)
    if (
      await requireFree(row).then(
        () => true,
        () => false,
      )
    )
      return base
  }
}

/** What is spoilt is spoilt before the program starts, by a module that Node loads first: its arguments. */
export const spoil = preloaded
export const source = (path: string): string => new URL(`../../src/${path}`, import.meta.url).href
