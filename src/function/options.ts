// What the author of a function says, read as strictly as a policy: the parts have the shapes that a policy's parts have,
// unknown keys are refused, and there is no default for whom to let in.

import type { QuoteSource } from '../attest/evidence.ts'
import type { PeerRule } from '../attest/policy.ts'
import { toHex } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'
import { issuerAt } from '../config/issuer.ts'
import type { Origin } from '../config/origin.ts'
import { policyDigest } from '../config/policy.ts'
import { peersOf } from '../config/policy-rules.ts'
import { collateralShape, peerShape, serviceId } from '../config/policy-shape.ts'
import { type Complaint, defaulted, integer, object, optional, told, unfit } from '../config/shape.ts'

/** An enclave that may call, as a policy's `peers` entry names it; hex in either case, `until` an RFC 3339 time. */
export type ClientEnclave = { readonly until?: string } & (
  | { readonly mrenclave: string }
  | { readonly mrsigner: string; readonly isvProdId: number; readonly minIsvSvn: number }
)

/** Certain enclaves: an entry of a policy's `peers`, with the collateral that their evidence is judged against. */
export interface Peers {
  readonly enclaves: readonly ClientEnclave[]
  /** Digests of the policies that they may run under, hex; none: any. */
  readonly policyDigests?: readonly string[]
  /** Machines, by platform instance id or PPID, hex; none: any. */
  readonly platforms?: readonly string[]
  /** As in a policy: `{ profile, advisories, … }`. */
  readonly tcb?: Readonly<Record<string, unknown>>
  readonly dangerAllowDebug?: boolean
  /** As in a policy: `{ sources: [{ kind: 'directory', at }], maxAgeSeconds }`. */
  readonly collateral?: Readonly<Record<string, unknown>>
}

/** Which proxies may call. */
export type Clients = Peers

