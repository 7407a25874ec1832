// Where a function's certificates come from: its own enclave, which nobody vouches for but the quote; or the attesting CA,
// which also says whose container this is and on which machine.

import type { QuoteSource } from '../attest/evidence.ts'
import type { FloorClock } from '../base/floor.ts'
import { authorityOf } from '../config/origin.ts'
import type { CertificateSource } from '../identity/credential.ts'
import { IssuedBy } from '../identity/issued-by.ts'
import { provisionSource } from '../identity/sources/provision.ts'
import { selfSignedSource } from '../identity/sources/self-signed.ts'
import { connectTo } from './issuer.ts'
import { type Anchor, evidenceJudge } from './judge.ts'
import type { Settings } from './options.ts'

export interface SourceOptions {
  readonly settings: Settings
  readonly quotes: QuoteSource
  readonly clock: FloorClock
  /** What evidence is judged against, with the collateral of these directories. */
  readonly anchorOf: (directories: readonly string[]) => Anchor
}

export interface Source {
  readonly certificates: CertificateSource
  /** What the CA vouches for; undefined where none was named. */
  readonly issuedBy: IssuedBy | undefined
}

export function openSource({ settings, quotes, clock, anchorOf }: SourceOptions): Source {
  const { issuer, service, policyDigest, dnsNames, lifetimeMs } = settings
  const own = { source: quotes, role: 'workload', policyDigest, clock } as const
  if (!issuer) {
    return { certificates: selfSignedSource({ ...own, service, dnsNames, lifetimeMs }), issuedBy: undefined }
  }
  const issuedBy = new IssuedBy(clock)
  const { judge } = evidenceJudge(issuer.rule, anchorOf(issuer.directories), clock)
  const certificates = provisionSource({
    ...own,
    service: issuer.service,
    dnsNames: [],
    authority: authorityOf(issuer.at),
    connect: signal => connectTo(issuer.at, judge, signal),
    learned: said => issuedBy.learn(said),
  })
  return { certificates, issuedBy }
}
