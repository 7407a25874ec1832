// The CA starts locked: it issues nothing until an operator has signed for this very process (its key, a nonce of its
// start), for the sets that it decides by, and for the time. A clone, a restart or older sets brought back by the host have
// another key, another nonce or other digests; a clock set back is put right by the same act.
//
// Each statement counts once: the nonce changes with it. New sets come by another one, and never with a lower serial. It counts
// for a while: a process that the host keeps from the next one goes on with what it has until then, and is locked again.

import { createHash, randomBytes } from 'node:crypto'
import { toHex } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'
import type { FloorClock } from '../base/floor.ts'
import { type ProvisionOptions, readPolicySet, readRevocationSet } from '../config/provision.ts'
import type { PolicySet, RevocationSet } from '../config/provision-shape.ts'
import { type Complaint, integer, object, oneOf, optional, text, told, unfit } from '../config/shape.ts'
import { readUtf8Json, verifyJws } from '../config/signed/jws.ts'
import { type IssuerChain, readChain } from './chain.ts'

/** `typ` of a statement's header. */
export const statementType = 'postern-unlock+jws'

const digest = text(/^[0-9a-f]{64}$/, '64 hex digits in lower case')
const statementShape = object({
  v: oneOf(1),
  /** SHA-256 of the CA's SubjectPublicKeyInfo. */
  ca: digest,
  /** The nonce that it showed. */
  boot: digest,
  /** SHA-256 of the exact bytes of either set. */
  policies: digest,
  revocations: digest,
  /** The same of the certificate that the root has given it, and of what stands between. */
  chain: optional(digest),
  /** Seconds since the epoch, by the operator's clock. */
  time: integer(0, 253_402_300_799),
})

export interface Statement {
  readonly v: 1
  readonly ca: string
  readonly boot: string
  readonly policies: string
  readonly revocations: string
  readonly chain?: string | undefined
  readonly time: number
}

/** What comes with the wish to unlock; the sets in their exact bytes. */
export interface Unlocking {
  readonly statement: string
  readonly policies: Uint8Array
  readonly revocations: Uint8Array
  /** PEM, the CA's own certificate first. */
  readonly chain?: Uint8Array | undefined
}

export interface Unlocked {
  readonly policies: PolicySet
  readonly revocations: RevocationSet
  /** What the CA signs below; undefined where it is its own root. */
  readonly chain: IssuerChain | undefined
  /** Name of the operator's key. */
  readonly by: string
  /** Hex. */
  readonly policiesDigest: string
  readonly revocationsDigest: string
  /** Milliseconds since the epoch: locked again from then on. */
  readonly until: number
}

export interface LockOptions {
  readonly options: ProvisionOptions
  /** DER SubjectPublicKeyInfo of the CA's key. */
  readonly spki: Uint8Array
  readonly clock: FloorClock
}

/** Signing and carrying it here may take so long; a clock that is further ahead is wrong. */
export const maxStatementAgeMs = 15 * 60_000
const nonceBytes = 32

export class Lock {
  readonly #options: LockOptions
  readonly ca: string
  #boot = toHex(randomBytes(nonceBytes))
  /** Kept when its time is over: no later statement goes below its serials. */
  #last: Unlocked | undefined

  constructor(options: LockOptions) {
    this.#options = options
    this.ca = sha256(options.spki)
  }

  /** What the next statement has to be about, hex. */
  get boot(): string {
    return this.#boot
  }

  /** Undefined while locked. */
  get open(): Unlocked | undefined {
    return this.#last && this.#options.clock.now() < this.#last.until ? this.#last : undefined
  }

  /**
   * Takes the sets of a statement from now on; raises the clock to its time.
   * @throws Fault 'policy-invalid', 'options-invalid' or 'credential-invalid' that says what is wrong with it; nothing has
   * changed then
   */
  unlock({ statement, policies, revocations, chain }: Unlocking): Unlocked {
    const { options, clock } = this.#options
    const { key, payload } = verifyJws(statement, options.operators, statementType)
    const said = readStatement(payload)
    const policiesDigest = sha256(policies)
    const revocationsDigest = sha256(revocations)
    equal('ca', "the hash of this CA's key", this.ca, said.ca)
    equal('boot', 'the nonce that this process shows', this.#boot, said.boot)
    equal('policies', 'the hash of the policy set that came with it', policiesDigest, said.policies)
    equal('revocations', 'the hash of the revocation set that came with it', revocationsDigest, said.revocations)
    equal('chain', 'the hash of the chain that came with it', chain ? sha256(chain) : 'none', said.chain ?? 'none')
    const ahead = clock.now() - said.time * 1000
    if (!(ahead <= maxStatementAgeMs)) {
      throw refused(
        `time: it is ${Math.round(ahead / 1000)} s behind the clock here; want at most ${maxStatementAgeMs / 1000}: ` +
          'sign a new one, or set the clock of the machine right',
      )
    }
    const next = {
      policies: readPolicySet(policies, 'policy set', options),
      revocations: readRevocationSet(revocations, 'revocation set'),
      chain: this.#chain(chain, Math.max(clock.now(), said.time * 1000)),
      by: key.kid,
      policiesDigest,
      revocationsDigest,
      until: said.time * 1000 + options.unlockedMs,
    }
    const before = this.#last
    if (before) {
      notLower('policies', before.policies.serial, next.policies.serial)
      notLower('revocations', before.revocations.serial, next.revocations.serial)
    }
    clock.raise(said.time * 1000)
    this.#boot = toHex(randomBytes(nonceBytes))
    this.#last = next
    return next
  }

  /** The one that came, or the one before; none where there is no root above. */
  #chain(pem: Uint8Array | undefined, at: number): IssuerChain | undefined {
    const { spki, options } = this.#options
    const { root } = options
    if (root === undefined) {
      if (pem === undefined) return undefined
      throw refused('chain: want none, as the options name no root above the CA')
    }
    if (pem) return readChain(pem, { spki, root }, at)
    if (this.#last?.chain) return this.#last.chain
    throw refused('chain: want the certificate that the root of the options gives this CA: postern ca csr asks for it')
  }
}

/** What an operator signs. @throws Fault 'policy-invalid' */
export function readStatement(payload: Uint8Array): Statement {
  const complaints: Complaint[] = []
  const said = statementShape.read(readUtf8Json(payload, 'statement'), '', complaints)
  if (said === unfit) throw refused(complaints.map(told).join('; '))
  return said
}

function equal(member: string, what: string, want: string, got: string): void {
  if (want !== got) throw refused(`${member}: want ${what}, ${want}, got ${got}`)
}

function notLower(set: string, before: number, serial: number): void {
  if (serial < before) throw refused(`${set}: want a serial of at least ${before}, got ${serial}: an older set`)
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

function refused(what: string): Fault {
  return new Fault('policy-invalid', `statement: ${what}`)
}
