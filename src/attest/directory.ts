// Collateral from a directory: for one model of platforms, or one sub-directory for each of several. Who fills it (a
// sidecar, a cron job, an image) need not be trusted: everything in it is signed by Intel.
//
// It must never serve what it could not verify, nor go back: files that are missing, bad or older than what is in force
// leave the last good collateral in force until its own dates end it.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { equalBytes } from '../base/bytes.ts'
import { describe, Fault } from '../base/errors.ts'
import { type Endorsements, verifyCollateral } from './collateral.ts'
import type { IntelCollateral } from './evidence.ts'

/** File names, and the member that each file is. */
export const collateralFiles = {
  tcbInfo: 'tcb_info.json',
  tcbInfoIssuerChain: 'tcb_info_issuer_chain.pem',
  qeIdentity: 'qe_identity.json',
  qeIdentityIssuerChain: 'qe_identity_issuer_chain.pem',
  rootCaCrl: 'root_ca_crl.der',
  pckCrl: 'pck_crl.der',
  pckCrlIssuerChain: 'pck_crl_issuer_chain.pem',
} as const satisfies Record<Exclude<keyof IntelCollateral, 'kind'>, string>

const maxDirectories = 64
const lookEveryMs = 60_000
/** Without collateral nobody is accepted, so the next look comes sooner. */
const lookAgainMs = 5_000

/** The collateral in one directory. Nothing is verified. @throws Fault 'collateral-missing' that names the file */
export function readCollateral(directory: string): IntelCollateral {
  const file = (name: string): Uint8Array => {
    try {
      return new Uint8Array(readFileSync(join(directory, name)))
    } catch (cause) {
      throw new Fault('collateral-missing', `${join(directory, name)}: ${describe(cause)}`, { cause })
    }
  }
  return {
    kind: 'intel',
    tcbInfo: file(collateralFiles.tcbInfo),
    tcbInfoIssuerChain: file(collateralFiles.tcbInfoIssuerChain),
    qeIdentity: file(collateralFiles.qeIdentity),
    qeIdentityIssuerChain: file(collateralFiles.qeIdentityIssuerChain),
    rootCaCrl: file(collateralFiles.rootCaCrl),
    pckCrl: file(collateralFiles.pckCrl),
    pckCrlIssuerChain: file(collateralFiles.pckCrlIssuerChain),
  }
}

/**
 * The collateral of a directory, and of those of its sub-directories that hold a TCB info.
 * @throws Fault 'collateral-missing' where there is none at all, or one of which a file is missing
 */
export function readCollaterals(directory: string): IntelCollateral[] {
  const entries = list(directory)
  const folders = entries
    .map(entry => join(directory, entry.name))
    .filter(folder => holdsTcbInfo(folder))
    .sort()
  if (entries.some(entry => entry.name === collateralFiles.tcbInfo)) folders.unshift(directory)
  if (folders.length === 0) throw new Fault('collateral-missing', `${directory}: no ${collateralFiles.tcbInfo} in it`)
  if (folders.length > maxDirectories) {
    throw new Fault(
      'collateral-missing',
      `${directory}: want at most ${maxDirectories} platforms, got ${folders.length}`,
    )
  }
  return folders.map(readCollateral)
}

function list(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch (cause) {
    throw new Fault('collateral-missing', `${directory}: ${describe(cause)}`, { cause })
  }
}

function holdsTcbInfo(folder: string): boolean {
  try {
    return readdirSync(folder).includes(collateralFiles.tcbInfo)
  } catch {
    return false // a file, or a link to nothing
  }
}

interface InForce {
  readonly sets: readonly IntelCollateral[]
  /** Of all bytes. */
  readonly digest: string
  readonly endorsements: readonly Endorsements[]
}

export interface CollateralSource {
  /** Goes up by one whenever other collateral comes into force. 0: there is none yet. */
  generation(at: number): number
  /** What is in force, verified. @throws Fault where there never was any, with the reason */
  collateral(at: number): readonly IntelCollateral[]
}

