// The CA without its ports: what a question comes to, what an operator's statement comes to. Every outcome is a value and
// a line of the audit log; of what was sent, either has what was verified, hashes, and what a reason quotes, cut short.

import { createHash, createPublicKey } from 'node:crypto'
import { exporterBytes, exporterLabel } from '../attest/challenge.ts'
import { readRequest, requestContext } from '../attest/csr.ts'
import type { Reason, TcbFacts } from '../attest/evidence.ts'
import { reasonOf } from '../attest/peer.ts'
import { readTagged } from '../attest/ratls.ts'
import { Fault } from '../base/errors.ts'
import type { FloorClock } from '../base/floor.ts'
import type { Json } from '../base/json.ts'
import type { ProvisionOptions } from '../config/provision.ts'
import { readQuestion, writeAnswer } from '../identity/issuance.ts'
import type { Audit } from './audit.ts'
import type { IssuingAuthority } from './authority.ts'
import { decide, type Who } from './decision.ts'
import { Lock, type Unlocking } from './lock.ts'
import type { TrustFor } from './trust.ts'

export interface CaOptions {
  readonly options: ProvisionOptions
  readonly authority: IssuingAuthority
  readonly clock: FloorClock
  readonly audit: Audit
  /** This CA's own measurement, hex. */
  readonly mrenclave: string
  readonly trustFor: TrustFor
}

/** The connection that a question came on. */
export interface Channel {
  /** Address of the other end, for the audit log: the host's word. */
  readonly from: string
  /** The connection's TLS exporter (RFC 8446 §7.5). */
  readonly exported: (bytes: number, label: string, context: Buffer) => Buffer
}

export type Outcome =
  | { readonly outcome: 'issued'; readonly answer: Uint8Array; readonly notAfter: number }
  | { readonly outcome: 'locked' | 'malformed' | 'refused'; readonly rules: readonly string[] }

/** What anybody may know of it: what a statement is about. */
export interface State {
  readonly locked: boolean
  readonly ca: string
  readonly boot: string
  readonly policies: string | null
  readonly revocations: string | null
  /** Seconds since the epoch: locked again from then on. */
  readonly until: number | null
  /** SHA-256 of the certificate that it signs below; null: it waits for one of the root's. */
  readonly certificate: string | null
  readonly auditHead: string
}

/** Of the list; made anew for whoever asks later. */
const listFreshMs = 60_000

export class Ca {
  readonly #options: CaOptions
  readonly #lock: Lock
  #list: { readonly der: Promise<Uint8Array>; readonly madeAt: number } | undefined

