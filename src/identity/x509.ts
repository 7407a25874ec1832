// Key pairs, the certificates we make (self-signed ones for TLS, and those issued by a CA key that we hold), and requests
// for certificates that others make.
// P-256 with ECDSA and SHA-256 throughout, since Gramine's RA-TLS verifier takes only P-256 and P-384.
//
// The only file that knows @peculiar/x509. That library needs a Reflect polyfill loaded before it, patches the global
// Reflect and costs about 170 ms, so it is loaded when the first certificate is made and not before. Private keys live
// in KeyObjects and non-extractable CryptoKeys; nothing here exports one. Profile: RFC 5280.

import { generateKeyPairSync, type KeyObject, randomBytes, webcrypto } from 'node:crypto'
import type * as Library from '@peculiar/x509'
import { Fault } from '../base/errors.ts'

export interface KeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export interface Subject {
  readonly commonName: string
  readonly organization?: string
}

/** An extension as RFC 5280 §4.1 has it: `value` is what goes inside the extnValue OCTET STRING. Never critical. */
export interface Extension {
  readonly oid: string
  readonly value: Uint8Array
}

export type Usage = 'serverAuth' | 'clientAuth'

/** What every certificate of ours says. Dates are milliseconds since the epoch, cut to whole seconds. */
export interface Fields {
  readonly subject: Subject
  readonly dnsNames?: readonly string[]
  readonly uris?: readonly string[]
  readonly notBefore: number
  readonly notAfter: number
  /** Big-endian, 1 to 20 bytes, positive; 16 random bytes where absent. */
  readonly serial?: Uint8Array
  /** Added after our own, in this order. */
  readonly extensions?: readonly Extension[]
  /** Extended key usages; both where absent, since one certificate serves and calls. */
  readonly usages?: readonly Usage[]
}

export interface Authority {
  /** The authority's certificate, DER. */
  readonly certificate: Uint8Array
  readonly key: KeyObject
}

const p256 = { name: 'ECDSA', namedCurve: 'P-256' }
const usageOids: Readonly<Record<Usage, string>> = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
}

