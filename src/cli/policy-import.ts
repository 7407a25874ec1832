// `postern policy import`: somebody else's list of accepted enclaves as a policy to start from, and what of it is not in
// there. Never wider than what was read: where that cannot be said in a policy, it is refused, with the way out.

import { Fault } from '../base/errors.ts'
import { readPolicy } from '../config/policy.ts'
import type { Parsed } from './args.ts'
import { importGramine } from './import/gramine.ts'
import type { Importer, Left } from './import/imported.ts'
import { importMarbleRun } from './import/marblerun.ts'
import { importMeasurements } from './import/measurements.ts'
import type { Io } from './io.ts'
import { readFile } from './subject.ts'

const importers: Readonly<Record<string, Importer>> = {
  gramine: importGramine,
  marblerun: importMarbleRun,
  measurements: importMeasurements,
}

/** Prints a policy. @returns 0; 1 where nothing could be carried over. @throws Fault 'usage', 'policy-invalid' */
export function importPolicy({ positionals, values }: Parsed, io: Io): number {
  const file = positionals[0] ?? ''
  const format = String(values['from'])
  const importer = Object.hasOwn(importers, format) ? importers[format] : undefined
  if (importer === undefined)
    throw new Fault('usage', `--from ${format}: want one of ${Object.keys(importers).join(', ')}`)
  const { peers, notCarried } = inFile(file, () => importer(readFile(file, io)))
  const names = Object.keys(peers)
  const asJson = values['json'] === true
  if (names.length === 0) {
    if (asJson) io.write(`${JSON.stringify({ policy: null, notCarried }, undefined, 2)}\n`)
    io.warn(asJson ? '' : `${told(notCarried)}${file}: nothing in it can be carried over\n`)
    return 1
  }
  const policy = {
    version: 1,
    name: String(values['name'] ?? 'imported'),
    upstream: { mode: 'attested', trust: 'measurement', freshness: 'none', accept: acceptOf(names, values['accept']) },
    peers,
  }
  const text = `${JSON.stringify(policy, undefined, 2)}\n`
  readPolicy(Buffer.from(text), 'as imported')
  const left = [
    ...notCarried,
    { what: 'collateral.sources', why: 'name where collateral comes from, or nobody is accepted' },
  ]
  if (asJson) io.write(`${JSON.stringify({ policy, notCarried: left }, undefined, 2)}\n`)
  else {
    io.write(text)
    io.warn(told(left))
  }
  return 0
}

function told(left: readonly Left[]): string {
  return left.map(({ what, why }) => `not carried over: ${what}: ${why}\n`).join('')
}

function acceptOf(names: readonly string[], wanted: string | boolean | undefined): string {
  const name = wanted ?? (names.length === 1 ? names[0] : undefined)
  if (names.some(each => each === name)) return String(name)
  throw new Fault('usage', `--accept: which of ${names.join(', ')} is the container?`)
}

function inFile<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof Fault) || error.message.startsWith(file)) throw error
    throw new Fault(error.code, `${file}: ${error.message}`, { cause: error })
  }
}
