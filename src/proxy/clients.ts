// Who may call us: clients' certificates on the TLS port, judged by the policy's rules before a byte of theirs is looked at,
// and what the container is told of them. A certificate that is shown and not accepted is refused, also where none is asked
// for.

import type { TLSSocket } from 'node:tls'
import type { EvidenceFacts } from '../attest/evidence.ts'
import type { Clock } from '../base/clock.ts'
import { describe } from '../base/errors.ts'
import { type Chain, peerChain } from '../base/peer-chain.ts'
import type { ClientRule, Clients } from '../config/clients.ts'
import type { Decide, Reason } from '../engine/dial.ts'
import type { ClientIdentity } from '../gate/contract.ts'
import { TrustBundle } from '../identity/bundle.ts'
import { verifyChain } from '../identity/pki.ts'
import type { ClientJudge } from './listeners.ts'
import { pemToDer, sha256Hex } from './upstream.ts'

export interface ClientsOptions {
  readonly clients: Clients
  readonly clock: Clock
  /** Judges by evidence, for a key of the policy's `peers`. */
  readonly evidenceOf: (accept: string) => Decide
  /** SHA-256 of every certificate that we show, hex: whoever shows one of them is ourselves. */
  readonly ownLeafSha256s: ReadonlySet<string>
  /** Counts changes of what evidence is judged against. */
  readonly generation: () => number
  /** Told of each refusal. */
  readonly refused: (reasons: readonly Reason[]) => void
}

interface Refusal {
  readonly reasons: readonly Reason[]
}
type Outcome = ClientIdentity | Refusal
type Rule = (chain: Chain, at: number) => Promise<Outcome>

export function clientJudge(options: ClientsOptions): ClientJudge {
  const { clients, clock, ownLeafSha256s, refused } = options
  const bundle = clients.bundle.length > 0 ? new TrustBundle(clock, clients.bundle.map(pemToDer)) : undefined
  const rules = clients.allow.map(rule => ruleOf(rule, options, bundle))

  async function judge(chain: Chain): Promise<Outcome> {
    if (ownLeafSha256s.has(sha256Hex(chain[0]))) {
      return refuse('own-certificate', "another certificate than this proxy's", 'its own')
    }
    const at = clock.now()
    const reasons: Reason[] = []
    for (const rule of rules) {
      const outcome = await rule(chain, at)
      if ('text' in outcome) return outcome
      reasons.push(...outcome.reasons)
    }
    return { reasons }
  }

  /** What was shown, or that nothing was and need not be. */
  function shownBy(socket: TLSSocket): Chain | Refusal | undefined {
    if (socket.isSessionReused())
      return refuse('certificate', 'a certificate, shown on this connection', 'a resumed session')
    const chain = peerChain(socket)
    if (chain) return chain
    // A longer chain than anybody needs is not the same as none.
    const shown = socket.getPeerCertificate().raw !== undefined
    if (!shown && clients.mode === 'optional') return undefined
    return refuse('certificate', 'a certificate of a client', shown ? 'a chain that is too long' : 'none')
  }

  async function again(chain: Chain): Promise<ClientIdentity | 'refused'> {
    const outcome = await judge(chain).catch(error => refuse('internal', 'a judgement', describe(error)))
    return 'text' in outcome ? outcome : told(outcome)
  }

  function told({ reasons }: Refusal): 'refused' {
    refused(reasons)
    return 'refused'
  }

  return {
    generation: options.generation,
    again,
    async admit(socket) {
      let shown: ReturnType<typeof shownBy>
      try {
        shown = shownBy(socket)
      } catch (error) {
        return told(refuse('internal', 'a judgement', describe(error)))
      }
      if (shown === undefined) return undefined
      if ('reasons' in shown) return told(shown)
      const identity = await again(shown)
      return identity === 'refused' ? identity : { chain: shown, identity }
    },
  }
}

function ruleOf(rule: ClientRule, { evidenceOf }: ClientsOptions, bundle: TrustBundle | undefined): Rule {
  const { spiffeId, san, accept } = rule
  const names = [...(spiffeId === undefined ? [] : [`uri:${spiffeId}`]), ...(san === undefined ? [] : [san])]
  const byEvidence = accept === undefined ? undefined : evidenceOf(accept)
  return async (chain, at) => {
    const [leaf, ...intermediates] = chain
    let until = Number.POSITIVE_INFINITY
    for (const name of names) {
      const roots = bundle?.anchors ?? []
      const answer = await verifyChain({ leaf, intermediates, roots, at, san: name, usage: 'clientAuth' })
      if (!answer.ok) return { reasons: answer.reasons }
      until = Math.min(until, answer.until)
    }
    const finding = await byEvidence?.(chain, at)
    if (finding && !finding.accepted) return { reasons: finding.reasons }
    // What judges by evidence also says what the evidence is.
    const evidence = finding && 'evidence' in finding ? (finding.evidence as EvidenceFacts) : undefined
    return { text: identityText(rule, evidence), until: Math.min(until, finding?.until ?? until) }
  }
}

/**
 * An RFC 9651 dictionary: `id` (SPIFFE ID) or `san`, whichever the rule is about; `peers`, the name of the rule's set of
 * enclaves; `by`, what it was told by; `policy`, the SHA-256 that the evidence claims. Names are the policy's own or were
 * read by its forms, so nothing here is what a client chose freely.
 */
export function identityText({ spiffeId, san, accept }: ClientRule, evidence: EvidenceFacts | undefined): string {
  const id = spiffeId ?? evidence?.postern?.service
  const digest = evidence?.postern?.policyDigest
  return [
    ...(id === undefined ? [] : [`id=${quoted(id)}`]),
    ...(san === undefined ? [] : [`san=${quoted(san)}`]),
    ...(accept === undefined ? [] : [`peers=${quoted(accept)}`]),
    `by=${accept === undefined ? 'ca' : 'evidence'}`,
    ...(digest === undefined ? [] : [`policy=:${Buffer.from(digest).toString('base64')}:`]),
  ].join(', ')
}

const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`

function refuse(rule: string, want: string, got: string): Refusal {
  return { reasons: [{ rule, want, got }] }
}
