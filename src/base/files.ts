// Files that somebody else writes, read with a bound: a size that the file system tells is the host's word.

import { closeSync, openSync, readSync } from 'node:fs'
import { Fault, type FaultCode, systemCode } from './errors.ts'

const chunkBytes = 64 * 1024

/**
 * A whole file, or undefined where there is none.
 * @param most bytes; one more is too many
 * @throws Fault with `code` for a longer one; the system's error where it cannot be read
 */
export function readBounded(path: string, most: number, code: FaultCode): Uint8Array | undefined {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined
    throw error
  }
  try {
    const parts: Buffer[] = []
    let total = 0
    for (;;) {
      const part = Buffer.alloc(Math.min(chunkBytes, most + 1 - total))
      const bytes = readSync(file, part)
      if (bytes === 0) return new Uint8Array(Buffer.concat(parts))
      total += bytes
      if (total > most) throw new Fault(code, `want at most ${most} bytes, got more`)
      parts.push(part.subarray(0, bytes))
    }
  } finally {
    closeSync(file)
  }
}