  constructor(options: CaOptions) {
    this.#options = options
    const { authority, clock, audit, mrenclave } = options
    this.#lock = new Lock({ options: options.options, spki: authority.spki, clock })
    audit.record('started', { ca: this.#lock.ca, boot: this.#lock.boot, mrenclave })
  }

  get state(): State {
    const { ca, boot, open } = this.#lock
    const { audit, authority, options } = this.#options
    const [policies, revocations] = [open?.policiesDigest ?? null, open?.revocationsDigest ?? null]
    const certificate = options.root && !open ? null : sha256(authority.certificate)
    const until = this.unlockedUntil === null ? null : Math.floor(this.unlockedUntil / 1000)
    return { locked: open === undefined, ca, boot, policies, revocations, until, certificate, auditHead: audit.head }
  }

  /** Milliseconds since the epoch; null while locked. */
  get unlockedUntil(): number | null {
    return this.#lock.open?.until ?? null
  }

  /** DER: what a relying party puts into its bundle. */
  get bundle(): readonly [Uint8Array] {
    return [this.#options.authority.anchor]
  }

  /** A request for its certificate, DER: what the root above it signs. */
  request(): Promise<Uint8Array> {
    return this.#options.authority.request()
  }

  /** @throws Fault 'policy-invalid', 'options-invalid', 'credential-invalid': nothing has changed */
  unlock(unlocking: Unlocking, from: string): void {
    const { audit, authority } = this.#options
    try {
      const { by, policiesDigest, revocationsDigest, chain } = this.#lock.unlock(unlocking)
      if (chain) authority.adopt(chain)
      this.#list = undefined
      const { certificate } = this.state
      audit.record('unlocked', { from, by, policies: policiesDigest, revocations: revocationsDigest, certificate })
    } catch (error) {
      const [code, why] = error instanceof Fault ? [error.code, clean(error.message)] : ['internal', '']
      this.#refuseStatement(from, code, why)
      throw error
    }
  }

  /** What came to unlock it is of another form. */
  refuseForm(from: string, why: string): void {
    this.#refuseStatement(from, 'request-malformed', why)
  }

  #refuseStatement(from: string, code: string, why: string): void {
    this.#options.audit.record('unlock-refused', { from, reasons: [{ rule: 'statement', code, why }] })
  }

  /** The revocation list, DER; undefined while locked, since nobody has said yet what is revoked. */
  revocationList(): Promise<Uint8Array> | undefined {
    const { open } = this.#lock
    if (open === undefined) return undefined
    const now = this.#options.clock.monotonic()
    if (this.#list === undefined || now - this.#list.madeAt >= listFreshMs) {
      const der = this.#options.authority.revocationList(open.revocations.certificates)
      this.#list = { der, madeAt: now }
      der.catch(() => {
        this.#list = undefined
      })
    }
    return this.#list.der
  }

  /** @throws Fault 'internal', 'credential-invalid' where a certificate cannot be made */
  async certify(question: Uint8Array, { from, exported }: Channel): Promise<Outcome> {
    const { audit, trustFor, clock, authority, options, mrenclave } = this.#options
    const refused = (outcome: 'locked' | 'malformed' | 'refused', who: Who, reasons: readonly Reason[]): Outcome => {
      audit.record('refused', { from, ...who, reasons: reasons.map(lineOf) } as Record<string, Json>)
      return { outcome, rules: reasons.map(({ rule }) => rule) }
    }
    const locked = (): Outcome =>
      refused('locked', {}, [{ rule: 'locked', want: 'an operator to unlock it', got: 'locked' }])
    if (this.#lock.open === undefined) return locked()
    let asked: Awaited<ReturnType<typeof read>>
    try {
      asked = read(question, exported)
    } catch (error) {
      return refused('malformed', {}, [reasonOf(error)])
    }
    let trust: Awaited<ReturnType<TrustFor>>
    try {
      trust = await trustFor(asked.quote)
    } catch (error) {
      return refused('refused', {}, [reasonOf(error)])
    }
    // Looked at now: while collateral came, an operator may have brought other sets, or their time may have ended.
    const { open } = this.#lock
    const revoked = this.revocationList()
    if (open === undefined || revoked === undefined) return locked()
    const rules = { ...open, options, mrenclave, platformSalt: authority.platformSalt }
    const decision = decide(asked, rules, trust, clock.now())
    if (!decision.accepted) return refused('refused', decision.who, decision.reasons)
    const { grant, who, tcb, entry } = decision
    const list = await revoked
    const key = createPublicKey({ key: Buffer.from(asked.request.spki), format: 'der', type: 'spki' })
    const { chain, serial, notAfter } = await authority.issue(grant, key, asked.evidence)
    audit.record('issued', {
      from,
      ...who,
      rule: entry.accept,
      serial,
      uri: grant.uri,
      dnsNames: grant.dnsNames,
      platform: grant.binding.platform,
      request: asked.request.sha256,
      notAfter: new Date(notAfter).toISOString(),
    } as Record<string, Json>)
    const answer = writeAnswer({
      chain,
      bundle: this.bundle,
      time: authority.timeFor(asked.channel),
      floors: floorsOf(tcb),
      auditHead: new Uint8Array(Buffer.from(audit.head, 'hex')),
      list,
    })
    return { outcome: 'issued', answer, notAfter }
  }
}

/** @throws Fault for what is no question, or no request, or no evidence */
function read(bytes: Uint8Array, exported: Channel['exported']) {
  const question = readQuestion(bytes)
  const request = readRequest(question.request)
  const { quote } = readTagged(question.evidence, request.spki)
  const channel = new Uint8Array(exported(exporterBytes, exporterLabel, requestContext(request.der)))
  return { request, evidence: question.evidence, quote, channel }
}

/** Below these nobody should go who was told of them. Numbers beyond 2^53 are no numbers of Intel's. */
export function floorsOf(tcb: TcbFacts | undefined): ReadonlyMap<string, number> {
  if (tcb === undefined) return new Map()
  return new Map([
    ['tcbInfo', tcb.evaluationDataNumber.tcbInfo],
    ['qeIdentity', tcb.evaluationDataNumber.qeIdentity],
    ['rootCrl', Number(tcb.crlNumber.root)],
    ['pckCrl', Number(tcb.crlNumber.pck)],
    ['issuedAt', Math.floor(tcb.issuedAt / 1000)],
  ])
}

const maxText = 200
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

function lineOf({ rule, want, got }: Reason): { rule: string; want: string; got: string } {
  return { rule, want: clean(want), got: clean(got) }
}

/** What a reason says may repeat bytes of the asker's: short, and visible ASCII. */
const clean = (text: string): string => text.replaceAll(/[^\x20-\x7e]+/g, '?').slice(0, maxText)
