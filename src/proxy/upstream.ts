// Who may be the container: the policy's mode as a judge for the dialer. This is the one place where certificates,
// evidence and policy meet on the way out; the dialer itself knows none of them.

import { createHash, randomBytes } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Role } from '../attest/bind.ts'
import { readCertificate } from '../attest/certificate.ts'
import {
  challengePath,
  challengeType,
  channelContext,
  exporterBytes,
  exporterLabel,
  maxAnswerBytes,
  writeChallenge,
} from '../attest/challenge.ts'
import type { PeerJudgement } from '../attest/evidence.ts'
import { judgeAnswer, judgePeer, reasonOf } from '../attest/peer.ts'
import type { PeerRule } from '../attest/policy.ts'
import { Verdicts } from '../attest/verdicts.ts'
import type { Clock } from '../base/clock.ts'
import { describe, Fault } from '../base/errors.ts'
import type { CollateralStore } from '../collateral/store.ts'
import type { Policy } from '../config/policy.ts'
import type { Decide, Finding, Judge } from '../engine/dial.ts'
import { TrustBundle } from '../identity/bundle.ts'
import { type Credential, chainPem, withKeyPem } from '../identity/credential.ts'
import type { IssuedBy, Whose } from '../identity/issued-by.ts'
import { verifyChain } from '../identity/pki.ts'
import { trustIn } from './collateral.ts'
import { tls13Ciphers } from './listeners.ts'

export interface UpstreamOptions {
  readonly policy: Policy
  /** Hex. */
  readonly policyDigest: string
  readonly clock: Clock
  /** What this process is, which its upstream must not be. */
  readonly own: {
    /** Hex; undefined where there is no TEE. */
    readonly mrenclave: string | undefined
    /** SHA-256 of every certificate that we have shown, hex. */
    readonly leafSha256s: ReadonlySet<string>
    /** The certificate that we show now; undefined before the first. */
    readonly credential: () => Credential | undefined
  }
  /** Where the collateral for hardware evidence comes from; undefined where the policy needs or names none. */
  readonly collateral: CollateralStore | undefined
  /** With mode `ca`: whom we trust, where that may change; absent: the policy's bundle. */
  readonly bundle?: TrustBundle
  /** Whom the attesting CA vouches for; undefined where our own certificate comes from elsewhere. */
  readonly issuedBy?: IssuedBy | undefined
}

type TrustFor = ReturnType<typeof trustIn>
const lastRequestsMs = 30_000

type Attested = Extract<Policy['upstream'], { readonly mode: 'attested' }>

/** The judge for a policy, or undefined where it says `plaintext`. */
export function makeJudge(options: UpstreamOptions): Judge | undefined {
  const { policy, policyDigest, clock, own, collateral } = options
  const { upstream } = policy
  if (upstream.mode === 'plaintext') return undefined
  const trustFor = trustIn(policy, collateral)
  const asks = upstream.mode === 'attested' && upstream.freshness === 'challenge'
  const bundle =
    upstream.mode === 'ca' ? (options.bundle ?? new TrustBundle(clock, upstream.bundle.map(pemToDer))) : undefined
  const decide = decider(options, trustFor, bundle)
  const shown = upstream.clientCertificate ? own.credential : () => undefined
  const context = contexts(bundle, shown)
  return {
    policyDigest,
    collateralGeneration: generationOf(options, bundle),
    chainToContext: bundle !== undefined,
    secureContext: context,
    ...(asks && { challenge: challenger(options, containerRule(options, upstream), trustFor) }),
    async judge(chain) {
      const leafSha256 = sha256Hex(chain[0])
      if (own.leafSha256s.has(leafSha256)) {
        return refuse('own-certificate', "another certificate than this proxy's", leafSha256)
      }
      const at = clock.now()
      const finding = await decide(chain, at)
      if (!finding.accepted) return finding
      // However long certificates last, a connection is judged anew after this.
      const anew = at + upstream.maxConnectionAgeMs
      return { ...finding, until: Math.min(finding.until, anew, untilWeAreOut(shown(), at)) }
    },
  }
}

