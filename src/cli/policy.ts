// `postern policy check` and `explain`: may this policy be used, and what does it do? Whatever stops the proxy's start
// stops the check, with the same words.

import { Fault } from '../base/errors.ts'
import { dangers, type Policy, weaknesses } from '../config/policy.ts'
import type { Peers } from '../config/policy-rules.ts'
import type { Parsed } from './args.ts'
import type { Io } from './io.ts'
import { dateLine, type Row, section } from './show.ts'
import { readPolicyOf } from './subject.ts'

/** @returns 0 where the proxy would start with it, 1 with every complaint */
export function checkPolicy({ positionals, values }: Parsed, io: Io): number {
  const name = positionals[0] ?? ''
  const asJson = values['json'] === true
  const say = (answer: Answer): number => {
    io.write(asJson ? `${JSON.stringify(answer, undefined, 2)}\n` : shown(name, answer))
    return answer.usable ? 0 : 1
  }
  try {
    const { policy, digest } = readPolicyOf(name, io)
    const found = [...weaknesses(policy), ...lacks(policy)]
    return say({ usable: true, digest, dangers: dangers(policy), weaknesses: found, complaint: null })
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return say({ usable: false, digest: null, dangers: [], weaknesses: [], complaint: error.message })
  }
}

interface Answer {
  readonly usable: boolean
  readonly digest: string | null
  readonly dangers: readonly string[]
  readonly weaknesses: readonly string[]
  readonly complaint: string | null
}

/** What makes a policy start and then refuse everybody. */
function lacks({ upstream, collateral, dangerSyntheticRoot }: Policy): string[] {
  const none = upstream.mode === 'attested' && !dangerSyntheticRoot && collateral.sources.length === 0
  return none ? ['collateral.sources is empty, so no hardware evidence can be verified'] : []
}

function shown(name: string, { usable, digest, dangers, weaknesses, complaint }: Answer): string {
  if (!usable) return `${complaint}\n`
  const list = (all: readonly string[]): readonly string[] => (all.length > 0 ? all : ['none'])
  const rows: Row[] = [
    ['Digest', digest ?? ''],
    ['Dangers', list(dangers)],
    ['Weaknesses', list(weaknesses)],
  ]
  return section(`Policy ${name}: usable`, rows)
}

/** @returns 0. @throws Fault 'policy-invalid' */
export function explainPolicy({ positionals }: Parsed, io: Io): number {
  const { policy, digest } = readPolicyOf(positionals[0] ?? '', io)
  io.write(`Policy "${policy.name}", digest ${digest}\n\n${sentences(policy).join('\n')}\n`)
  return 0
}

/** What a policy does, a sentence each. */
export function sentences(policy: Policy): string[] {
  const { inbound, identity, upstream, service, hosts, maxConcurrency } = policy
  return [
    service
      ? `It is for ${service.id} alone; a start under another name fails.`
      : 'It is for whatever service starts it.',
    hosts.length > 0 ? `The service is called by ${hosts.join(', ')}.` : 'Any host name may call the service.',
    inbound.plaintext === 'serve'
      ? 'The plain ports serve requests.'
      : 'The plain ports answer health checks and nothing else.',
    `Our ports take ${inbound.tlsFloor} and above.`,
    inbound.strip.length > 0
      ? `These headers never reach the container: ${inbound.strip.join(', ')}.`
      : 'All headers pass.',
    identitySentence(identity),
    maxConcurrency === undefined
      ? 'How many requests the container takes at once is for the environment to say.'
      : `The container takes at most ${maxConcurrency} requests at once.`,
    ...upstreamSentences(upstream),
    ...(upstream.mode === 'attested' ? collateralSentences(policy) : []),
    policy.observe.includes('*') ? 'Anything may be logged.' : `Logged is at most: ${policy.observe.join(', ')}.`,
    ...signedSentences(policy),
  ]
}

function identitySentence({ source, issuer, vault, lifetimeSeconds }: Policy['identity']): string {
  if (source === 'files') return 'We show the mounted certificate, whose key was born outside.'
  if (issuer) {
    return `We show a certificate of the attesting CA at ${issuer.host}:${issuer.port}, which must be one of ${issuer.accept} by its own evidence.`
  }
  if (vault) {
    const evidence = vault.pki.evidence ? 'with' : 'without'
    return `We show a certificate signed by Vault or OpenBao at ${vault.host}:${vault.port}, ${evidence} our evidence in it.`
  }
  return `We show a certificate of our own making with our evidence in it, new every ${lifetimeSeconds} s at the latest.`
}

