// When to try again what failed: sooner at first, and not all at the same moment.

import { randomInt } from 'node:crypto'

const firstRetryMs = 1_000
const lastRetryMs = 300_000

const steps = 2 ** 32

/** Uniform in [0, 1). */
export const chance = (): number => randomInt(steps) / steps

/**
 * Milliseconds to wait after the n-th failure in a row (n from 1): 1 s, doubled each time up to `most`, less up to half.
 * @param random in [0, 1)
 */
export function retryAfter(failures: number, random: number, most: number = lastRetryMs): number {
  const full = Math.min(most, firstRetryMs * 2 ** Math.min(failures - 1, 30))
  return Math.ceil(full * (1 - random / 2))
}
