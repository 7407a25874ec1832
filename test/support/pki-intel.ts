// Intel's side of the world under a test root: PCK chain, TCB signing certificate, revocation lists, TCB info and QE
// identity, all signed. What nobody can get for real (a revoked PCK, a level of Revoked, collateral of next year) is made
// here; each part can be spoilt on its own, before or after it is signed.

import { sign } from 'node:crypto'
import { readCertificate, subjectKeyId } from '../../src/attest/certificate.ts'
import type { IntelCollateral } from '../../src/attest/evidence.ts'
import { toHex } from '../../src/base/bytes.ts'
import { type SyntheticPlatform, syntheticQeSigner } from '../../src/demo/tee.ts'
import {
  der,
  ecKeys,
  type Keys,
  KeyUsageFlags,
  makeCertificate,
  names,
  type Request,
  type SgxFields,
  sgxExtension,
} from './certificates.ts'

/** A moment inside the validity of everything made here. */
export const now = Date.UTC(2026, 0, 15)
export const issued = Date.UTC(2026, 0, 1)
export const nextUpdate = Date.UTC(2026, 0, 31)
export const fmspc = '5f5f5f000000'
export const serials = { root: '01', ca: '02', leaf: '03', signing: '04' } as const
const signingName = 'SYNTHETIC SGX TCB Signing (not Intel)'

export interface CrlRequest {
  readonly thisUpdate?: number
  readonly nextUpdate?: number
  readonly number?: number
  /** Serial numbers, hex. */
  readonly revoked?: readonly string[]
  /** Another name or key than the issuer's. */
  readonly issuer?: Uint8Array
  readonly key?: Keys
  readonly keyId?: Uint8Array
  /** Replaces the list's extensions. */
  readonly extensions?: readonly Uint8Array[]
  /** DER of the extensions of each entry. */
  readonly entryExtensions?: Uint8Array
}

type Text = Record<string, unknown>

export interface World {
  readonly root?: Partial<Request>
  readonly ca?: Partial<Request>
  readonly leaf?: Partial<Request>
  readonly signing?: Partial<Request>
  readonly sgx?: SgxFields
  readonly rootCrl?: CrlRequest
  readonly pckCrl?: CrlRequest
  /** Members of TCB info and QE identity that differ. */
  readonly tcbInfo?: Text
  readonly qeIdentity?: Text
  /** Key of the TCB signing certificate's that is not its own. */
  readonly signingKey?: Keys
}

export interface Intel {
  /** DER of the trust anchor. */
  readonly root: Uint8Array
  readonly platform: SyntheticPlatform
  readonly collateral: IntelCollateral
  readonly keys: { readonly root: Keys; readonly ca: Keys; readonly leaf: Keys; readonly signing: Keys }
}

const keyIdOf = (keys: Keys): Uint8Array =>
  new Uint8Array(keys.publicKey.export({ type: 'spki', format: 'der' }).subarray(-20))
const keyId = (keys: Keys) => ({ oid: '2.5.29.14', value: der(0x04, keyIdOf(keys)) })
const caUsages = KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign

