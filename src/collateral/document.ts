// One document or list that was verified: what it is, when it holds, and what it may be replaced by.
//
// Nothing goes back: the host chooses what reaches us, and would choose the friendlier of two truths. Intel leaves the
// number of its lists at 1, so the date counts as much as the number.

import type { Certificate } from '../attest/certificate.ts'
import { type Dated, datesOf, requireDates } from '../attest/chain.ts'
import { verifyPckCrl, verifyQeIdentity, verifyRootCrl, verifyTcbInfo } from '../attest/collateral.ts'
import type { Crl } from '../attest/crl.ts'
import { caOf } from '../attest/verify.ts'
import { equalBytes } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'
import { type Answer, nameOf, type Want } from './source.ts'

export interface Document {
  readonly want: Want
  readonly answer: Answer
  /** When it was issued; milliseconds since the epoch. */
  readonly from: number
  /** Its own next update; milliseconds since the epoch. */
  readonly until: number
  /** Evaluation data number, or the list's number. */
  readonly number: bigint
  /** Whoever signed it. */
  readonly signers: readonly Dated[]
  /** Only of the root's list, by which the others are judged. */
  readonly rootCrl: Crl | undefined
}

const code = 'collateral-unverified'

/**
 * Verifies an answer as collateral.ts verifies a whole set; says nothing about the time.
 * @param anchor what readAnchor gave
 * @param rootCrl the list in force; undefined only where that list itself is wanted
 * @throws Fault 'collateral-malformed', 'collateral-unverified', 'quote-unverified' (a revoked signer), 'collateral-missing'
 */
export function verifyAnswer(want: Want, answer: Answer, anchor: Certificate, rootCrl: Crl | undefined): Document {
  const { body, chain } = answer
  const made = (
    dates: readonly [from: number, until: number],
    number: bigint | number,
    signer: Certificate,
    list?: Crl,
  ): Document => ({
    want,
    answer,
    from: dates[0],
    until: dates[1],
    number: BigInt(number),
    signers: [datesOf(signer, 'its signer')],
    rootCrl: list,
  })
  if (want.kind === 'root-crl') {
    const crl = verifyRootCrl(body, anchor)
    return made([crl.thisUpdate, crl.nextUpdate], crl.number, anchor, crl)
  }
  if (rootCrl === undefined) throw new Fault('collateral-missing', 'no root CRL to judge it by')
  switch (want.kind) {
    case 'pck-crl': {
      const { pckCa, pckCrl } = verifyPckCrl(body, chain, anchor, rootCrl)
      if (caOf(pckCa) !== want.ca) throw new Fault(code, `PCK CRL: of the ${caOf(pckCa)} CA, want the ${want.ca} CA's`)
      return made([pckCrl.thisUpdate, pckCrl.nextUpdate], pckCrl.number, pckCa)
    }
    case 'tcb-info': {
      const { tcbInfo, signer } = verifyTcbInfo(body, chain, anchor, rootCrl)
      const { tee, fmspc } = tcbInfo
      if (tee !== 'sgx' || fmspc !== want.fmspc) {
        throw new Fault(code, `TCB info: for ${tee} ${fmspc}, want sgx ${want.fmspc}`)
      }
      return made([tcbInfo.issueDate, tcbInfo.nextUpdate], tcbInfo.evaluationDataNumber, signer)
    }
    case 'qe-identity': {
      const { qeIdentity, signer } = verifyQeIdentity(body, chain, anchor, rootCrl)
      if (qeIdentity.tee !== 'sgx') throw new Fault(code, `QE identity: for ${qeIdentity.tee}, want sgx`)
      return made([qeIdentity.issueDate, qeIdentity.nextUpdate], qeIdentity.evaluationDataNumber, signer)
    }
  }
}

/** @throws Fault 'collateral-outdated' where it does not hold now. @param pastNextUpdateMs as in verifyQuote */
export function requireHolds(document: Document, at: number, pastNextUpdateMs: number): void {
  const { want, from, until, signers } = document
  const own = { name: nameOf(want), from, until: until + pastNextUpdateMs }
  requireDates([own, ...signers], at, 'collateral-outdated')
}

/** @throws Fault 'collateral-outdated' where `after` goes back behind `before` */
export function requireNotOlder(before: Document, after: Document): void {
  if (after.from >= before.from && after.number >= before.number) return
  const tell = ({ number, from }: Document): string => `number ${number} of ${new Date(from).toISOString()}`
  const name = nameOf(after.want)
  throw new Fault('collateral-outdated', `${name}: ${tell(after)} is older than what is in force, ${tell(before)}`)
}

/** True where both are the same bytes. */
export function sameAnswer(one: Answer, other: Answer): boolean {
  return equalBytes(one.body, other.body) && equalBytes(one.chain, other.chain)
}
