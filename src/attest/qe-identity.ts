// QE identity: what Intel's Quoting Enclave looks like, and what each of its security versions is worth. Version 2.
// Format: Intel PCS API v4, "Get Quoting Enclave Identity".

import { Reader, toHex } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'
import type { ReportBody } from './evidence.ts'
import { readSignedJson, type SignedJson } from './signed-json.ts'
import { type IsvLevel, readIsvLevels } from './tcb-info.ts'

const code = 'collateral-malformed'

/** A value of which only the bits of the mask count. */
interface Masked<T> {
  readonly value: T
  readonly mask: T
}

export interface QeIdentity {
  /** 'sgx' for the identity QE, 'tdx' for TD_QE. */
  readonly tee: 'sgx' | 'tdx'
  /** Milliseconds since the epoch. */
  readonly issueDate: number
  /** Milliseconds since the epoch. */
  readonly nextUpdate: number
  readonly evaluationDataNumber: number
  readonly miscSelect: Masked<number>
  readonly flags: Masked<bigint>
  readonly xfrm: Masked<bigint>
  /** Lower-case hex. */
  readonly mrsigner: string
  readonly isvProdId: number
  /** Highest first. */
  readonly levels: readonly IsvLevel[]
  readonly signed: SignedJson
}

/** Reads `{"enclaveIdentity":{…},"signature":"…"}`. Nothing is verified. @throws Fault 'collateral-malformed' */
export function readQeIdentity(bytes: Uint8Array): QeIdentity {
  const signed = readSignedJson(bytes, 'enclaveIdentity')
  const { document } = signed
  const version = document.count('version', 99)
  if (version !== 2) throw new Fault(code, `enclaveIdentity.version: want 2, got ${version}`)
  const id = document.one('id', ['QE', 'TD_QE', 'QVE'])
  // The quote verification enclave signs no quotes.
  if (id === 'QVE') throw new Fault(code, 'enclaveIdentity.id: want QE or TD_QE, got QVE')
  const value = readAttributes(document.hex('attributes', 16))
  const mask = readAttributes(document.hex('attributesMask', 16))
  return {
    tee: id === 'QE' ? 'sgx' : 'tdx',
    issueDate: document.time('issueDate'),
    nextUpdate: document.time('nextUpdate'),
    evaluationDataNumber: document.count('tcbEvaluationDataNumber', 0xffff_ffff),
    miscSelect: { value: word(document.hex('miscselect', 4)), mask: word(document.hex('miscselectMask', 4)) },
    flags: { value: value.flags, mask: mask.flags },
    xfrm: { value: value.xfrm, mask: mask.xfrm },
    mrsigner: toHex(document.hex('mrsigner', 32)),
    isvProdId: document.count('isvprodid', 0xffff),
    levels: readIsvLevels(document),
    signed,
  }
}

/** What in a report does not fit the identity; undefined where everything does. Security versions are tcb.ts's. */
export function qeMismatch(identity: QeIdentity, report: ReportBody): string | undefined {
  const { miscSelect, flags, xfrm, mrsigner, isvProdId } = identity
  const rows: readonly (readonly [name: string, fits: boolean])[] = [
    ['misc select', (report.miscSelect & miscSelect.mask) >>> 0 === miscSelect.value],
    ['attribute flags', (report.attributes.flags & flags.mask) === flags.value],
    ['attribute xfrm', (report.attributes.xfrm & xfrm.mask) === xfrm.value],
    ['mrsigner', toHex(report.mrsigner) === mrsigner],
    ['isv prod id', report.isvProdId === isvProdId],
  ]
  return rows.find(([, fits]) => !fits)?.[0]
}

/** As in a report body: flags and xfrm, little endian. */
function readAttributes(bytes: Uint8Array): { readonly flags: bigint; readonly xfrm: bigint } {
  const reader = new Reader(bytes, code)
  return { flags: reader.u64le('flags'), xfrm: reader.u64le('xfrm') }
}

/** MISCSELECT is written as a number, most significant digit first, unlike the attributes. */
function word(bytes: Uint8Array): number {
  return Number.parseInt(toHex(bytes), 16)
}
