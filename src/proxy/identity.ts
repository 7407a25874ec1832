// Who we are: the TEE that vouches for us, and the source of the certificate that we show. Fails closed: a policy that
// asks for evidence does not start where there is none to be had.

import type { QuoteSource } from '../attest/evidence.ts'
import { openQuoteSource, realTeePresent, type TimedQuoteSource, timedQuoteSource } from '../attest/source.ts'
import type { Clock } from '../base/clock.ts'
import { describe, Fault } from '../base/errors.ts'
import type { StartUp } from '../base/startup.ts'
import type { Policy } from '../config/policy.ts'
import type { CertificateSource } from '../identity/credential.ts'
import { files, filesPresent, knativeFolder } from '../identity/sources/files.ts'
import { provisionSource } from '../identity/sources/provision.ts'
import { selfSignedSource } from '../identity/sources/self-signed.ts'
import { connectTo, type IssuerPart } from './issued.ts'

export interface IdentityOptions {
  readonly policy: Policy
  /** 32 bytes. */
  readonly policyDigest: Uint8Array
  readonly clock: Clock
  /** Makes the synthetic TEE; absent from builds that run in an enclave. */
  readonly syntheticTee: (() => QuoteSource) | undefined
  readonly startUp?: StartUp
  /** Folders that tests move. */
  readonly attestationFolder?: string | undefined
  readonly certificateFolder?: string | undefined
}

/**
 * The TEE, or undefined where the policy asks for no evidence of ours.
 * @throws Fault 'policy-invalid' for synthetic trust beside a real TEE, 'tee-unavailable' where there is none
 */
export function openTee(options: IdentityOptions): TimedQuoteSource | undefined {
  const tee = chooseTee(options)
  return tee && timedQuoteSource(tee, () => options.clock.now())
}

function chooseTee(options: IdentityOptions): QuoteSource | undefined {
  const { policy, syntheticTee, attestationFolder } = options
  if (policy.dangerSyntheticRoot) {
    if (realTeePresent(attestationFolder)) {
      throw new Fault(
        'policy-invalid',
        `policy ${policy.name} trusts SYNTHETIC evidence and does not start where a real TEE is present; use your own policy`,
      )
    }
    if (!syntheticTee) {
      throw new Fault(
        'policy-invalid',
        `policy ${policy.name} trusts SYNTHETIC evidence, which this build does not have`,
      )
    }
    return syntheticTee()
  }
  if (policy.identity.source === 'files') return undefined
  try {
    return openQuoteSource(attestationFolder)
  } catch (error) {
    throw new Fault(
      'tee-unavailable',
      `policy ${policy.name} needs an SGX enclave (Gramine, sgx.remote_attestation = "dcap"): ${describe(error)}; ` +
        'to try postern without one: postern demo, or --policy compatible',
      { cause: error },
    )
  }
}

/** The source of our certificate, or undefined where TLS stays off: files were asked for, and none are mounted. */
export function chooseSource(
  options: IdentityOptions,
  tee: QuoteSource | undefined,
  issuer?: IssuerPart,
): CertificateSource | undefined {
  const { policy, policyDigest, clock, startUp, certificateFolder: folder = knativeFolder } = options
  if (policy.identity.source === 'files') {
    // Decided once, as the Go proxy does: a Secret that appears later needs a new pod.
    return filesPresent(folder) ? files({ folder, clock }) : undefined
  }
  if (!tee) return undefined
  if (policy.identity.issuer && issuer) return issuedSource(options, tee, issuer)
  return selfSignedSource({
    source: tee,
    role: 'proxy',
    policyDigest,
    service: policy.service?.id,
    dnsNames: dnsNames(policy),
    lifetimeMs: policy.identity.lifetimeSeconds * 1000,
    legacyExtension: policy.identity.legacyExtension,
    clock,
    done: startUp?.done,
  })
}

/** @throws Fault 'policy-invalid' where the policy names no service: there is no identity to ask for then */
function issuedSource(
  { policy, policyDigest, clock, startUp }: IdentityOptions,
  tee: QuoteSource,
  { dialer, issuedBy }: IssuerPart,
): CertificateSource {
  const { service, identity } = policy
  if (!service || !identity.issuer) {
    throw new Fault('policy-invalid', `policy ${policy.name}: /service: want a service, as source is "provision"`)
  }
  const { host, port } = identity.issuer
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return provisionSource({
    source: tee,
    role: 'proxy',
    policyDigest,
    service: service.id,
    dnsNames: dnsNames(policy),
    clock,
    authority,
    connect: signal => connectTo(dialer, authority, signal),
    learned: said => issuedBy.learn(said),
    done: startUp?.done,
  })
}

/** The names that Knative's activator looks for; from the policy alone, never from the host. */
function dnsNames(policy: Policy): string[] {
  const names = ['data-plane.knative.dev']
  if (policy.service) names.unshift(`kn-user-${policy.service.namespace.toLowerCase()}`)
  return names
}