/** The attesting CA that our certificate comes from: where it is, and which enclave it has to be by its own evidence. */
export interface Provision extends Peers {
  /** `https://host[:port]` of `postern provision`. */
  readonly url: string
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
  /**
   * Where certificates come from, instead of being of our own making: a proxy whose policy says `upstream.trust: "service"`
   * accepts no other. Clients then have to show one of the same CA too, for a proxy of our service, on our machine.
   */
  readonly provision?: Provision
  /** Names in the certificate, for clients that look at names as well. The attesting CA writes none. */
  readonly dnsNames?: readonly string[]
  /**
   * Life of a certificate of our own making: 60 to 7,776,000; a day where absent. Renewed, with a new key and a new quote,
   * at two thirds. The attesting CA says itself how long its certificates live.
   */
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

/** Who is judged by their evidence, and where the collateral for it lies. */
interface Judged {
  readonly rule: PeerRule
  readonly directories: readonly string[]
}

/** Options that were read. */
export interface Settings {
  readonly service: string | undefined
  readonly dnsNames: readonly string[]
  readonly lifetimeMs: number
  readonly quotesPerSecond: number
  /** Undefined lets anyone in. */
  readonly clients: Judged | undefined
  /** Undefined where certificates are of our own making. */
  readonly issuer: (Judged & { readonly at: Origin; readonly service: string }) | undefined
  /** SHA-256 over what was said about trust; what the evidence names. */
  readonly policyDigest: Uint8Array
}

const shape = object({
  service: optional(serviceId),
  lifetimeSeconds: defaulted(integer(60, 7_776_000), 86_400),
  quotesPerSecond: defaulted(integer(1, 100), 1),
})

/**
 * @param mrenclave our own, which neither a client nor the CA may have; undefined where nobody is judged
 * @throws Fault 'policy-invalid', one sentence with every complaint
 */
export function readOptions(options: AttestOptions, mrenclave: string | undefined): Settings {
  // What is read is what is digested, whatever the objects do when they are looked at again.
  const { service: id = null, clients: whom = null, provision: from } = options
  const said = JSON.parse(JSON.stringify({ service: id, clients: whom, provision: from }))
  const complaints: Complaint[] = []
  const numbers = shape.read(plain(options), '', complaints)
  const synthetic = options.dangerSynthetic !== undefined
  const clients = said.clients === 'anyone' ? undefined : readPeers(said.clients, '/clients', synthetic, complaints)
  const issuer = said.provision === undefined ? undefined : readIssuer(said.provision, options, complaints)
  if (numbers === unfit || clients === unfit || issuer === unfit || complaints.length > 0) {
    throw new Fault('policy-invalid', `attest: ${complaints.map(told).join('; ')}`)
  }
  const { service, lifetimeSeconds, quotesPerSecond } = numbers
  const common = { dangerAcceptSynthetic: synthetic, refuse: { leafSha256s: [], mrenclave } }
  return {
    service: service?.id,
    dnsNames: options.dnsNames ?? [],
    lifetimeMs: lifetimeSeconds * 1000,
    quotesPerSecond,
    clients: clients && judged(clients, { ...common, role: 'proxy', service: service?.id }),
    issuer: issuer &&
      service && { ...judged(issuer, { ...common, role: 'provision' }), at: issuer.at, service: service.id },
    policyDigest: policyDigest(new TextEncoder().encode(JSON.stringify(said))),
  }
}

/**
 * What a proxy's policy may name under `policyDigests`, and the attesting CA's set has to name before a function with these
 * options gets a certificate; hex.
 * @throws Fault 'policy-invalid' as attest()
 */
export function policyDigestOf(options: AttestOptions): string {
  return toHex(readOptions(options, undefined).policyDigest)
}

/** What is read by the shape, unknown keys included; what is undefined has not been said. */
function plain(options: AttestOptions): Record<string, unknown> {
  const { clients, provision, dnsNames, report, dangerSynthetic, ...rest } = options
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
}

function readPeers(said: unknown, path: string, synthetic: boolean, complaints: Complaint[]) {
  if (typeof said !== 'object' || said === null || Array.isArray(said)) {
    const or = path === '/clients' ? ' who may call, or "anyone"' : ' which CA, by url and enclaves'
    complaints.push({ path, want: `an object that says${or}`, got: JSON.stringify(said) })
    return unfit
  }
  const { collateral = {}, ...rest } = said as Record<string, unknown>
  const peer = peerShape.read(rest, path, complaints)
  const sources = collateralShape.read(collateral, `${path}/collateral`, complaints)
  if (peer === unfit || sources === unfit) return unfit
  for (const [i, { kind }] of sources.sources.entries()) {
    if (kind === 'directory') continue
    complaints.push({ path: `${path}/collateral/sources/${i}/kind`, want: '"directory"', got: JSON.stringify(kind) })
  }
  const { update, evaluationDataNumber, dangerPastNextUpdateSeconds } = sources
  if (update !== 'standard' || evaluationDataNumber !== null || dangerPastNextUpdateSeconds !== 0) {
    const want = 'sources and maxAgeSeconds alone, as a directory holds what it holds'
    complaints.push({ path: `${path}/collateral`, want, got: Object.keys(collateral as object).join(', ') })
  }
  if (peer.enclaves.length === 0) {
    complaints.push({ path: `${path}/enclaves`, want: 'at least one enclave', got: 'none' })
  }
  if (sources.sources.length > 0 === synthetic) {
    const want = synthetic ? 'nothing, as the evidence is SYNTHETIC' : "a directory of Intel's collateral"
    complaints.push({ path: `${path}/collateral/sources`, want, got: String(sources.sources.length) })
  }
  return { peer, sources }
}

/** The CA, and what else has to be said or left out with it. */
function readIssuer(said: unknown, options: AttestOptions, complaints: Complaint[]) {
  const { service, dnsNames = [], lifetimeSeconds, dangerSynthetic } = options
  const complain = (path: string, want: string, got: unknown): void => {
    complaints.push({ path, want, got: JSON.stringify(got) ?? 'nothing' })
  }
  if (service === undefined) complain('/service', 'a service, as the attesting CA certifies services', service)
  if (dnsNames.length > 0) complain('/dnsNames', 'nothing, as the attesting CA writes none', dnsNames)
  if (lifetimeSeconds !== undefined) {
    complain('/lifetimeSeconds', 'nothing, as the attesting CA says how long', lifetimeSeconds)
  }
  const isObject = typeof said === 'object' && said !== null && !Array.isArray(said)
  const { url, ...rest } = isObject ? (said as Record<string, unknown>) : {}
  const peers = readPeers(isObject ? rest : said, '/provision', dangerSynthetic !== undefined, complaints)
  if (peers === unfit) return unfit
  const at = typeof url === 'string' ? issuerAt(url) : undefined
  if (at) return { ...peers, at }
  complain('/provision/url', 'https://host[:port]', url)
  return unfit
}

type Read = Exclude<ReturnType<typeof readPeers>, typeof unfit>

function judged({ peer, sources }: Read, more: Omit<PeerRule, keyof ReturnType<typeof peersOf>>): Judged {
  const maxCollateralAgeMs = sources.maxAgeSeconds === null ? undefined : sources.maxAgeSeconds * 1000
  const directories = sources.sources.flatMap(({ at }) => at ?? [])
  return { rule: { ...peersOf(peer), ...more, maxCollateralAgeMs }, directories }
}
