// The CA's own key and what it signs: certificates, its revocation list, its time. The key is born here, stays here, and
// ends with the process. Its certificate is its own, or that of the root which the options name.

import { type KeyObject, randomBytes, sign } from 'node:crypto'
import { bindingOid, writeBinding } from '../attest/binding.ts'
import { taggedEvidenceOid } from '../attest/ratls.ts'
import { toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { type TimeToken, timeLabel, writeTime } from '../identity/issuance.ts'
import {
  certificateRequest,
  generateKey,
  issue,
  type KeyPair,
  revocationList,
  selfSignedAuthority,
} from '../identity/x509.ts'
import type { IssuerChain } from './chain.ts'
import type { Grant } from './decision.ts'

export interface AuthorityOptions {
  readonly name: string
  readonly trustDomain: string
  /** Of the longest certificate. */
  readonly lifetimeMs: number
  /** DER of the root above; undefined: it is its own. */
  readonly root?: Uint8Array | undefined
  readonly clock: Clock
}

const dayMs = 86_400_000
/** Memory keeps the key, and no process lives for so long. */
const authorityMs = 365 * dayMs
const longestBackdateMs = 300_000
const listMs = dayMs
const serialBytes = 16

export interface Issued {
  /** DER, the new one first: up to the anchor, which is not in it. */
  readonly chain: readonly [leaf: Uint8Array, ...above: Uint8Array[]]
  /** Hex. */
  readonly serial: string
  readonly notAfter: number
}

export class IssuingAuthority {
  readonly #options: AuthorityOptions
  readonly #key: KeyPair
  /** By itself, until there is one of the root's. */
  #own: IssuerChain
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  /** Secret: what makes tags of machines, of no use to whoever does not have it. */
  readonly platformSalt: Uint8Array = randomBytes(32)
  #lists = 0
  #request: Promise<Uint8Array> | undefined

  private constructor(options: AuthorityOptions, key: KeyPair, own: IssuerChain) {
    this.#options = options
    this.#key = key
    this.#own = own
    this.spki = new Uint8Array(key.publicKey.export({ type: 'spki', format: 'der' }))
  }

  /** With a key of its own, born now. @throws Fault 'credential-invalid' */
  static async create(options: AuthorityOptions): Promise<IssuingAuthority> {
    const key = generateKey()
    const now = options.clock.now()
    const notAfter = now + authorityMs
    const certificate = await selfSignedAuthority({
      key,
      ...namesOf(options),
      notBefore: now - longestBackdateMs,
      notAfter,
      pathLength: 0,
    })
    return new IssuingAuthority(options, key, { certificates: [certificate], notAfter })
  }

  /** DER: by which what it signs is verified. */
  get certificate(): Uint8Array {
    return this.#own.certificates[0]
  }

  /** DER: what relying parties trust. */
  get anchor(): Uint8Array {
    return this.#options.root ?? this.certificate
  }

  /** Nothing of ours counts for longer; milliseconds since the epoch. */
  get notAfter(): number {
    return this.#own.notAfter
  }

  /** A request for its certificate (PKCS#10, DER), the same each time. @throws Fault 'credential-invalid' */
  request(): Promise<Uint8Array> {
    this.#request ??= certificateRequest({ key: this.#key, ...namesOf(this.#options) })
    return this.#request
  }

  /** Signs below this one from now on. @param chain for this key, below the root of the options */
  adopt(chain: IssuerChain): void {
    this.#own = chain
  }

  /**
   * A certificate as granted, with the evidence that it was granted for.
   * @param evidence CBOR, as it came
   * @throws Fault 'credential-invalid'
   */
  async issue(grant: Grant, publicKey: KeyObject, evidence: Uint8Array): Promise<Issued> {
    const { root, clock } = this.#options
    const now = clock.now()
    const { certificates, notAfter: ends } = this.#own
    const serial = randomBytes(serialBytes)
    serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0)
    const notAfter = Math.min(grant.notAfter, ends)
    const leaf = await issue({
      issuer: { certificate: certificates[0], key: this.#key.privateKey },
      publicKey,
      serial,
      subject: { commonName: 'postern' },
      dnsNames: grant.dnsNames,
      uris: [grant.uri],
      usages: grant.usages,
      // The peer's clock may be behind ours.
      notBefore: now - Math.min(longestBackdateMs, (notAfter - now) / 10),
      notAfter,
      extensions: [
        { oid: taggedEvidenceOid, value: evidence },
        { oid: bindingOid, value: writeBinding(grant.binding) },
      ],
    })
    return { chain: root ? [leaf, ...certificates] : [leaf], serial: toHex(serial), notAfter }
  }

  /** The list of what is revoked, DER. @param revoked serial numbers, hex */
  revocationList(revoked: readonly string[]): Promise<Uint8Array> {
    const now = this.#options.clock.now()
    this.#lists += 1
    return revocationList({
      issuer: { certificate: this.certificate, key: this.#key.privateKey },
      revoked,
      number: this.#lists,
      thisUpdate: now,
      nextUpdate: now + listMs,
    })
  }

  /** What time it is, for one connection. */
  timeFor(channel: Uint8Array): TimeToken {
    const signed = writeTime(this.#options.clock.now(), channel)
    return { signed, signature: sign('sha256', Buffer.concat([timeLabel, signed]), this.#key.privateKey) }
  }
}

function namesOf({ name, trustDomain }: AuthorityOptions) {
  // SPIFFE X.509-SVID §3: a signing certificate may name its trust domain.
  return { subject: { commonName: `postern provision ${name}` }, uris: [`spiffe://${trustDomain}`] }
}
