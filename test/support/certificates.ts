// Certificates for tests, good and bad, straight from @peculiar/x509: what product code would never make is made here.

import 'reflect-metadata'
import { generateKeyPairSync, type KeyObject, webcrypto } from 'node:crypto'
import * as lib from '@peculiar/x509'
import type { SyntheticPlatform } from '../../src/demo/tee.ts'

export const { KeyUsageFlags } = lib

export interface Keys {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export interface Request {
  readonly name: string
  readonly keys: Keys
  /** Self-signed where absent. `name` is written as issuer, whatever the issuer's certificate says. */
  readonly issuer?: { readonly name: string; readonly keys: Keys } | undefined
  readonly notBefore?: Date | undefined
  readonly notAfter?: Date | undefined
  readonly ca?: boolean | undefined
  readonly pathLength?: number | undefined
  readonly usages?: lib.KeyUsageFlags | undefined
  readonly extensions?: readonly { oid: string; value: Uint8Array; critical?: boolean }[] | undefined
  readonly hash?: 'SHA-256' | 'SHA-384' | undefined
  /** Hex; '01' where absent. */
  readonly serial?: string | undefined
}

export const from = Date.UTC(2020, 0, 1)
export const to = Date.UTC(2049, 11, 31, 23, 59, 59)

export function ecKeys(namedCurve = 'P-256'): Keys {
  return generateKeyPairSync('ec', { namedCurve })
}

const curves: Record<string, string> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' }

function handle(key: KeyObject, usage: 'sign' | 'verify'): webcrypto.CryptoKey {
  const curve = curves[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? ''
  return key.toCryptoKey({ name: 'ECDSA', namedCurve: curve }, true, [usage])
}

/** One certificate, DER. */
export async function makeCertificate(request: Request): Promise<Uint8Array> {
  const ca = request.ca ?? false
  const usages = request.usages ?? (ca ? KeyUsageFlags.keyCertSign : KeyUsageFlags.digitalSignature)
  const certificate = await lib.X509CertificateGenerator.create(
    {
      serialNumber: request.serial ?? '01',
      subject: [{ CN: [request.name] }, { O: ['Test'] }],
      issuer: [{ CN: [request.issuer?.name ?? request.name] }, { O: ['Test'] }],
      notBefore: request.notBefore ?? new Date(from),
      notAfter: request.notAfter ?? new Date(to),
      publicKey: handle(request.keys.publicKey, 'verify'),
      signingKey: handle((request.issuer?.keys ?? request.keys).privateKey, 'sign'),
      signingAlgorithm: { name: 'ECDSA', hash: request.hash ?? 'SHA-256' },
      extensions: [
        new lib.BasicConstraintsExtension(ca, request.pathLength, true),
        new lib.KeyUsagesExtension(usages, true),
        ...(request.extensions ?? []).map(
          ({ oid, value, critical }) => new lib.Extension(oid, critical ?? false, new Uint8Array(value)),
        ),
      ],
    },
    webcrypto,
  )
  return new Uint8Array(certificate.rawData)
}

/** A DER element of up to 65,535 bytes. */
export function der(tag: number, ...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  const content = Buffer.concat(parts.map(part => Uint8Array.from(part)))
  const { length } = content
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Uint8Array.from([tag, ...head, ...content])
}

export interface SgxFields {
  /** Hex. */
  readonly fmspc?: string
  /** Hex. */
  readonly pceId?: string
  readonly components?: readonly number[]
  readonly pceSvn?: number
  readonly sgxType?: number
  /** Each byte of the platform's instance. */
  readonly piid?: number
  /** What a processor CA leaves out: platform instance and configuration. */
  readonly processor?: boolean
}

const sgxArc = [0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01]

/** One field of Intel's extension: SEQUENCE { OID, value }. */
export function sgxField(suffix: readonly number[], value: Uint8Array): Uint8Array {
  return der(0x30, der(0x06, [...sgxArc, ...suffix]), value)
}

/** The fields of Intel's extension of a PCK certificate, as a platform CA writes them. */
export function sgxFields(fields: SgxFields = {}): Uint8Array[] {
  const svns = fields.components ?? [7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0]
  const bytes = (length: number, fill: number) => der(0x04, new Uint8Array(length).fill(fill))
  const hex = (text: string) => der(0x04, Buffer.from(text, 'hex'))
  const integer = (value: number) =>
    der(
      0x02,
      value < 0x80
        ? [value]
        : value < 0x100
          ? [0, value]
          : value < 0x8000
            ? [value >> 8, value & 0xff]
            : [0, value >> 8, value & 0xff],
    )
  const components = svns.map((svn, i) => sgxField([2, i + 1], integer(svn)))
  const flag = (n: number) => sgxField([7, n], der(0x01, [0xff]))
  return [
    sgxField([1], bytes(16, 0x50)),
    sgxField(
      [2],
      der(0x30, ...components, sgxField([2, 17], integer(fields.pceSvn ?? 13)), sgxField([2, 18], der(0x04, svns))),
    ),
    sgxField([3], hex(fields.pceId ?? '0000')),
    sgxField([4], hex(fields.fmspc ?? '5f5f5f000000')),
    sgxField([5], der(0x0a, [fields.sgxType ?? 1])),
    ...(fields.processor
      ? []
      : [sgxField([6], bytes(16, fields.piid ?? 0x49)), sgxField([7], der(0x30, flag(1), flag(2), flag(3)))]),
  ]
}

/** Intel's extension of a PCK certificate: 1.2.840.113741.1.13.1. */
export function sgxExtension(fields: SgxFields = {}): { oid: string; value: Uint8Array } {
  return { oid: '1.2.840.113741.1.13.1', value: der(0x30, ...sgxFields(fields)) }
}

export const names = {
  root: 'SYNTHETIC SGX Root CA (not Intel)',
  ca: 'SYNTHETIC SGX PCK Platform CA (not Intel)',
  leaf: 'SYNTHETIC SGX PCK Certificate (not Intel)',
}

export interface PlatformRequest {
  readonly root?: Partial<Request>
  readonly ca?: Partial<Request>
  readonly leaf?: Partial<Request>
}

/** A whole PCK chain with its keys; each certificate can be spoilt on its own. */
export async function makePlatform(
  spoil: PlatformRequest = {},
): Promise<SyntheticPlatform & { readonly keys: { root: Keys; ca: Keys; leaf: Keys } }> {
  const keys = {
    root: spoil.root?.keys ?? ecKeys(),
    ca: spoil.ca?.keys ?? ecKeys(),
    leaf: spoil.leaf?.keys ?? ecKeys(),
  }
  const rootName = spoil.root?.name ?? names.root
  const caName = spoil.ca?.name ?? names.ca
  const root = await makeCertificate({ name: names.root, keys: keys.root, ca: true, pathLength: 1, ...spoil.root })
  const ca = await makeCertificate({
    name: names.ca,
    keys: keys.ca,
    issuer: { name: rootName, keys: keys.root },
    ca: true,
    pathLength: 0,
    ...spoil.ca,
  })
  const leaf = await makeCertificate({
    name: names.leaf,
    keys: keys.leaf,
    issuer: { name: caName, keys: keys.ca },
    extensions: [sgxExtension()],
    ...spoil.leaf,
  })
  return { chain: [leaf, ca, root], key: keys.leaf.privateKey, keys }
}