/**
 * Until when a connection may get requests for the sake of the certificate that we opened it with. A container that judges us
 * ends it a while after that has ended (postern/function a minute), whatever is under way: half of that minute is for what is.
 * One that had ended before was accepted all the same.
 * @param at milliseconds since the epoch
 */
function untilWeAreOut(shown: Credential | undefined, at: number): number {
  return shown !== undefined && at < shown.notAfter ? shown.notAfter + lastRequestsMs : Number.POSITIVE_INFINITY
}

function decider(options: UpstreamOptions, trustFor: TrustFor, bundle: TrustBundle | undefined): Decide {
  const { upstream } = options.policy
  if (upstream.mode === 'attested') {
    const genuine = attested(options, containerRule(options, upstream), trustFor)
    const [samePlatform, fresh] = [upstream.trust === 'service', upstream.freshness === 'issued']
    return samePlatform || fresh ? issuedToo(options, genuine, { samePlatform, fresh }) : genuine
  }
  if (upstream.mode === 'pinned') return pinned(new Set(upstream.pins))
  if (upstream.mode === 'ca' && bundle) return chained(bundle, upstream.san)
  return () => refuse('mode', 'a judged upstream', upstream.mode)
}

/** Counts whatever ends verdicts. Each part only grows, so that their sum tells of all. */
function generationOf({ collateral, issuedBy }: UpstreamOptions, bundle?: TrustBundle): () => number {
  return () => (bundle?.generation ?? 0) + (collateral?.generation ?? 0) + (issuedBy?.generation ?? 0)
}

/**
 * Judges by evidence, for a key of the policy's `peers`: whoever it is that is to be one of them.
 * @param role what it must say that it is; absent: anything but a proxy, as the container
 */
export function evidenceJudge(options: UpstreamOptions, accept: string, role?: Role): Decide {
  const accepted = options.policy.peers[accept]
  if (accepted === undefined) throw new Fault('internal', `no peers ${accept}`)
  return attested(options, { ...ruleOf(options, accepted), role }, trustIn(options.policy, options.collateral))
}

/** The judge of another peer than the container, in this role. It gets to see no certificate of ours. */
export function peerJudge(options: UpstreamOptions, accept: string, role: Role): Judge {
  const decide = evidenceJudge(options, accept, role)
  return {
    policyDigest: options.policyDigest,
    collateralGeneration: generationOf(options),
    chainToContext: false,
    secureContext: contexts(undefined, () => undefined),
    judge: async chain => decide(chain, options.clock.now()),
  }
}

/** Both locks: evidence that the policy accepts, in a certificate that our CA has issued to a container of our service. */
function issuedToo(
  { policy, issuedBy }: UpstreamOptions,
  genuine: Decide,
  asked: Pick<Whose, 'samePlatform' | 'fresh'>,
): Decide {
  return async (chain, at) => {
    const finding = await genuine(chain, at)
    if (!finding.accepted) return finding
    if (!issuedBy || !policy.service) return refuse('issuer', 'a CA and a service of our own', 'none')
    const whose = { service: policy.service.id, role: 'workload', usage: 'serverAuth', ...asked } as const
    const issued = await issuedBy.judge(chain, whose, at)
    return issued.accepted ? { ...finding, until: Math.min(finding.until, issued.until) } : issued
  }
}

function attested(options: UpstreamOptions, rule: PeerRule, trustFor: TrustFor): Decide {
  const verdicts = new Verdicts<PeerJudgement>()
  const { policyDigest, clock, collateral } = options
  return async ([leaf], at) => {
    // Looked at before anything is asked for: what comes into force meanwhile makes this verdict an old one.
    const key = { leaf, policyDigest, collateralGeneration: collateral?.generation ?? 0 }
    const known = verdicts.known(key, at)
    if (known) return known
    try {
      const trust = await trustFor(leaf)
      // Asking took its time, and what came may have shown that it is later than we thought.
      const now = clock.now()
      return verdicts.find(key, now, () => judgePeer(leaf, rule, trust, now))
    } catch (error) {
      return { accepted: false, reasons: [reasonOf(error)] }
    }
  }
}

