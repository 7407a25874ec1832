// The face of `postern/function`: what the author of a function imports. It only re-exports; what is here keeps its
// meaning within a major version.

export { type Attestation, attest, type ServerTls } from './attest.ts'
export {
  type AttestOptions,
  type ClientEnclave,
  type Clients,
  type FunctionEvent,
  type Peers,
  type Provision,
  policyDigestOf,
  type Synthetic,
} from './options.ts'
