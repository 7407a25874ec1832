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

/** TD report body: 584 bytes on the wire, 648 in version 1.5. Byte strings are copies. */
export interface TdReportBody {
  readonly teeTcbSvn: Uint8Array // 16
  readonly mrSeam: Uint8Array // 48
  readonly mrSignerSeam: Uint8Array // 48
  readonly seamAttributes: bigint
  readonly tdAttributes: bigint
  readonly xfam: bigint
  readonly mrTd: Uint8Array // 48
  readonly mrConfigId: Uint8Array // 48
  readonly mrOwner: Uint8Array // 48
  readonly mrOwnerConfig: Uint8Array // 48
  readonly rtmrs: readonly Uint8Array[] // 4 of 48
  readonly reportData: Uint8Array // 64
  /** What version 1.5 adds. */
  readonly v15: { readonly teeTcbSvn2: Uint8Array; readonly mrServiceTd: Uint8Array } | undefined
}

/** What the attestation key signs, parsed. */
export type SignedBody =
  | { readonly version: 3 | 4 | 5; readonly tee: 'sgx'; readonly body: ReportBody }
  | { readonly version: 4 | 5; readonly tee: 'tdx'; readonly body: TdReportBody }

/** What a quote of each version carries besides its signed part. Nothing of it is verified. */
export interface QuoteSignature {
  /** The bytes that the attestation key signed: header and body, with the body's descriptor in version 5. */
  readonly signedBytes: Uint8Array
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

/** A parsed, not yet verified, ECDSA quote. */
export type Quote = SignedBody & QuoteSignature
export type SgxQuote = Extract<SignedBody, { readonly tee: 'sgx' }> & QuoteSignature
export type TdxQuote = Extract<SignedBody, { readonly tee: 'tdx' }> & QuoteSignature

/** Intel's collateral for one model of platforms (FMSPC) and one TEE, in the exact bytes in which it was published. */
export interface IntelCollateral {
  readonly kind: 'intel'
  /** `{"tcbInfo":{…},"signature":"…"}`, version 3. */
  readonly tcbInfo: Uint8Array
  /** PEM: TCB signing certificate, root. */
  readonly tcbInfoIssuerChain: Uint8Array
  /** `{"enclaveIdentity":{…},"signature":"…"}`, version 2. */
  readonly qeIdentity: Uint8Array
  /** PEM: TCB signing certificate, root. */
  readonly qeIdentityIssuerChain: Uint8Array
  /** DER, PEM, or the hex text that a PCCS gives. */
  readonly rootCaCrl: Uint8Array
  /** DER, PEM, or the hex text that a PCCS gives. */
  readonly pckCrl: Uint8Array
  /** PEM: PCK CA, root. */
  readonly pckCrlIssuerChain: Uint8Array
}

/**
 * What a quote is judged against besides itself. The synthetic PKI of the demo publishes no TCB info and no revocation
 * lists, so its collateral says only that; Intel's root is never accepted with it.
 */
export type Collateral = { readonly kind: 'synthetic' } | IntelCollateral

/** Intel's verdicts about a TCB level, as TCB info and QE identity spell them. */
export const levelStatuses = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const
export type LevelStatus = (typeof levelStatuses)[number]

/**
 * The merged verdict about platform, TDX module and Quoting Enclave. `Revoked` is not here: it is no verdict that a
 * policy could accept, verifyQuote refuses it. 'Synthetic' stands for "no hardware": only a rule that says
 * dangerAcceptSynthetic accepts it.
 */
export type TcbStatus = Exclude<LevelStatus, 'Revoked'> | 'Synthetic'

/** Who the machine is, by its PCK certificate (1.2.840.113741.1.13.1). Byte strings are lower-case hex. */
export interface Platform {
  /** Identifier of the processor package, 16 bytes. */
  readonly ppid: string
  /** Identifier of a multi-package machine's instance, 16 bytes; only a Platform CA names one. */
  readonly piid: string | undefined
  /** Family, model, stepping, platform type and SKU, 6 bytes. */
  readonly fmspc: string
  /** 2 bytes. */
  readonly pceId: string
  readonly sgxType: 'standard' | 'scalable' | 'scalable-with-integrity'
  /** Undefined where the certificate says nothing. */
  readonly configuration:
    | { readonly dynamicPlatform: boolean; readonly cachedKeys: boolean; readonly smtEnabled: boolean }
    | undefined
  /** SVNs of the 16 TCB components that the PCK certificate was issued for. */
  readonly components: readonly number[]
  readonly pceSvn: number
}

/** What the collateral said about the platform; numbers and dates are those that a policy's floors are about. */
export interface TcbFacts {
  readonly platformStatus: LevelStatus
  readonly qeStatus: LevelStatus
  /** Of the matched levels of platform, TDX module and Quoting Enclave; sorted, no duplicates. */
  readonly advisoryIds: readonly string[]
  /** Of the platform's level; milliseconds since the epoch. */
  readonly tcbDate: number
  readonly evaluationDataNumber: { readonly tcbInfo: number; readonly qeIdentity: number }
  readonly crlNumber: { readonly root: bigint; readonly pck: bigint }
  /** When the oldest of TCB info, QE identity and PCK CRL was issued; milliseconds since the epoch. */
  readonly issuedAt: number
}

interface CommonClaims {
  readonly synthetic: boolean
  readonly tcbStatus: TcbStatus
  /** Undefined exactly where `tcbStatus` is 'Synthetic'. */
  readonly tcb: TcbFacts | undefined
  readonly platform: Platform
  /** Milliseconds since the epoch between which the verification holds. */
  readonly window: { readonly from: number; readonly until: number }
}

export type SgxClaims = CommonClaims & Extract<SignedBody, { readonly tee: 'sgx' }>
export type TdxClaims = CommonClaims & Extract<SignedBody, { readonly tee: 'tdx' }>
/** What a verified quote says. Only verifyQuote makes it, from the bytes whose signatures it checked. */
export type Claims = SgxClaims | TdxClaims

/** What a certificate's evidence says besides the quote; already bound to the quote and to the certificate's key. */
export interface EvidenceFacts {
  /**
   * 'tagged' is the claims extension (TCG DICE); 'legacy' (Gramine's) and 'sdk' (Intel's SGX SDK's) are bare quotes over
   * the key, which carry no claims.
   */
  readonly format: 'tagged' | 'legacy' | 'sdk'
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
  | { readonly accepted: true; readonly claims: SgxClaims; readonly until: number }
  | { readonly accepted: false; readonly reasons: readonly [Reason, ...Reason[]] }

/** A Judgement that also says what the accepted certificate's evidence claims. */
export type PeerJudgement =
  | {
      readonly accepted: true
      readonly claims: SgxClaims
      readonly until: number
      readonly evidence: EvidenceFacts
    }
  | {
      readonly accepted: false
      readonly reasons: readonly [Reason, ...Reason[]]
      /** Of a genuine peer that the rule does not want; undefined where the evidence is not genuine. */
      readonly refused: SgxClaims | undefined
    }
