// The face of `postern/attest`: what other projects may import. The one file of the room that only re-exports; inside the
// project each file is imported by its own name. What is here keeps its meaning within a major version.

export {
  type CollateralNews,
  type CollateralSource,
  type DirectoryOptions,
  directorySource,
  readCollateral,
  readCollaterals,
} from './directory.ts'
export type {
  Claims,
  Collateral,
  IntelCollateral,
  Judgement,
  LevelStatus,
  PeerJudgement,
  Platform,
  Quote,
  Reason,
  ReportBody,
  SgxClaims,
  SgxQuote,
  TcbFacts,
  TcbStatus,
  TdReportBody,
  TdxClaims,
  TdxQuote,
} from './evidence.ts'
export { judgePeer, type Trust } from './peer.ts'
export { type AcceptedEnclave, judge, type PeerRule } from './policy.ts'
export { parseQuote, parseSgxQuote } from './quote.ts'
export { intelRoot } from './root.ts'
export type { TcbFloors, TcbProfile, TcbRule } from './tcb-policy.ts'
export { type VerdictKey, Verdicts } from './verdicts.ts'
export { verifyQuote } from './verify.ts'