/** Everything, signed; `spoil` says what differs. */
export async function makeIntel(spoil: World = {}): Promise<Intel> {
  const keys = {
    root: spoil.root?.keys ?? ecKeys(),
    ca: spoil.ca?.keys ?? ecKeys(),
    leaf: spoil.leaf?.keys ?? ecKeys(),
    signing: spoil.signing?.keys ?? ecKeys(),
  }
  const rootIssuer = { name: spoil.root?.name ?? names.root, keys: keys.root }
  const caIssuer = { name: spoil.ca?.name ?? names.ca, keys: keys.ca }
  const root = await makeCertificate({
    name: names.root,
    keys: keys.root,
    ca: true,
    pathLength: 1,
    usages: caUsages,
    extensions: [keyId(keys.root)],
    serial: serials.root,
    ...spoil.root,
  })
  const ca = await makeCertificate({
    name: names.ca,
    keys: keys.ca,
    issuer: rootIssuer,
    ca: true,
    pathLength: 0,
    usages: caUsages,
    extensions: [keyId(keys.ca)],
    serial: serials.ca,
    ...spoil.ca,
  })
  const leaf = await makeCertificate({
    name: names.leaf,
    keys: keys.leaf,
    issuer: caIssuer,
    extensions: [sgxExtension(spoil.sgx)],
    serial: serials.leaf,
    ...spoil.leaf,
  })
  const signing = await makeCertificate({
    name: signingName,
    keys: keys.signing,
    issuer: rootIssuer,
    extensions: [keyId(keys.signing)],
    serial: serials.signing,
    ...spoil.signing,
  })
  const signer = spoil.signingKey ?? keys.signing
  const collateral: IntelCollateral = {
    kind: 'intel',
    tcbInfo: signDocument('tcbInfo', tcbInfo(spoil.tcbInfo), signer),
    tcbInfoIssuerChain: pem(signing, root),
    qeIdentity: signDocument('enclaveIdentity', qeIdentity(spoil.qeIdentity), signer),
    qeIdentityIssuerChain: pem(signing, root),
    rootCaCrl: makeCrl(root, keys.root, spoil.rootCrl),
    pckCrl: makeCrl(ca, keys.ca, spoil.pckCrl),
    pckCrlIssuerChain: pem(ca, root),
  }
  return { root, platform: { chain: [leaf, ca, root], key: keys.leaf.privateKey }, collateral, keys }
}

/** Certificates in PEM, one after the other. */
export function pem(...ders: readonly Uint8Array[]): Uint8Array {
  const block = (bytes: Uint8Array): string =>
    `-----BEGIN CERTIFICATE-----\n${(
      Buffer.from(bytes)
        .toString('base64')
        .match(/.{1,64}/g) ?? []
    ).join('\n')}\n-----END CERTIFICATE-----\n`
  return new Uint8Array(Buffer.from(ders.map(block).join('')))
}

/** `{"member":…,"signature":"…"}`; the signature is over exactly these bytes of the value. */
export function signDocument(member: string, document: Text | string, keys: Keys): Uint8Array {
  const value = typeof document === 'string' ? document : JSON.stringify(document)
  const signature = sign('sha256', Buffer.from(value), { key: keys.privateKey, dsaEncoding: 'ieee-p1363' })
  return new Uint8Array(Buffer.from(`{"${member}":${value},"signature":"${signature.toString('hex')}"}`))
}

const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')
const level = (status: string, tcb: Text, advisoryIDs?: readonly string[]): Text => ({
  tcb,
  tcbDate: '2025-11-12T00:00:00Z',
  tcbStatus: status,
  ...(advisoryIDs ? { advisoryIDs } : {}),
})
const svns = (svn: number): Text[] => Array.from({ length: 16 }, (_, i) => ({ svn: i < 8 ? svn : 0 }))

/** A level of TCB info: the first eight components, the PCE. */
export function platformLevel(
  status: string,
  svn = 7,
  pcesvn = 13,
  advisoryIDs?: readonly string[],
  tdx?: number[],
): Text {
  const tdxtcbcomponents = tdx?.map(each => ({ svn: each }))
  return level(status, { sgxtcbcomponents: svns(svn), pcesvn, ...(tdx ? { tdxtcbcomponents } : {}) }, advisoryIDs)
}

/** A level of the QE identity or of a TDX module's. */
export function isvLevel(status: string, isvsvn: number, advisoryIDs?: readonly string[]): Text {
  return level(status, { isvsvn }, advisoryIDs)
}

export function tcbInfo(differs: Text = {}): Text {
  return {
    id: 'SGX',
    version: 3,
    issueDate: iso(issued),
    nextUpdate: iso(nextUpdate),
    fmspc: fmspc.toUpperCase(),
    pceId: '0000',
    tcbType: 0,
    tcbEvaluationDataNumber: 20,
    tcbLevels: [platformLevel('UpToDate'), platformLevel('OutOfDate', 5, 11, ['INTEL-SA-00001'])],
    ...differs,
  }
}

