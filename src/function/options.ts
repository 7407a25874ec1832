// What the author of a function says, read as strictly as a policy: the parts have the shapes that a policy's parts have,
// unknown keys are refused, and there is no default for whom to let in.

import type { QuoteSource } from '../attest/evidence.ts'
import type { PeerRule } from '../attest/policy.ts'
import { Fault } from '../base/errors.ts'
import { policyDigest } from '../config/policy.ts'
import { peersOf } from '../config/policy-rules.ts'
import { collateralShape, peerShape, serviceId } from '../config/policy-shape.ts'
import { type Complaint, defaulted, integer, object, optional, told, unfit } from '../config/shape.ts'

/** An enclave that may call, as a policy's `peers` entry names it; hex in either case, `until` an RFC 3339 time. */
export type ClientEnclave = { readonly until?: string } & (
  | { readonly mrenclave: string }
  | { readonly mrsigner: string; readonly isvProdId: number; readonly minIsvSvn: number }
)

/** Which proxies may call: an entry of a policy's `peers`, with the collateral that their evidence is judged against. */
export interface Clients {
  readonly enclaves: readonly ClientEnclave[]
  /** Digests of the policies that a proxy may run under, hex; none: any. */
  readonly policyDigests?: readonly string[]
  /** Machines, by platform instance id or PPID, hex; none: any. */
  readonly platforms?: readonly string[]
  /** As in a policy: `{ profile, advisories, … }`. */
  readonly tcb?: Readonly<Record<string, unknown>>
  readonly dangerAllowDebug?: boolean
  /** As in a policy: `{ sources: [{ kind: 'directory', at }], maxAgeSeconds }`. */
  readonly collateral?: Readonly<Record<string, unknown>>
}

/** Evidence that no hardware stands behind, for development: what `postern/function/synthetic` makes. */
export interface Synthetic {
  readonly source: QuoteSource
  /** DER of the root that signs such evidence. */
  readonly root: Uint8Array
}

export interface AttestOptions {
  /**
   * Who may call. Anybody who can reach the port may otherwise send requests, the host included; 'anyone' says that this
   * is all right.
   */
  readonly clients: Clients | 'anyone'
  /** SPIFFE ID of the service, `spiffe://<trust domain>/ns/<namespace>/svc/<name>`; clients then have to be of the same. */
  readonly service?: string
  /** Names in the certificate, for clients that look at names as well. */
  readonly dnsNames?: readonly string[]
  /** Life of a certificate: 60 to 7,776,000; a day where absent. Renewed, with a new key and a new quote, at two thirds. */
  readonly lifetimeSeconds?: number
  /** Quotes for challenges: 1 to 100 a second, 1 where absent. Whoever waits meanwhile shares the next. */
  readonly quotesPerSecond?: number
  /** Told what happens; where absent, what needs somebody's attention becomes a warning of the process. */
  readonly report?: (event: FunctionEvent) => void
  /** Instead of the enclave's own evidence. Refused where there is a real TEE. */
  readonly dangerSynthetic?: Synthetic
}

/** What happened; `reason` is for people. Reports carry names, dates and hashes, never keys. */
export interface FunctionEvent {
  readonly event:
    | 'credential-installed'
    | 'credential-renewal-failed'
    | 'credential-expired'
    | 'credential-listener-failed'
    | 'collateral-in-force'
    | 'collateral-failed'
    | 'client-refused'
    | 'challenge-failed'
  readonly reason: string
}

/** Options that were read. */
export interface Settings {
  readonly service: string | undefined
  readonly lifetimeMs: number
  readonly quotesPerSecond: number
  /** Undefined lets anyone in. */
  readonly clients: { readonly rule: PeerRule; readonly directories: readonly string[] } | undefined
  /** SHA-256 over what was said about trust; what the evidence names. */
  readonly policyDigest: Uint8Array
}