/** How a look ended, for logs. */
export interface CollateralNews {
  /** Of what is in force now; 0: none is, so nobody can be accepted. */
  readonly generation: number
  /** Why the look took nothing; undefined where all is well. */
  readonly complaint: string | undefined
}

export interface DirectoryOptions {
  /** Told when a look ends otherwise than the one before, so once for as long as the same is wrong. */
  readonly report?: (news: CollateralNews) => void
  /** How one directory is read; synchronous, a few small files. */
  readonly read?: (directory: string) => readonly IntelCollateral[]
}

/**
 * Collateral from directories, looked at again once a minute, by whoever asks for it next.
 * @param root DER of the trust anchor that everything must chain to
 */
export function directorySource(
  directories: readonly string[],
  root: Uint8Array,
  { report = () => undefined, read = readCollaterals }: DirectoryOptions = {},
): CollateralSource {
  let inForce: InForce | undefined
  let generation = 0
  let nextLook = Number.NEGATIVE_INFINITY
  let lastLook = Number.POSITIVE_INFINITY
  let fault: unknown
  let told: CollateralNews = { generation: 0, complaint: undefined }

  function tell(news: CollateralNews): void {
    if (news.generation === told.generation && news.complaint === told.complaint) return
    told = news
    report(news)
  }

  function look(at: number): void {
    // A clock that was set back must not stop the looking.
    if (lastLook <= at && at < nextLook) return
    lastLook = at
    try {
      const sets = directories.flatMap(read)
      const digest = digestOf(sets)
      if (digest !== inForce?.digest) {
        const endorsements = sets.map(each => verifyCollateral(each, root))
        for (const after of endorsements) requireNotOlder(inForce?.endorsements ?? [], after)
        inForce = { sets, digest, endorsements }
        generation++
      }
      fault = undefined
    } catch (error) {
      fault = error
    }
    nextLook = at + (inForce === undefined ? lookAgainMs : lookEveryMs)
    tell({ generation, complaint: fault === undefined ? undefined : describe(fault) })
  }

  return {
    generation(at) {
      look(at)
      return generation
    },
    collateral(at) {
      look(at)
      if (inForce !== undefined) return inForce.sets
      throw fault instanceof Fault ? fault : new Fault('collateral-missing', `collateral: ${describe(fault)}`)
    },
  }
}

/**
 * Whoever fills the directory could put back what still holds and was friendlier. Within one process nothing goes back.
 * @throws Fault 'collateral-outdated'
 */
function requireNotOlder(inForce: readonly Endorsements[], after: Endorsements): void {
  const { tcbInfo, qeIdentity, rootCrl, pckCrl, pckCa } = after
  const before = inForce.find(
    each =>
      each.tcbInfo.tee === tcbInfo.tee &&
      each.tcbInfo.fmspc === tcbInfo.fmspc &&
      equalBytes(each.pckCa.subject, pckCa.subject),
  )
  if (before === undefined) return
  const rows: readonly (readonly [name: string, was: number | bigint, is: number | bigint])[] = [
    ['TCB info', before.tcbInfo.issueDate, tcbInfo.issueDate],
    ['TCB info number', before.tcbInfo.evaluationDataNumber, tcbInfo.evaluationDataNumber],
    ['QE identity', before.qeIdentity.issueDate, qeIdentity.issueDate],
    ['QE identity number', before.qeIdentity.evaluationDataNumber, qeIdentity.evaluationDataNumber],
    ['root CRL', before.rootCrl.thisUpdate, rootCrl.thisUpdate],
    ['root CRL number', before.rootCrl.number, rootCrl.number],
    ['PCK CRL', before.pckCrl.thisUpdate, pckCrl.thisUpdate],
    ['PCK CRL number', before.pckCrl.number, pckCrl.number],
  ]
  const older = rows.find(([, was, is]) => is < was)
  if (older) throw new Fault('collateral-outdated', `${older[0]}: older than what is in force`)
}

function digestOf(sets: readonly IntelCollateral[]): string {
  const hash = createHash('sha256')
  for (const { kind: _, ...files } of sets) {
    for (const bytes of Object.values(files)) hash.update(`${bytes.length} `).update(bytes)
  }
  return hash.digest('hex')
}