export function qeIdentity(differs: Text = {}): Text {
  return {
    id: 'QE',
    version: 2,
    issueDate: iso(issued + 1000),
    nextUpdate: iso(nextUpdate + 1000),
    tcbEvaluationDataNumber: 21,
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: '11000000000000000000000000000000',
    attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
    mrsigner: toHex(syntheticQeSigner).toUpperCase(),
    isvprodid: 1,
    tcbLevels: [isvLevel('UpToDate', 8), isvLevel('OutOfDate', 6, ['INTEL-SA-00002'])],
    ...differs,
  }
}

const extension = (oid: readonly number[], value: Uint8Array, critical = false): Uint8Array =>
  der(0x30, der(0x06, oid), ...(critical ? [der(0x01, [0xff])] : []), der(0x04, value))

/** Extensions that a list has, or has not. */
export const crlExtensions = {
  number: (value: number) => extension([0x55, 0x1d, 20], der(0x02, [value])),
  keyId: (id: Uint8Array) => extension([0x55, 0x1d, 35], der(0x30, der(0x80, id))),
  deltaOf: (value: number) => extension([0x55, 0x1d, 27], der(0x02, [value]), true),
  reason: (value: number) => extension([0x55, 0x1d, 21], der(0x0a, [value])),
  certificateIssuer: () => extension([0x55, 0x1d, 29], der(0x30), true),
}

/** DER of a revocation list. */
export function makeCrl(issuer: Uint8Array, keys: Keys, request: CrlRequest = {}): Uint8Array {
  const algorithm = der(0x30, der(0x06, [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]))
  const time = (ms: number): Uint8Array =>
    der(0x17, Buffer.from(`${new Date(ms).toISOString().replace(/\D/g, '').slice(2, 14)}Z`))
  const certificate = readCertificate(issuer)
  const entries = (request.revoked ?? []).map(serial =>
    der(
      0x30,
      der(0x02, Buffer.from(serial, 'hex')),
      time(issued),
      request.entryExtensions ?? der(0x30, crlExtensions.reason(1)),
    ),
  )
  const extensions = request.extensions ?? [
    crlExtensions.number(request.number ?? 5),
    crlExtensions.keyId(request.keyId ?? subjectKeyId(certificate) ?? new Uint8Array(20)),
  ]
  const tbs = der(
    0x30,
    der(0x02, [1]),
    algorithm,
    request.issuer ?? certificate.subject,
    time(request.thisUpdate ?? issued + 2000),
    time(request.nextUpdate ?? nextUpdate + 2000),
    ...(entries.length > 0 ? [der(0x30, ...entries)] : []),
    der(0xa0, der(0x30, ...extensions)),
  )
  const signature = sign('sha256', tbs, (request.key ?? keys).privateKey)
  return der(0x30, tbs, algorithm, der(0x03, [0], signature))
}

const module = { mrsigner: '00'.repeat(48), attributes: '0000000000000000', attributesMask: 'FFFFFFFFFFFFFFFF' }
/** A world of TDX guests whose module has version 2. */
export const tdxWorld: World = {
  tcbInfo: {
    id: 'TDX',
    tdxModule: module,
    tdxModuleIdentities: [
      { ...module, id: 'TDX_02', tcbLevels: [isvLevel('UpToDate', 4), isvLevel('OutOfDate', 1, ['INTEL-SA-7'])] },
    ],
    tcbLevels: [platformLevel('UpToDate', 7, 13, undefined, [9, 9, ...Array(14).fill(1)])],
  },
  qeIdentity: { id: 'TD_QE' },
}

/** Makes the report of a TDX guest with these security versions. */
export function tdReportOf(svn: readonly number[]): (reportData: Uint8Array) => Uint8Array {
  return reportData => {
    const body = new Uint8Array(584)
    body.set(svn)
    body.set(reportData, 520)
    return body
  }
}