const shape = object({
  service: optional(serviceId),
  lifetimeSeconds: defaulted(integer(60, 7_776_000), 86_400),
  quotesPerSecond: defaulted(integer(1, 100), 1),
})

/**
 * @param mrenclave our own, which no client may have
 * @throws Fault 'policy-invalid', one sentence with every complaint
 */
export function readOptions(options: AttestOptions, mrenclave: string): Settings {
  // What is read is what is digested, whatever the objects do when they are looked at again.
  const said = JSON.parse(JSON.stringify({ service: options.service ?? null, clients: options.clients ?? null }))
  const complaints: Complaint[] = []
  const numbers = shape.read(plain(options), '', complaints)
  const synthetic = options.dangerSynthetic !== undefined
  const clients = said.clients === 'anyone' ? undefined : readClients(said.clients, synthetic, complaints)
  if (numbers === unfit || clients === unfit || complaints.length > 0) {
    throw new Fault('policy-invalid', `attest: ${complaints.map(told).join('; ')}`)
  }
  const { service, lifetimeSeconds, quotesPerSecond } = numbers
  return {
    service: service?.id,
    lifetimeMs: lifetimeSeconds * 1000,
    quotesPerSecond,
    clients: clients && withRule(clients, service?.id, mrenclave, synthetic),
    policyDigest: policyDigest(new TextEncoder().encode(JSON.stringify(said))),
  }
}

/** What is read by the shape, unknown keys included; what is undefined has not been said. */
function plain({ clients, dnsNames, report, dangerSynthetic, ...rest }: AttestOptions): Record<string, unknown> {
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
}

function readClients(said: unknown, synthetic: boolean, complaints: Complaint[]) {
  if (typeof said !== 'object' || said === null || Array.isArray(said)) {
    const got = JSON.stringify(said)
    complaints.push({ path: '/clients', want: 'an object that says who may call, or "anyone"', got })
    return unfit
  }
  const { collateral = {}, ...rest } = said as Record<string, unknown>
  const peer = peerShape.read(rest, '/clients', complaints)
  const sources = collateralShape.read(collateral, '/clients/collateral', complaints)
  if (peer === unfit || sources === unfit) return unfit
  for (const [i, { kind }] of sources.sources.entries()) {
    if (kind === 'directory') continue
    complaints.push({ path: `/clients/collateral/sources/${i}/kind`, want: '"directory"', got: JSON.stringify(kind) })
  }
  const { update, evaluationDataNumber, dangerPastNextUpdateSeconds } = sources
  if (update !== 'standard' || evaluationDataNumber !== null || dangerPastNextUpdateSeconds !== 0) {
    const want = 'sources and maxAgeSeconds alone, as a directory holds what it holds'
    complaints.push({ path: '/clients/collateral', want, got: Object.keys(collateral as object).join(', ') })
  }
  if (peer.enclaves.length === 0) {
    complaints.push({ path: '/clients/enclaves', want: 'at least one enclave', got: 'none' })
  }
  if (sources.sources.length > 0 === synthetic) {
    const want = synthetic ? 'nothing, as the evidence is SYNTHETIC' : "a directory of Intel's collateral"
    complaints.push({ path: '/clients/collateral/sources', want, got: String(sources.sources.length) })
  }
  return { peer, sources }
}

function withRule(
  { peer, sources }: Exclude<ReturnType<typeof readClients>, typeof unfit>,
  service: string | undefined,
  mrenclave: string,
  synthetic: boolean,
): Settings['clients'] {
  const rule: PeerRule = {
    ...peersOf(peer),
    role: 'proxy',
    service,
    maxCollateralAgeMs: sources.maxAgeSeconds === null ? undefined : sources.maxAgeSeconds * 1000,
    dangerAcceptSynthetic: synthetic,
    refuse: { leafSha256s: [], mrenclave },
  }
  return { rule, directories: sources.sources.flatMap(({ at }) => at ?? []) }
}
