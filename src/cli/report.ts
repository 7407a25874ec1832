// A verdict for people and for programs: the same facts, as text in sections or as one JSON object.

import type { Claims, Reason } from '../attest/evidence.ts'
import { toHex } from '../base/bytes.ts'
import { dateLine, showClaims, showEnclave, showPlatform, showReasons, showSigned } from './show.ts'

export interface Verdict {
  /** Undefined where the evidence is not genuine. */
  readonly claims: Claims | undefined
  /** Undefined where no policy judged. */
  readonly accepted: boolean | undefined
  readonly reasons: readonly Reason[]
}

/** An enclave whose memory its host can read, or such a guest. */
function isDebug({ tee, body }: Claims): boolean {
  return tee === 'sgx' ? (body.attributes.flags & 0x02n) !== 0n : (body.tdAttributes & 0x01n) !== 0n
}

/** The verdict as text that ends in a line end. */
export function report(verdict: Verdict, asJson: boolean): string {
  return asJson ? `${JSON.stringify(plain(verdict), undefined, 2)}\n` : `${shown(verdict)}\n${lastLine(verdict)}\n`
}

/** Nothing of what could not be verified is in here. */
function plain({ claims, accepted, reasons }: Verdict): object {
  const { tcb, window } = claims ?? {}
  const body = claims?.tee === 'sgx' ? claims.body : undefined
  const iso = (ms: number | undefined): string | null => (ms === undefined ? null : dateLine(ms))
  return {
    verified: claims !== undefined,
    accepted: accepted ?? null,
    synthetic: claims?.synthetic ?? null,
    tee: claims?.tee ?? null,
    tcbStatus: claims?.tcbStatus ?? null,
    advisoryIds: tcb?.advisoryIds ?? [],
    tcbDate: iso(tcb?.tcbDate),
    tcbEvaluationDataNumber: tcb?.evaluationDataNumber.tcbInfo ?? null,
    qeEvaluationDataNumber: tcb?.evaluationDataNumber.qeIdentity ?? null,
    fmspc: claims?.platform.fmspc ?? null,
    mrenclave: body ? toHex(body.mrenclave) : null,
    mrsigner: body ? toHex(body.mrsigner) : null,
    isvProdId: body?.isvProdId ?? null,
    isvSvn: body?.isvSvn ?? null,
    debug: claims ? isDebug(claims) : null,
    reportData: claims ? toHex(claims.body.reportData) : null,
    window: window ? { notBefore: iso(window.from), notAfter: iso(window.until) } : null,
    reasons,
  }
}

function shown({ claims, reasons }: Verdict): string {
  const parts = [
    ...(claims ? [claims.tee === 'sgx' ? showEnclave('Enclave', claims.body) : showSigned(claims)] : []),
    ...(claims ? [showPlatform(claims.platform), showClaims(claims)] : []),
    ...(reasons.length > 0 ? [showReasons(reasons)] : []),
  ]
  return parts.join('')
}

function lastLine({ claims, accepted }: Verdict): string {
  if (claims === undefined) return 'Not verified.'
  const genuine = claims.synthetic ? 'Verified, SYNTHETIC' : 'Verified'
  if (accepted === undefined) return `${genuine}. No policy was asked.`
  return accepted ? `${genuine} and accepted.` : `${genuine}, but refused by the policy.`
}
