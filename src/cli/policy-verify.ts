// `postern policy verify` and `policy digest`: would a proxy under this base policy start with this signed one, what would
// it then run by, and what would its evidence name?

import { Fault } from '../base/errors.ts'
import { type Delivery, type LoadedPolicy, loadPolicy } from '../config/policy.ts'
import type { Parsed } from './args.ts'
import type { Io } from './io.ts'
import { sentences } from './policy.ts'
import { dateLine, section } from './show.ts'
import { readFile, readTime } from './subject.ts'

/** @returns 0 where the proxy would start, 1 with the reason. @throws Fault 'usage' */
export function verifyPolicy({ positionals, values }: Parsed, io: Io): number {
  const file = positionals[0] ?? ''
  const at = readTime(String(values['at'] ?? 'now'), io)
  const asJson = values['json'] === true
  try {
    const loaded = loadPolicy(String(values['policy']), io.readFile, given(file, io, at))
    io.write(asJson ? `${JSON.stringify(plain(loaded), undefined, 2)}\n` : shown(file, loaded))
    return 0
  } catch (error) {
    if (!(error instanceof Fault) || error.code === 'usage') throw error
    const refused = { accepted: false, complaint: error.message }
    io.write(asJson ? `${JSON.stringify(refused, undefined, 2)}\n` : `${error.message}\n`)
    return 1
  }
}

/** @returns 0. @throws Fault 'policy-invalid', 'usage' */
export function digestPolicy({ positionals: [base = '', file] }: Parsed, io: Io): number {
  // A digest is for pinning; it is the same before and after the dates in it.
  const delivery: Delivery = file === undefined ? { kind: 'later' } : given(file, io, undefined)
  io.write(`${hex(loadPolicy(base, io.readFile, delivery).digest)}\n`)
  return 0
}

function given(file: string, io: Io, at: number | undefined): Delivery {
  const token = Buffer.from(readFile(file, io)).toString('latin1').replace(/\n$/, '')
  return { kind: 'given', token, from: file, at }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function plain({ policy, digest, written }: LoadedPolicy): object {
  const { part } = policy.signed ?? {}
  return {
    accepted: true,
    complaint: null,
    ...(part && { ...part, notBefore: dateLine(part.notBefore), notAfter: dateLine(part.notAfter) }),
    digest: hex(digest),
    policy: written,
  }
}

function shown(file: string, { policy, digest }: LoadedPolicy): string {
  const { part } = policy.signed ?? {}
  if (part === undefined) throw new Fault('internal', 'a policy was signed and is not')
  const head = section(`Signed policy ${file}: accepted`, [
    ['Signer', part.kid],
    ['Service', part.service],
    ['Serial', String(part.serial)],
    ['Counts', `from ${dateLine(part.notBefore)} until ${dateLine(part.notAfter)}`],
    ['Sets', part.grants.length > 0 ? part.grants : ['nothing but the service']],
    ['Digest', hex(digest)],
  ])
  return `${head}\n${sentences(policy).join('\n')}\n`
}