/** A fresh P-256 pair, born in this process. */
export function generateKey(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

/**
 * A self-signed end-entity certificate.
 * @param request `key` is the pair that is certified and that signs
 * @returns DER
 * @throws Fault 'credential-invalid' where a date or serial cannot be written, or the key is not P-256
 */
export async function selfSigned(request: Fields & { readonly key: KeyPair }): Promise<Uint8Array> {
  const lib = await library()
  return make(lib, request, {
    publicKey: request.key.publicKey,
    issuer: nameOf(request.subject),
    signer: request.key.privateKey,
    authorityKeyId: await keyId(lib, request.key.publicKey),
    ca: undefined,
  })
}

/**
 * A certificate signed by a P-256 authority: an end entity's, or a CA's where `ca` is given.
 * @returns DER
 * @throws Fault 'credential-invalid' as selfSigned
 */
export async function issue(
  request: Fields & {
    readonly issuer: Authority
    readonly publicKey: KeyObject
    readonly ca?: { readonly pathLength?: number }
  },
): Promise<Uint8Array> {
  const lib = await library()
  const parent = new lib.X509Certificate(owned(request.issuer.certificate))
  // The parent's own key identifier wherever it has one: it need not be the hash that we would compute.
  const own = parent.getExtension(lib.SubjectKeyIdentifierExtension)?.keyId
  return make(lib, request, {
    publicKey: request.publicKey,
    issuer: parent.subjectName,
    signer: request.issuer.key,
    authorityKeyId: own ?? (await keyId(lib, parent.publicKey)),
    ca: request.ca,
  })
}

/** A self-signed CA certificate; `issue` signs with it. Same errors as selfSigned. */
export async function selfSignedAuthority(
  request: Fields & { readonly key: KeyPair; readonly pathLength?: number },
): Promise<Uint8Array> {
  const lib = await library()
  return make(lib, request, {
    publicKey: request.key.publicKey,
    issuer: nameOf(request.subject),
    signer: request.key.privateKey,
    authorityKeyId: await keyId(lib, request.key.publicKey),
    ca: request.pathLength === undefined ? {} : { pathLength: request.pathLength },
  })
}

/**
 * A certificate signing request (PKCS#10, RFC 2986) for a key of ours. Names and extensions are requests: whoever signs may
 * give others, so what comes back is looked at.
 * @returns DER
 * @throws Fault 'credential-invalid' where the key is not P-256
 */
export async function certificateRequest(
  request: Pick<Fields, 'subject' | 'dnsNames' | 'uris' | 'extensions'> & { readonly key: KeyPair },
): Promise<Uint8Array> {
  const lib = await library()
  const csr = await lib.Pkcs10CertificateRequestGenerator.create(
    {
      name: nameOf(request.subject),
      keys: { publicKey: publicHandle(request.key.publicKey), privateKey: privateHandle(request.key.privateKey) },
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      extensions: asked(lib, request),
    },
    webcrypto,
  )
  return new Uint8Array(csr.rawData)
}

type Lib = typeof Library

interface Signing {
  readonly publicKey: KeyObject
  readonly issuer: Library.JsonName | Library.Name
  readonly signer: KeyObject
  /** Hex. */
  readonly authorityKeyId: string
  readonly ca: { readonly pathLength?: number } | undefined
}

async function make(lib: Lib, fields: Fields, signing: Signing): Promise<Uint8Array> {
  const notBefore = wholeSeconds(fields.notBefore, 'notBefore')
  const notAfter = wholeSeconds(fields.notAfter, 'notAfter')
  if (notAfter <= notBefore) throw new Fault('credential-invalid', 'certificate dates: notAfter is not after notBefore')
  const flags = signing.ca
    ? lib.KeyUsageFlags.keyCertSign | lib.KeyUsageFlags.cRLSign
    : lib.KeyUsageFlags.digitalSignature
  const extensions: Library.Extension[] = [
    new lib.BasicConstraintsExtension(signing.ca !== undefined, signing.ca?.pathLength, true),
    new lib.KeyUsagesExtension(flags, true),
  ]
  // A CA's usages would constrain every certificate below it, so a CA gets only those that were asked for.
  const usages = fields.usages ?? (signing.ca ? [] : (['serverAuth', 'clientAuth'] as const))
  if (usages.length > 0) extensions.push(new lib.ExtendedKeyUsageExtension(usages.map(usage => usageOids[usage])))
  extensions.push(
    new lib.SubjectKeyIdentifierExtension(await keyId(lib, signing.publicKey)),
    new lib.AuthorityKeyIdentifierExtension(signing.authorityKeyId),
  )
  extensions.push(...asked(lib, fields))

  const certificate = await lib.X509CertificateGenerator.create(
    {
      serialNumber: Buffer.from(serialOf(fields.serial)).toString('hex'),
      subject: nameOf(fields.subject),
      issuer: signing.issuer,
      notBefore,
      notAfter,
      publicKey: publicHandle(signing.publicKey),
      signingKey: privateHandle(signing.signer),
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      extensions,
    },
    webcrypto,
  )
  return new Uint8Array(certificate.rawData)
}

/** What whoever wants the certificate says of it: its names and its own extensions. */
function asked(lib: Lib, fields: Pick<Fields, 'dnsNames' | 'uris' | 'extensions'>): Library.Extension[] {
  const names = [
    ...(fields.dnsNames ?? []).map(value => ({ type: 'dns' as const, value })),
    ...(fields.uris ?? []).map(value => ({ type: 'url' as const, value })),
  ]
  return [
    ...(names.length > 0 ? [new lib.SubjectAlternativeNameExtension(names)] : []),
    ...(fields.extensions ?? []).map(({ oid, value }) => new lib.Extension(oid, false, owned(value))),
  ]
}

let loading: Promise<Lib> | undefined

/** Loads the library once. The polyfill comes first: the library throws on import without it. */
function library(): Promise<Lib> {
  loading ??= import('reflect-metadata/lite').then(() => import('@peculiar/x509'))
  return loading
}

/** SHA-1 of the public key bits in hex, RFC 5280 §4.2.1.2 method 1: a label, not a security measure. */
async function keyId(lib: Lib, key: KeyObject | Library.PublicKey): Promise<string> {
  const source = key instanceof lib.PublicKey ? key : publicHandle(key)
  return (await lib.SubjectKeyIdentifierExtension.create(source, false, webcrypto)).keyId
}

function publicHandle(key: KeyObject): webcrypto.CryptoKey {
  requireP256(key)
  return key.toCryptoKey(p256, true, ['verify'])
}

function privateHandle(key: KeyObject): webcrypto.CryptoKey {
  requireP256(key)
  return key.toCryptoKey(p256, false, ['sign'])
}

function requireP256(key: KeyObject): void {
  const curve = key.asymmetricKeyDetails?.namedCurve
  if (curve !== 'prime256v1') {
    throw new Fault(
      'credential-invalid',
      `certificate key: want P-256, got ${curve ?? key.asymmetricKeyType ?? key.type}`,
    )
  }
}

function nameOf(subject: Subject): Library.JsonName {
  const name: Library.JsonName = [{ CN: [subject.commonName] }]
  if (subject.organization !== undefined) name.unshift({ O: [subject.organization] })
  return name
}

/** X.509 counts whole seconds; RFC 5280 §4.1.2.5 ends at the year 9999. */
function wholeSeconds(ms: number, name: string): Date {
  const seconds = Math.floor(ms / 1000) * 1000
  if (!(seconds >= 0 && seconds <= 253_402_300_799_000)) {
    throw new Fault('credential-invalid', `certificate dates: ${name} is out of range`)
  }
  return new Date(seconds)
}

/** RFC 5280 §4.1.2.2: positive and at most 20 bytes. The first byte is kept in 0x40..0x7f: no sign, no leading zero. */
function serialOf(given: Uint8Array | undefined): Uint8Array {
  if (given === undefined) {
    const bytes = randomBytes(16)
    bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x40, 0)
    return bytes
  }
  const first = given[0] ?? 0
  const positive = first > 0 && first < 0x80
  if (!positive || given.length > 20) {
    throw new Fault('credential-invalid', 'certificate serial: want 1 to 20 bytes, positive, without leading zero')
  }
  return given
}

/** A copy whose ArrayBuffer is its own: a Buffer may be a window into a shared pool, and the library takes buffers. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}
