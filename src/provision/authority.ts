// The CA's own key and what it signs: certificates, its revocation list, its time. The key is born here and stays here: it
// ends with the process, or lies in a file that only this enclave can read. Its certificate is its own, or that of the root
// which the options name.

import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto'
import { bindingOid, writeBinding } from '../attest/binding.ts'
import { readCertificate } from '../attest/certificate.ts'
import { taggedEvidenceOid } from '../attest/ratls.ts'
import { toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { describe, Fault } from '../base/errors.ts'
import { type TimeToken, timeLabel, writeTime } from '../identity/issuance.ts'
import { syntheticMark } from '../identity/sources/self-signed.ts'
import {
  certificateRequest,
  generateKey,
  issue,
  type KeyPair,
  revocationList,
  type Subject,
  selfSignedAuthority,
} from '../identity/x509.ts'
import type { IssuerChain } from './chain.ts'
import type { Grant } from './decision.ts'
import { readKeyFile, type StoredKey, unusable, writeKeyFile } from './key-file.ts'

export interface AuthorityOptions {
  readonly name: string
  readonly trustDomain: string
  /** Of the longest certificate. */
  readonly lifetimeMs: number
  /** DER of the root above; undefined: it is its own. */
  readonly root?: Uint8Array | undefined
  /** Sealed; undefined: the key ends with the process. */
  readonly keyFile?: string | undefined
  /** Where it is there, whatever is signed says that no hardware stands behind it. */
  readonly dangerSyntheticRoot: Uint8Array | undefined
  readonly clock: Clock
}

const dayMs = 86_400_000
/** Memory keeps the key, and no process lives for so long. */
const authorityMs = 365 * dayMs
const keptMs = 10 * authorityMs
const saltBytes = 32
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
  readonly platformSalt: Uint8Array
  #listNumber = 0
  #request: Promise<Uint8Array> | undefined

  private constructor(options: AuthorityOptions, key: KeyPair, own: IssuerChain, platformSalt: Uint8Array) {
    this.#options = options
    this.#key = key
    this.#own = own
    this.platformSalt = platformSalt
    this.spki = new Uint8Array(key.publicKey.export({ type: 'spki', format: 'der' }))
  }

  /** With the key of its file, or one that is born now. @throws Fault 'credential-invalid' */
  static async create(options: AuthorityOptions): Promise<IssuingAuthority> {
    const { keyFile } = options
    const stored = keyFile === undefined ? undefined : readKeyFile(keyFile)
    if (keyFile !== undefined && stored) return IssuingAuthority.#kept(options, keyFile, stored)
    const key = generateKey()
    const platformSalt = randomBytes(saltBytes)
    const now = options.clock.now()
    const notAfter = now + (keyFile === undefined ? authorityMs : keptMs)
    const certificate = await selfSignedAuthority({
      key,
      ...namesOf(options),
      notBefore: now - longestBackdateMs,
      notAfter,
      pathLength: 0,
    })
    if (keyFile !== undefined) {
      const pkcs8 = key.privateKey.export({ type: 'pkcs8', format: 'der' })
      try {
        writeKeyFile(keyFile, { pkcs8, certificate, platformSalt })
      } finally {
        pkcs8.fill(0)
      }
    }
    return new IssuingAuthority(options, key, { certificates: [certificate], notAfter }, platformSalt)
  }

  static #kept(options: AuthorityOptions, keyFile: string, stored: StoredKey): IssuingAuthority {
    const { pkcs8, certificate, platformSalt } = stored
    try {
      const privateKey = createPrivateKey({
        key: Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length),
        format: 'der',
        type: 'pkcs8',
      })
      const key = { privateKey, publicKey: createPublicKey(privateKey) }
      const { x509, commonName, spki, notAfter } = readCertificate(certificate)
      const { subject, uris } = namesOf(options)
      if (!key.publicKey.export({ type: 'spki', format: 'der' }).equals(spki)) {
        throw unusable(keyFile, 'want a certificate of the key that is in it')
      }
      if (commonName !== subject.commonName || x509.subjectAltName !== `URI:${uris[0]}`) {
        throw unusable(keyFile, `want the key of ${subject.commonName} in ${uris[0]}, got that of ${commonName}`)
      }
      return new IssuingAuthority(options, key, { certificates: [certificate], notAfter }, platformSalt)
    } catch (error) {
      throw error instanceof Fault && error.code === 'credential-invalid' ? error : unusable(keyFile, describe(error))
    } finally {
      pkcs8.fill(0)
    }
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
    return { chain: root ? [leaf, ...certificates] : [leaf], serial: toHex(serial), notAfter }
  }

  /** The list of what is revoked, DER. @param revoked serial numbers, hex */
  revocationList(revoked: readonly string[]): Promise<Uint8Array> {
    const now = this.#options.clock.now()
    // The key may outlive the process, and the numbers of its lists have to rise with it.
    this.#listNumber = Math.max(this.#listNumber + 1, Math.floor(now / 1000))
    return revocationList({
      issuer: { certificate: this.certificate, key: this.#key.privateKey },
      revoked,
      number: this.#listNumber,
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

function namesOf(options: AuthorityOptions) {
  const { name, trustDomain } = options
  // SPIFFE X.509-SVID §3: a signing certificate may name its trust domain.
  return { subject: subjectOf(`postern provision ${name}`, options), uris: [`spiffe://${trustDomain}`] }
}

function subjectOf(commonName: string, { dangerSyntheticRoot }: AuthorityOptions): Subject {
  return { commonName, ...(dangerSyntheticRoot && { organization: syntheticMark }) }
}
