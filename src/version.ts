// The version of this build. The enclave's bundle has it written in instead: there is no package beside it to look it up in.

import { existsSync, readFileSync } from 'node:fs'

/** As in package.json, which lies one folder further up for what was built; 'unknown' where there is none. */
export function version(): string {
  const file = ['../package.json', '../../package.json'].map(up => new URL(up, import.meta.url)).find(existsSync)
  return file ? JSON.parse(readFileSync(file, 'utf8')).version : 'unknown'
}
