// The version of this build. The enclave's bundle has it written in instead: there is no package beside it to look it up in.

import { readFileSync } from 'node:fs'

/** As in package.json; 'unknown' where there is none. */
export function version(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      return JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')).version
    } catch {}
  }
  return 'unknown'
}