function signedSentences({ signed }: Policy): string[] {
  if (signed === undefined) return []
  const { part, required, signers } = signed
  if (part) return [`A part of this was signed by ${part.kid}, with the serial ${part.serial}, for ${part.service}.`]
  return [
    required
      ? 'It starts only with a part that was signed for a service:'
      : 'A part of it may be signed for a service; without one it stands as it is:',
    ...signers.map(({ kid, services, may, narrowOnly, minSerial }) => {
      const how = narrowOnly ? ' narrow' : ' narrow, or fill where it is open,'
      return `  - ${kid} may${how} ${may.join(', ') || 'nothing'} for ${services.join(', ')}, from serial ${minSerial} on`
    }),
  ]
}

function upstreamSentences(upstream: Policy['upstream']): string[] {
  switch (upstream.mode) {
    case 'attested':
      return [
        'The container is believed only by its evidence:',
        ...peersSentences(upstream.accepted),
        upstream.freshness === 'challenge'
          ? 'Before its first request each connection is answered with evidence made for it.'
          : upstream.freshness === 'issued'
            ? 'The attesting CA must have issued its certificate to our service, for a day at most.'
            : 'The evidence in its certificate may have been made at any time.',
        upstream.trust === 'service'
          ? 'Its certificate must be of the attesting CA, for a container of our service, on the machine that we are on.'
          : "Another service's copy of the same enclave, or one on another machine, is as good.",
      ]
    case 'ca':
      return [
        `The container is believed by a certificate for ${upstream.san} from ${upstream.bundle.length} given CA(s).`,
      ]
    case 'pinned':
      return [`The container is believed by one of ${upstream.pins.length} pinned key(s).`]
    case 'plaintext':
      return ['The container is believed without proof, over plain TCP.']
  }
}

function peersSentences({ enclaves, tcb, platforms, policyDigests, dangerAllowDebug }: Peers): string[] {
  const { profile, advisories, floors } = tcb
  const set = Object.entries(floors).filter(([, value]) => value !== undefined)
  const profiles = {
    strict: 'Its platform must be up to date.',
    swHardeningOk: `Its platform may need software hardening for ${advisories.join(', ') || 'nothing'}.`,
    dangerOutOfDate: 'Its platform may be out of date in any way, DANGEROUSLY.',
  }
  return [
    ...(enclaves.length === 0 ? ['  - nobody, until a signed policy says whom'] : []),
    ...enclaves.map(enclave => {
      const until = enclave.until === undefined ? '' : `, until ${dateLine(enclave.until)}`
      return 'mrenclave' in enclave
        ? `  - measurement ${enclave.mrenclave}${until}`
        : `  - product ${enclave.isvProdId} of signer ${enclave.mrsigner}, version ${enclave.minIsvSvn} and above${until}`
    }),
    profiles[profile],
    ...set.map(([name, value]) => `Floor of ${name}: ${value}.`),
    ...(platforms.length > 0 ? [`Only ${platforms.length} known machine(s) count.`] : []),
    ...(policyDigests.length > 0 ? [`It must run under one of ${policyDigests.length} known policies.`] : []),
    ...(dangerAllowDebug ? ['Debug enclaves are accepted, DANGEROUSLY.'] : []),
  ]
}

function collateralSentences({ dangerSyntheticRoot, collateral }: Policy): string[] {
  if (dangerSyntheticRoot) return ['Evidence is SYNTHETIC: no hardware stands behind it.']
  const { sources, evaluation, maxAgeMs, dangerPastNextUpdateSeconds } = collateral
  if (sources.length === 0) return ['No collateral is named, so nobody is accepted.']
  const from = sources.map(source => (source.kind === 'stapled' ? 'the peer itself' : `${source.kind} ${source.at}`))
  const age = maxAgeMs === undefined ? 'holds for as long as it says' : `may be ${days(maxAgeMs)} old`
  return [
    `Intel's collateral comes from ${from.join(', then ')} and ${age}.`,
    ...(evaluation === 'standard'
      ? []
      : [`Its evaluation data is ${evaluation === 'early' ? 'early' : `number ${evaluation}`}.`]),
    ...(dangerPastNextUpdateSeconds > 0
      ? [
          `Collateral is used for ${days(dangerPastNextUpdateSeconds * 1000)} after its next update, DANGEROUSLY: revocations are missed.`,
        ]
      : []),
  ]
}

function days(ms: number): string {
  return ms % 86_400_000 === 0 ? `${ms / 86_400_000} days` : `${ms / 1000} s`
}
