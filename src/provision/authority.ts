// The CA's own key and what it signs: certificates, its revocation list, its time. The key is born here, stays here, and
// ends with the process.

import { type KeyObject, randomBytes, sign } from 'node:crypto'
import { bindingOid, writeBinding } from '../attest/binding.ts'
import { taggedEvidenceOid } from '../attest/ratls.ts'
import { toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { type TimeToken, timeLabel, writeTime } from '../identity/issuance.ts'
import { syntheticMark } from '../identity/sources/self-signed.ts'
import {
  generateKey,
  issue,
  type KeyPair,
  revocationList,
  type Subject,
  selfSignedAuthority,
} from '../identity/x509.ts'
import type { Grant } from './decision.ts'

export interface AuthorityOptions {
  readonly name: string
  readonly trustDomain: string
  /** Of the longest certificate. */
  readonly lifetimeMs: number
  /** Where it is there, whatever is signed says that no hardware stands behind it. */
  readonly dangerSyntheticRoot: Uint8Array | undefined
  readonly clock: Clock
}

const dayMs = 86_400_000
/** Memory keeps the key, and no process lives for so long. */
const authorityMs = 365 * dayMs
const longestBackdateMs = 300_000
const listMs = dayMs
const serialBytes = 16

export interface Issued {
  /** DER. */
  readonly leaf: Uint8Array
  /** Hex. */
  readonly serial: string
  readonly notAfter: number
}

export class IssuingAuthority {
  readonly #options: AuthorityOptions
  readonly #key: KeyPair
  /** DER. */
  readonly certificate: Uint8Array
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  /** Of certificates: for as long as this key. */
  readonly notAfter: number
  /** Secret: what makes tags of machines, of no use to whoever does not have it. */
  readonly platformSalt: Uint8Array = randomBytes(32)
  #lists = 0

  private constructor(options: AuthorityOptions, key: KeyPair, certificate: Uint8Array, notAfter: number) {
    this.#options = options
    this.#key = key
    this.certificate = certificate
    this.notAfter = notAfter
    this.spki = new Uint8Array(key.publicKey.export({ type: 'spki', format: 'der' }))
  }

  /** With a key of its own, born now. @throws Fault 'credential-invalid' */
  static async create(options: AuthorityOptions): Promise<IssuingAuthority> {
    const key = generateKey()
    const now = options.clock.now()
    const notAfter = now + authorityMs
    const certificate = await selfSignedAuthority({
      key,
      subject: subjectOf(`postern provision ${options.name}`, options),
      // SPIFFE X.509-SVID §3: a signing certificate may name its trust domain.
      uris: [`spiffe://${options.trustDomain}`],
      notBefore: now - longestBackdateMs,
      notAfter,
      pathLength: 0,
    })
    return new IssuingAuthority(options, key, certificate, notAfter)
  }

  /**
   * A certificate as granted, with the evidence that it was granted for.
   * @param evidence CBOR, as it came
   * @throws Fault 'credential-invalid'
   */
  async issue(grant: Grant, publicKey: KeyObject, evidence: Uint8Array): Promise<Issued> {
    const now = this.#options.clock.now()
    const serial = randomBytes(serialBytes)
    serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0)
    const notAfter = Math.min(grant.notAfter, this.notAfter)
    const leaf = await issue({
      issuer: { certificate: this.certificate, key: this.#key.privateKey },
      publicKey,
      serial,
      subject: subjectOf('postern', this.#options),
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
    return { leaf, serial: toHex(serial), notAfter }
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

const subjectOf = (commonName: string, { dangerSyntheticRoot }: AuthorityOptions): Subject => ({
  commonName,
  ...(dangerSyntheticRoot && { organization: syntheticMark }),
})
