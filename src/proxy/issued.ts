// The attesting CA as the proxy knows it: the connection by the same dialer and the same judge as the container's, so that
// no request for a certificate is sent before its other end was judged; and what the CA vouches for, once it has said so.

import type { TLSSocket } from 'node:tls'
import { readCertificate } from '../attest/certificate.ts'
import { describe, Fault } from '../base/errors.ts'
import type { FloorClock } from '../base/floor.ts'
import type { Dialer, Finding } from '../engine/dial.ts'
import { TrustBundle } from '../identity/bundle.ts'
import { verifyChain } from '../identity/pki.ts'
import type { Learned } from '../identity/sources/provision.ts'

/** Of a certificate that counts as fresh, and of what the CA replaces: one that was issued before has ended by then. */
const longestLifeMs = 86_400_000
/** Certificates begin a little before they are issued, for clocks that are behind. */
const backdatedMs = 300_000

/** The CA that the policy names: how it is reached, and what it has told. */
export interface IssuerPart {
  readonly dialer: Dialer
  readonly issuedBy: IssuedBy
}

/** What the CA has told us with our own certificate. */
export class IssuedBy {
  readonly #clock: FloorClock
  #bundle: TrustBundle | undefined
  #revoked: ReadonlySet<string> = new Set()
  #revocations = 0

  constructor(clock: FloorClock) {
    this.#clock = clock
  }

  /** Counts withdrawals, as TrustBundle does, and revocations. */
  get generation(): number {
    return (this.#bundle?.generation ?? 0) + this.#revocations
  }

  learn({ bundle, at, revoked = new Set() }: Pick<Learned, 'bundle' | 'at'> & Partial<Pick<Learned, 'revoked'>>): void {
    this.#clock.raise(at)
    if ([...revoked].some(serial => !this.#revoked.has(serial))) this.#revocations += 1
    this.#revoked = revoked
    if (this.#bundle) this.#bundle.replace(bundle, longestLifeMs)
    else this.#bundle = new TrustBundle(this.#clock, bundle)
  }

  /**
   * Was this certificate issued by the CA, for this name, to count for a day at most?
   * @param chain DER, leaf first @param san 'uri:spiffe://…' @param at milliseconds since the epoch
   */
  async judge(
    [leaf, ...intermediates]: readonly [Uint8Array, ...Uint8Array[]],
    san: string,
    at: number,
  ): Promise<Finding> {
    if (this.#bundle === undefined) return refuse('issuer', 'a CA that has issued our own certificate', 'none yet')
    const answer = await verifyChain({ leaf, intermediates, roots: this.#bundle.anchors, at, san })
    if (!answer.ok) return { accepted: false, reasons: answer.reasons }
    try {
      const { notBefore, notAfter, serial } = readCertificate(leaf)
      if (this.#revoked.has(serial)) return refuse('certificate-revoked', 'one that the CA has not revoked', serial)
      const life = notAfter - notBefore
      if (life <= longestLifeMs + backdatedMs) return { accepted: true, until: answer.until }
      return refuse('issued', 'a certificate of a day at most', `${Math.round(life / 3_600_000)} hours`)
    } catch (error) {
      return refuse('certificate-malformed', 'X.509 v3 in DER', describe(error))
    }
  }
}

function refuse(rule: string, want: string, got: string): Finding {
  return { accepted: false, reasons: [{ rule, want, got }] }
}

/**
 * One connection to whoever issues our certificate, judged.
 * @param issuer as messages name it: 'provision: host:port'
 * @throws Fault 'issuer-unavailable', 'issuer-untrusted'
 */
export function connectTo(dialer: Dialer, issuer: string, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const cancel = dialer.dial(outcome => {
      signal.removeEventListener('abort', leave)
      // Where the dialer has a judge, what it hands over is TLS.
      if ('socket' in outcome) resolve(outcome.socket as TLSSocket)
      else reject(recoded(outcome, issuer))
    })
    const leave = (): void => {
      cancel()
      reject(new Fault('issuer-unavailable', `${issuer}: given up`))
    }
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
  })
}

/** As a Host field has it: an IPv6 address stands in brackets (RFC 3986 §3.2.2). */
export function authorityOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** The dialer's words are about containers. */
function recoded({ code, message }: Fault, issuer: string): Fault {
  const untrusted = code === 'upstream-untrusted'
  return new Fault(untrusted ? 'issuer-untrusted' : 'issuer-unavailable', `${issuer}: ${message}`)
}
