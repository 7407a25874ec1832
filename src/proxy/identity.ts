// Who we are: the TEE that vouches for us, and the source of the certificate that we show. Fails closed: a policy that
// asks for evidence does not start where there is none to be had.

import type { QuoteSource } from '../attest/evidence.ts'
import { openQuoteSource, realTeePresent, type TimedQuoteSource, timedQuoteSource } from '../attest/source.ts'
import type { Clock } from '../base/clock.ts'
import { describe, Fault } from '../base/errors.ts'
import type { StartUp } from '../base/startup.ts'
import { authorityOf } from '../config/origin.ts'
import type { Policy } from '../config/policy.ts'
import type { Decide } from '../engine/dial.ts'
import type { CertificateSource } from '../identity/credential.ts'
import { files, filesPresent, knativeFolder } from '../identity/sources/files.ts'
import { provisionSource } from '../identity/sources/provision.ts'
import { selfSignedSource } from '../identity/sources/self-signed.ts'
import { connectTo, type IssuerPart } from './issued.ts'
import { openVault } from './vault.ts'

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
  if (!wantsQuotes(policy, attestationFolder)) return undefined
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

/** True where the policy cannot be kept without a TEE of our own, or where there is one to tell our measurement. */
function wantsQuotes({ identity: { source, vault } }: Policy, folder: string | undefined): boolean {
  if (vault) return vault.pki.evidence || 'sgx' in vault.login || realTeePresent(folder)
  return source !== 'files'
}

/**
 * The source of our certificate, or undefined where TLS stays off: files were asked for, and none are mounted.
 * @param evidenceOf a judge by evidence, for a key of the policy's `peers`
 * @param issuer the attesting CA, where the policy names one
 */
export function chooseSource(
  options: IdentityOptions,
  tee: QuoteSource | undefined,
  evidenceOf: (accept: string) => Decide,
  issuer?: IssuerPart,
): CertificateSource | undefined {
  const { policy, policyDigest, clock, startUp, certificateFolder: folder = knativeFolder } = options
  if (policy.identity.source === 'files') {
    // Decided once, as the Go proxy does: a Secret that appears later needs a new pod.
    return filesPresent(folder) ? files({ folder, clock }) : undefined
  }
  const { vault, legacyExtension } = policy.identity
  const lifetimeMs = policy.identity.lifetimeSeconds * 1000
  const own = { role: 'proxy', policyDigest, service: policy.service?.id, legacyExtension } as const
  if (vault) {
    const names = [...dnsNames(policy), ...(policy.service ? [`${policy.service.id}/proxy`] : [])]
    return openVault({ issuer: vault, evidenceOf, clock, tee, own, names, lifetimeMs })
  }
  if (!tee) return undefined
  if (policy.identity.source === 'provision') return issuedSource(options, tee, issuer)
  return selfSignedSource({
    source: tee,
    ...own,
    dnsNames: dnsNames(policy),
    lifetimeMs,
    clock,
    done: startUp?.done,
  })
}

/** @throws Fault 'policy-invalid' where the policy names no service: there is no identity to ask for then */
function issuedSource(
  { policy, policyDigest, clock, startUp }: IdentityOptions,
  tee: QuoteSource,
  issuer: IssuerPart | undefined,
): CertificateSource {
  const { service, identity } = policy
  if (!issuer) throw new Fault('internal', `policy ${policy.name}: no way to its CA`)
  const { dialer, issuedBy } = issuer
  if (!service || !identity.issuer) {
    throw new Fault('policy-invalid', `policy ${policy.name}: /service: want a service, as source is "provision"`)
  }
  const authority = authorityOf(identity.issuer)
  return provisionSource({
    source: tee,
    role: 'proxy',
    policyDigest,
    service: service.id,
    dnsNames: dnsNames(policy),
    clock,
    authority,
    connect: signal => connectTo(dialer, `provision: ${authority}`, signal),
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
