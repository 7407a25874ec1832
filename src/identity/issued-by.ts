// The attesting CA as those know it whose own certificates it has issued: whose signatures count, and what stands for the
// machine that we are on. With that, others' certificates are judged: of the same service, in their role, on this machine.

import type { Role } from '../attest/bind.ts'
import { readBinding } from '../attest/binding.ts'
import { readCertificate } from '../attest/certificate.ts'
import type { Reason } from '../attest/evidence.ts'
import { describe } from '../base/errors.ts'
import type { FloorClock } from '../base/floor.ts'
import { TrustBundle } from './bundle.ts'
import { verifyChain } from './pki.ts'
import type { Learned } from './sources/provision.ts'

/** Of a certificate that counts as fresh, and of what the CA replaces: one that was issued before has ended by then. */
const longestLifeMs = 86_400_000
/** Certificates begin a little before they are issued, for clocks that are behind. */
const backdatedMs = 300_000
/** A CA has one tag for each machine; another one comes with another CA. */
const maxTags = 16

/** Who is to show a certificate of the CA. */
export interface Whose {
  /** SPIFFE ID of the service. */
  readonly service: string
  readonly role: Role
  /** What the certificate is shown for. */
  readonly usage: 'serverAuth' | 'clientAuth'
  /** Only one that was issued for a day at most. */
  readonly fresh: boolean
  /** Only on the machine that we are on, by the binding extension. */
  readonly samePlatform: boolean
}

export type Vouched =
  | { readonly accepted: true; readonly until: number }
  | { readonly accepted: false; readonly reasons: readonly [Reason, ...Reason[]] }

/** What the CA has told us with our own certificates. */
export class IssuedBy {
  readonly #clock: FloorClock
  #bundle: TrustBundle | undefined
  /** What the CA calls our machine, newest last; after it was replaced, its successor calls it something else. */
  readonly #platforms = new Set<string>()
  /** Serial numbers, hex. */
  #revoked: ReadonlySet<string> = new Set()
  #revocations = 0

  constructor(clock: FloorClock) {
    this.#clock = clock
  }

  /** Counts withdrawals, as TrustBundle does, and revocations. */
  get generation(): number {
    return (this.#bundle?.generation ?? 0) + this.#revocations
  }

  learn(said: Pick<Learned, 'bundle' | 'at' | 'binding'> & Partial<Pick<Learned, 'revoked'>>): void {
    const { bundle, at, binding, revoked = new Set() } = said
    this.#clock.raise(at)
    if ([...revoked].some(serial => !this.#revoked.has(serial))) this.#revocations += 1
    this.#revoked = revoked
    if (this.#bundle) this.#bundle.replace(bundle, longestLifeMs)
    else this.#bundle = new TrustBundle(this.#clock, bundle)
    this.#platforms.delete(binding.platform)
    this.#platforms.add(binding.platform)
    for (const oldest of this.#platforms) {
      if (this.#platforms.size <= maxTags) break
      this.#platforms.delete(oldest)
    }
  }

  /**
   * Was this certificate issued by the CA, and to whom it should be?
   * @param chain DER, leaf first @param at milliseconds since the epoch
   * @returns `until` is the end of the chain, in milliseconds since the epoch. Never rejects for what a peer sent
   */
  async judge(
    [leaf, ...intermediates]: readonly [Uint8Array, ...Uint8Array[]],
    whose: Whose,
    at: number,
  ): Promise<Vouched> {
    if (this.#bundle === undefined) return refuse('issuer', 'a CA that has issued our own certificate', 'none yet')
    const { service, role, usage } = whose
    const san = `uri:${service}/${role}`
    const answer = await verifyChain({ leaf, intermediates, roots: this.#bundle.anchors, at, san, usage })
    if (!answer.ok) return { accepted: false, reasons: answer.reasons }
    try {
      const [first, ...more] = this.#brokenBy(leaf, whose)
      return first ? { accepted: false, reasons: [first, ...more] } : { accepted: true, until: answer.until }
    } catch (error) {
      return refuse('certificate-malformed', 'X.509 v3 in DER, with a binding of its form', describe(error))
    }
  }

  /** What the CA has signed, and is not what it should be. */
  #brokenBy(der: Uint8Array, { role, fresh, samePlatform }: Whose): Reason[] {
    const leaf = readCertificate(der)
    const reasons: Reason[] = []
    if (this.#revoked.has(leaf.serial)) {
      reasons.push({ rule: 'certificate-revoked', want: 'one that the CA has not revoked', got: leaf.serial })
    }
    const life = leaf.notAfter - leaf.notBefore
    if (fresh && life > longestLifeMs + backdatedMs) {
      const got = `${Math.round(life / 3_600_000)} hours`
      reasons.push({ rule: 'issued', want: 'a certificate of a day at most', got })
    }
    if (!samePlatform) return reasons
    const binding = readBinding(leaf)
    if (binding?.role !== role) {
      reasons.push({ rule: 'binding', want: `the CA's word for the role ${role}`, got: binding?.role ?? 'none' })
    }
    if (binding && !this.#platforms.has(binding.platform)) {
      const want = [...this.#platforms].join(' or ')
      reasons.push({ rule: 'same-platform', want: `the machine that we are on, ${want}`, got: binding.platform })
    }
    return reasons
  }
}

function refuse(rule: string, want: string, got: string): Vouched {
  return { accepted: false, reasons: [{ rule, want, got }] }
}
