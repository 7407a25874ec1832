// `postern ca digest`: by what the attesting CA's evidence names the options that were measured with it. For the policies of
// those who take certificates from it; no CA is asked.

import { toHex } from '../base/bytes.ts'
import { policyDigest } from '../config/policy.ts'
import { readProvisionOptions } from '../config/provision.ts'
import type { Parsed } from './args.ts'
import type { Io } from './io.ts'
import { readFile } from './subject.ts'

/** Prints 64 hex digits. @returns 0. @throws Fault 'usage', 'options-invalid' where no CA would start with them */
export function digestOptions({ positionals: [file = ''] }: Parsed, io: Pick<Io, 'readFile' | 'write'>): number {
  const bytes = readFile(file, io)
  readProvisionOptions(bytes, file)
  io.write(`${toHex(policyDigest(bytes))}\n`)
  return 0
}
