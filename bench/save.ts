// Writes a file beside the old one first, so that a full disk costs the new text and not what is there.

import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { systemCode } from '../src/base/errors.ts'

/** @returns whether it was written; why not is told on stderr, since what else there is to do goes on */
export function save(path: string, text: string): boolean {
  const part = `${path}.part`
  try {
    // A device or a pipe is not replaced.
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) {
      writeFileSync(path, text)
      return true
    }
    writeFileSync(part, text)
    renameSync(part, path)
    return true
  } catch (error) {
    const code = systemCode(error) ?? 'unknown'
    const what = code === 'ENOSPC' ? 'the disk is full' : code
    process.stderr.write(`FAILED to write ${path} (${what}); what was there before is kept\n`)
    rmSync(part, { force: true })
    return false
  }
}
