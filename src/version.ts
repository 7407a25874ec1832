// The version of this build, and its age. The enclave's bundle has both written in instead: there is no package beside it to look it up in.

import { existsSync, readFileSync } from 'node:fs'

/** As in package.json, which lies one folder further up for what was built; 'unknown' where there is none. */
export function version(): string {
  const file = ['../package.json', '../../package.json'].map(up => new URL(up, import.meta.url)).find(existsSync)
  return file ? JSON.parse(readFileSync(file, 'utf8')).version : 'unknown'
}

/**
 * A moment that had certainly passed when this was built, in milliseconds since the epoch: a clock below it is wrong. Raised
 * with each release; a build that is given SOURCE_DATE_EPOCH (reproducible-builds.org) writes that in where it is later.
 */
export function builtAfter(): number {
  return Date.UTC(2026, 10, 25)
}
