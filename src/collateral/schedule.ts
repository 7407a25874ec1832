// When to ask again. Everything is counted from the dates that Intel signed: no constant of ours says how fresh
// collateral has to be. What is short-lived sets the pace for all, so that the root's yearly list is looked at as often
// as the monthly ones.

import { retryAfter } from '../base/retry.ts'

/** Directories cost nothing to look at. */
export const lookEveryMs = 60_000
const leastMs = 60_000
/** A source that fails is left alone for so long at most, and at least while something holds. */
const longestRetryMs = 3_600_000
/** Where nobody can be accepted, the next try comes sooner. */
const urgentRetryMs = 10_000

/**
 * Is it time to ask again, after an answer? When a third of what was left then has passed, or up to a fifth of that sooner,
 * so that pods which started together do not ask together. A service may then be away for two thirds of what it hands
 * out, and nobody notices.
 * @param passedMs since the answer
 * @param leftMs until the first thing in force ends
 * @param random in [0, 1), the same for as long as no other answer comes
 */
export function isTimeAgain(passedMs: number, leftMs: number, random: number): boolean {
  return passedMs >= Math.max(leastMs, ((passedMs + leftMs) / 3) * (1 - random / 5))
}

/**
 * After the n-th failure in a row (n from 1): sooner at first, and again when the end is near.
 * @param leftMs until what is in force ends; 0 or less where nothing is
 * @param random in [0, 1)
 */
export function afterFailure(failures: number, leftMs: number, random: number): number {
  const most = Math.min(longestRetryMs, Math.max(urgentRetryMs, leftMs / 8))
  return retryAfter(failures, random, most)
}
