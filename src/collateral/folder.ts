// Directories as a source: whoever fills them need not be trusted. All of one is read at once, since several things are
// asked for in one go.

import { readCertificate } from '../attest/certificate.ts'
import { collateralFiles, readCollaterals } from '../attest/directory.ts'
import type { IntelCollateral } from '../attest/evidence.ts'
import { readPemChain } from '../attest/pem.ts'
import { readQeIdentity } from '../attest/qe-identity.ts'
import { readTcbInfo } from '../attest/tcb-info.ts'
import { caOf } from '../attest/verify.ts'
import { equalBytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { describe, Fault } from '../base/errors.ts'
import { type Answer, nameOf, type Source, type Want } from './source.ts'

/** What is asked for within this time is answered from one look. */
const lookMs = 1_000

/** A source of the collateral in one directory and its sub-directories. */
export function folderSource(
  directory: string,
  clock: Clock,
  read: (directory: string) => readonly IntelCollateral[] = readCollaterals,
): Source {
  let seen: readonly IntelCollateral[] = []
  let found: ReadonlyMap<string, readonly Answer[]> = new Map()
  let lookedAt = Number.NEGATIVE_INFINITY
  let trouble: string | undefined
  return {
    name: `directory ${directory}`,
    local: true,
    async ask(want) {
      if (clock.monotonic() - lookedAt >= lookMs) {
        const sets = read(directory)
        lookedAt = clock.monotonic()
        if (!sameSets(seen, sets)) {
          const parsed = sets.map(answersOf)
          found = groupByName(parsed.flatMap(({ answers }) => answers))
          trouble = parsed.find(set => set.trouble !== undefined)?.trouble
          seen = sets
        }
      }
      const answers = found.get(nameOf(want)) ?? []
      // What can be read serves; what cannot is told to whoever found nothing.
      if (answers.length === 0 && trouble !== undefined) throw new Fault('collateral-malformed', trouble)
      return answers
    },
    stop() {},
  }
}

type Named = readonly [want: Want, answer: Answer]

/** What a set of documents answers, each to its want; those for guests (TDX) answer to none. Nothing is verified. */
export function answersOf(set: IntelCollateral): { readonly answers: readonly Named[]; readonly trouble?: string } {
  const answers: Named[] = [[{ kind: 'root-crl' }, { body: set.rootCaCrl, chain: new Uint8Array() }]]
  try {
    answers.push([
      { kind: 'pck-crl', ca: issuerOf(set.pckCrlIssuerChain) },
      { body: set.pckCrl, chain: set.pckCrlIssuerChain },
    ])
    const { tee, fmspc } = readTcbInfo(set.tcbInfo)
    if (tee === 'sgx') {
      answers.push([
        { kind: 'tcb-info', fmspc },
        { body: set.tcbInfo, chain: set.tcbInfoIssuerChain },
      ])
    }
    if (readQeIdentity(set.qeIdentity).tee === 'sgx') {
      answers.push([{ kind: 'qe-identity' }, { body: set.qeIdentity, chain: set.qeIdentityIssuerChain }])
    }
    return { answers }
  } catch (error) {
    return { answers, trouble: describe(error) }
  }
}

/** The same bytes, as they nearly always are. */
function sameSets(before: readonly IntelCollateral[], after: readonly IntelCollateral[]): boolean {
  const members = Object.keys(collateralFiles) as (keyof typeof collateralFiles)[]
  const same = (one: IntelCollateral, other: IntelCollateral | undefined): boolean =>
    other !== undefined && members.every(member => equalBytes(one[member], other[member]))
  return before.length === after.length && before.every((set, i) => same(set, after[i]))
}

function issuerOf(chain: Uint8Array): 'platform' | 'processor' {
  const [issuer = new Uint8Array()] = readPemChain(chain, 2, 'collateral-malformed', 'PCK CRL issuer chain')
  return caOf(readCertificate(issuer))
}

function groupByName(answers: readonly Named[]): Map<string, Answer[]> {
  const groups = new Map<string, Answer[]>()
  for (const [want, answer] of answers) {
    const name = nameOf(want)
    groups.set(name, [...(groups.get(name) ?? []), answer])
  }
  return groups
}