/** What an accepted container is asked on each connection: evidence that its enclave makes for this very connection. */
function challenger(options: UpstreamOptions, rule: PeerRule, trustFor: TrustFor): NonNullable<Judge['challenge']> {
  return (leaf, exported) => {
    const nonce = randomBytes(exporterBytes)
    const channel = exported(exporterBytes, exporterLabel, channelContext(nonce, leaf))
    return {
      path: challengePath,
      contentType: challengeType,
      body: writeChallenge(nonce),
      maxAnswer: maxAnswerBytes,
      async judge(answer) {
        try {
          const trust = await trustFor(leaf)
          return judgeAnswer(answer, { leaf, channel }, rule, trust, options.clock.now())
        } catch (error) {
          return { accepted: false, reasons: [reasonOf(error)] }
        }
      },
    }
  }
}

/** What the container's evidence must be and, where another service's enclave will not do, say. */
function containerRule(options: UpstreamOptions, { accepted, trust }: Attested): PeerRule {
  const rule = ruleOf(options, accepted)
  return trust === 'service' ? { ...rule, role: 'workload', service: options.policy.service?.id } : rule
}

function ruleOf({ policy, own }: UpstreamOptions, accepted: Policy['peers'][string]): PeerRule {
  return {
    ...accepted,
    maxCollateralAgeMs: policy.collateral.maxAgeMs,
    dangerAcceptSynthetic: policy.dangerSyntheticRoot !== undefined,
    // Our own certificates are refused before a verdict is looked up, since there may be a new one with each call.
    refuse: { leafSha256s: [], mrenclave: own.mrenclave },
  }
}

/** By a CA and one name. */
export function chained(bundle: TrustBundle, san: string): Decide {
  return async ([leaf, ...intermediates], at) => {
    const answer = await verifyChain({ leaf, intermediates, roots: bundle.anchors, at, san })
    return answer.ok ? { accepted: true, until: answer.until } : { accepted: false, reasons: answer.reasons }
  }
}

/** A pin names a key, so the certificate around it may be renewed; its dates still count. */
function pinned(pins: ReadonlySet<string>): Decide {
  return ([der], at) => {
    try {
      const leaf = readCertificate(der)
      const got = sha256Hex(leaf.spki)
      if (!pins.has(got)) return refuse('pin', [...pins].join(' or '), got)
      if (at < leaf.notBefore || at > leaf.notAfter) {
        const dates = `${new Date(leaf.notBefore).toISOString()} to ${new Date(leaf.notAfter).toISOString()}`
        return refuse('certificate-dates', dates, new Date(at).toISOString())
      }
      return { accepted: true, until: leaf.notAfter }
    } catch (error) {
      return refuse('certificate-malformed', 'X.509 v3 in DER', describe(error))
    }
  }
}

function refuse(rule: string, want: string, got: string): Finding {
  return { accepted: false, reasons: [{ rule, want, got }] }
}

/** The TLS context of outgoing connections, made anew when our own certificate or the bundle changes. */
function contexts(bundle: TrustBundle | undefined, credential: () => Credential | undefined): () => SecureContext {
  let shown: Credential | undefined
  let anchors = bundle?.anchors
  let context: SecureContext | undefined
  return () => {
    const current = credential() ?? shown
    if (context === undefined || current !== shown || anchors !== bundle?.anchors) {
      shown = current
      anchors = bundle?.anchors
      const common = {
        ciphers: tls13Ciphers,
        minVersion: 'TLSv1.3',
        ...(anchors && { ca: chainPem(anchors) }),
      } as const
      context = current
        ? withKeyPem(current, pem => createSecureContext({ ...common, ...pem }))
        : createSecureContext(common)
    }
    return context
  }
}

/** Lower case. */
export const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** DER of one certificate in PEM. */
export function pemToDer(pem: string): Uint8Array {
  const body = pem.replace(/-----(?:BEGIN|END) CERTIFICATE-----/g, '')
  return new Uint8Array(Buffer.from(body, 'base64'))
}
