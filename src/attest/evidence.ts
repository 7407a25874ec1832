// The vocabulary of evidence. Names and layouts follow Intel's DCAP headers (sgx_quote_3.h, sgx_report.h).

import type { PosternClaims, ReportData } from './bind.ts'

/** Where quotes come from: Gramine's /dev/attestation, or the synthetic TEE of tests and demo. */
export interface QuoteSource {
  readonly tee: 'sgx'
  /** True for evidence that no hardware stands behind. */
  readonly synthetic: boolean
  /** This enclave's own measurement (32 bytes), so that it is never accepted as its own upstream. */
  readonly mrenclave: Uint8Array
  /**
   * A quote over 64 bytes of report data.
   * @throws Fault 'tee-unavailable' where the platform gives none, or gives one for other report data
   */
  quote(data: ReportData): Promise<Uint8Array>
}

/** SGX report body, 384 bytes on the wire. Byte strings are copies: nothing aliases the received buffer. */
export interface ReportBody {
  readonly cpuSvn: Uint8Array // 16
  readonly miscSelect: number
  readonly isvExtProdId: Uint8Array // 16
  readonly attributes: { readonly flags: bigint; readonly xfrm: bigint }
  readonly mrenclave: Uint8Array // 32
  readonly mrsigner: Uint8Array // 32
  readonly configId: Uint8Array // 64
  readonly isvProdId: number
  readonly isvSvn: number
  readonly configSvn: number
  readonly isvFamilyId: Uint8Array // 16
  readonly reportData: Uint8Array // 64
}

/** A parsed, not yet verified, SGX ECDSA quote of version 3. */
export interface SgxQuote {
  readonly version: 3
  /** The bytes that the attestation key signed: header and body, 432 of them. */
  readonly signedBytes: Uint8Array
  readonly body: ReportBody
  /** r ‖ s, 64 bytes. */
  readonly signature: Uint8Array
  /** x ‖ y, 64 bytes. */
  readonly attestationKey: Uint8Array
  /** The Quoting Enclave's report: 384 raw bytes, and parsed. */
  readonly qeReportBytes: Uint8Array
  readonly qeReport: ReportBody
  /** r ‖ s by the PCK key over qeReportBytes, 64 bytes. */
  readonly qeReportSignature: Uint8Array
  readonly qeAuthData: Uint8Array
  /** Certification data of type 5: DER of PCK leaf, PCK CA, root, in this order. */
  readonly pckChain: readonly [leaf: Uint8Array, ca: Uint8Array, root: Uint8Array]
}

/**
 * What a quote is judged against besides itself. The synthetic PKI publishes no TCB info and no revocation lists, so
 * its collateral says only that; Intel's root is never accepted with it.
 */
export type Collateral = { readonly kind: 'synthetic' }

/** 'Synthetic' stands for "no hardware": no policy but one that names the synthetic root can accept it. */
export type TcbStatus = 'Synthetic'

/** What a verified quote says. Only verifyQuote makes it, from the bytes whose signatures it checked. */
export interface Claims {
  readonly tee: 'sgx'
  readonly synthetic: boolean
  readonly body: ReportBody
  readonly tcbStatus: TcbStatus
  /** Milliseconds since the epoch between which the verification holds. */
  readonly window: { readonly from: number; readonly until: number }
}

/** What a certificate's evidence says besides the quote; already bound to the quote and to the certificate's key. */
export interface EvidenceFacts {
  /** 'tagged' is the claims extension (TCG DICE), 'legacy' Gramine's bare quote over the key, which carries no claims. */
  readonly format: 'tagged' | 'legacy'
  /** SHA-256 of the certificate's DER, lower-case hex. */
  readonly leafSha256: string
  /** Undefined for a peer that makes no claim of ours. */
  readonly postern: PosternClaims | undefined
}

/** One reason for a refusal. */
export interface Reason {
  /** Stable name of the rule: 'mrenclave', 'debug', 'role', … */
  readonly rule: string
  readonly want: string
  readonly got: string
}

export type Judgement =
  | { readonly accepted: true; readonly claims: Claims; readonly until: number }
  | { readonly accepted: false; readonly reasons: readonly [Reason, ...Reason[]] }

/** A Judgement that also says what the accepted certificate's evidence claims. */
export type PeerJudgement =
  | {
      readonly accepted: true
      readonly claims: Claims
      readonly until: number
      readonly evidence: EvidenceFacts
    }
  | Extract<Judgement, { readonly accepted: false }>
