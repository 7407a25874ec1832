// The synthetic TEE of tests and demo: an Intel-shaped certificate authority and a Quoting Enclave made small, which sign
// quotes of the real format. With it every byte of evidence code runs where there is no SGX.
//
// The keys below are public and worthless: whoever reads this file can sign what he likes, and that is why each name says
// SYNTHETIC, why the claims of such quotes say synthetic, and why no rule accepts them unless it says
// dangerAcceptSynthetic. Never in the enclave bundle. Layout: Intel's sgx_quote_3.h.

import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { QuoteSource } from '../attest/evidence.ts'
import { concat, fromHex } from '../base/bytes.ts'

/** Root of the synthetic PKI; fixed, so that separate processes agree. */
export const syntheticRootPem = `-----BEGIN CERTIFICATE-----
MIIBizCCATGgAwIBAgIBATAKBggqhkjOPQQDAjA7MSowKAYDVQQDEyFTWU5USEVU
SUMgU0dYIFJvb3QgQ0EgKG5vdCBJbnRlbCkxDTALBgNVBAoTBFRlc3QwHhcNMjAw
MTAxMDAwMDAwWhcNNDkxMjMxMjM1OTU5WjA7MSowKAYDVQQDEyFTWU5USEVUSUMg
U0dYIFJvb3QgQ0EgKG5vdCBJbnRlbCkxDTALBgNVBAoTBFRlc3QwWTATBgcqhkjO
PQIBBggqhkjOPQMBBwNCAAR+KmueIJP1Gl4pz86lLnHOB6oMRO2gNIw7c9PCSxEA
6jT4N0stN04zkWmH6IBO2I8W5SDrg42TQIc5QQb3feycoyYwJDASBgNVHRMBAf8E
CDAGAQH/AgEBMA4GA1UdDwEB/wQEAwICBDAKBggqhkjOPQQDAgNIADBFAiBmTjiT
YorhhH6HhWtJrlQWGvKfrsqUBusZ2KqSiHfiVQIhAPVE+q3XSYExMYECC+wcRkwr
QgwFvCcdec0q1aiT627d
-----END CERTIFICATE-----
`

/** Key of the root, to issue further certificates with. Public and worthless. */
export const syntheticRootKeyPem = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgsrsO8cllKU7z1nXk
mXRdSZ6I/dnirFNyMM9I/8QY67ihRANCAAR+KmueIJP1Gl4pz86lLnHOB6oMRO2g
NIw7c9PCSxEA6jT4N0stN04zkWmH6IBO2I8W5SDrg42TQIc5QQb3feyc
-----END PRIVATE KEY-----
`

const caPem = `-----BEGIN CERTIFICATE-----
MIIBkzCCATmgAwIBAgIBATAKBggqhkjOPQQDAjA7MSowKAYDVQQDEyFTWU5USEVU
SUMgU0dYIFJvb3QgQ0EgKG5vdCBJbnRlbCkxDTALBgNVBAoTBFRlc3QwHhcNMjAw
MTAxMDAwMDAwWhcNNDkxMjMxMjM1OTU5WjBDMTIwMAYDVQQDEylTWU5USEVUSUMg
U0dYIFBDSyBQbGF0Zm9ybSBDQSAobm90IEludGVsKTENMAsGA1UEChMEVGVzdDBZ
MBMGByqGSM49AgEGCCqGSM49AwEHA0IABK8OU9QShQ8v/OPn8Csg67oE/zxmljKR
ip5s96Kz2kWp6WmSbFFu24RhAFZud54yiwh/646OKZwu/iWtSDarMPijJjAkMBIG
A1UdEwEB/wQIMAYBAf8CAQAwDgYDVR0PAQH/BAQDAgIEMAoGCCqGSM49BAMCA0gA
MEUCIHwx2qBEWGRJIfyakOsZ2DHQkZtJ+XGDOgm6U5Pg4GLqAiEA/b5B//zIyXS7
KTNlvMiWSPDsXBLER7/pRcHG141TVcU=
-----END CERTIFICATE-----
`

const leafPem = `-----BEGIN CERTIFICATE-----
MIID1TCCA3ygAwIBAgIBATAKBggqhkjOPQQDAjBDMTIwMAYDVQQDEylTWU5USEVU
SUMgU0dYIFBDSyBQbGF0Zm9ybSBDQSAobm90IEludGVsKTENMAsGA1UEChMEVGVz
dDAeFw0yMDAxMDEwMDAwMDBaFw00OTEyMzEyMzU5NTlaMEMxMjAwBgNVBAMTKVNZ
TlRIRVRJQyBTR1ggUENLIENlcnRpZmljYXRlIChub3QgSW50ZWwpMQ0wCwYDVQQK
EwRUZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEUs7Ssk+jLPHPe2ZmI8o9
OHY5A75xAGHKCqIa0kfqZ5zckeJiRT8hRya5nzccwfDoqjzt6gva7nL4loNlzrRo
oaOCAl8wggJbMAwGA1UdEwEB/wQCMAAwDgYDVR0PAQH/BAQDAgeAMIICOQYJKoZI
hvhNAQ0BBIICKjCCAiYwHgYKKoZIhvhNAQ0BAQQQUFBQUFBQUFBQUFBQUFBQUDCC
AWMGCiqGSIb4TQENAQIwggFTMBAGCyqGSIb4TQENAQIBAgEHMBAGCyqGSIb4TQEN
AQICAgEHMBAGCyqGSIb4TQENAQIDAgEHMBAGCyqGSIb4TQENAQIEAgEHMBAGCyqG
SIb4TQENAQIFAgEHMBAGCyqGSIb4TQENAQIGAgEHMBAGCyqGSIb4TQENAQIHAgEH
MBAGCyqGSIb4TQENAQIIAgEHMBAGCyqGSIb4TQENAQIJAgEAMBAGCyqGSIb4TQEN
AQIKAgEAMBAGCyqGSIb4TQENAQILAgEAMBAGCyqGSIb4TQENAQIMAgEAMBAGCyqG
SIb4TQENAQINAgEAMBAGCyqGSIb4TQENAQIOAgEAMBAGCyqGSIb4TQENAQIPAgEA
MBAGCyqGSIb4TQENAQIQAgEAMBAGCyqGSIb4TQENAQIRAgENMB8GCyqGSIb4TQEN
AQISBBAHBwcHBwcHBwAAAAAAAAAAMBAGCiqGSIb4TQENAQMEAgAAMBQGCiqGSIb4
TQENAQQEBl9fXwAAADAPBgoqhkiG+E0BDQEFCgEBMB4GCiqGSIb4TQENAQYEEElJ
SUlJSUlJSUlJSUlJSUkwRAYKKoZIhvhNAQ0BBzA2MBAGCyqGSIb4TQENAQcBAQH/
MBAGCyqGSIb4TQENAQcCAQH/MBAGCyqGSIb4TQENAQcDAQH/MAoGCCqGSM49BAMC
A0cAMEQCIEVjmjtofmAAccTGaYcBDsYdFjj9ZH2ruKLTi2VRQvAQAiBYVktvmPM1
gago+rVdor7bi9OPiLP9eW+kTcN9ZxVQ6A==
-----END CERTIFICATE-----
`

const leafKeyPem = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvaSLZcSPf0eEg86A
gN0di7LF6ko8qau2diCSJ2jX41OhRANCAARSztKyT6Ms8c97ZmYjyj04djkDvnEA
YcoKohrSR+pnnNyR4mJFPyFHJrmfNxzB8OiqPO3qC9rucviWg2XOtGih
-----END PRIVATE KEY-----
`

/** A machine: DER of its PCK leaf, PCK CA and root, and the leaf's private key. */
export interface SyntheticPlatform {
  readonly chain: readonly [leaf: Uint8Array, ca: Uint8Array, root: Uint8Array]
  readonly key: KeyObject
}

export interface SyntheticTeeOptions {
  /** 32 bytes. */
  readonly mrenclave: Uint8Array
  /** 32 bytes. */
  readonly mrsigner: Uint8Array
  readonly isvProdId: number
  readonly isvSvn: number
  readonly debug?: boolean
  /** Attribute flags; INIT and MODE64 where absent, and DEBUG as `debug` says. */
  readonly flags?: bigint
  /** The fixed one where absent. */
  readonly platform?: SyntheticPlatform
  /** 32 bytes where absent, as Intel's Quoting Enclave has it. */
  readonly qeAuthData?: Uint8Array
  /** Instead of the hash that binds the attestation key: a Quoting Enclave that vouches for something else. */
  readonly qeReportData?: Uint8Array
  /** Zero bytes behind the quote, as some platforms append. */
  readonly padding?: number
  /** Of the quote; 3 where absent, as Gramine's are. */
  readonly version?: 3 | 4 | 5
  /** A Quoting Enclave other than the usual one. */
  readonly qe?: {
    readonly isvSvn?: number
    readonly isvProdId?: number
    readonly mrsigner?: Uint8Array
    readonly flags?: bigint
  }
  /** Makes quotes of a TDX guest: its report body (584 or 648 bytes) for some report data. */
  readonly tdReport?: (reportData: Uint8Array) => Uint8Array
}

const flag = { init: 0x01n, debug: 0x02n, mode64: 0x04n, provisionKey: 0x10n } as const
const intelQeVendor = fromHex('939a7233f79c4ca9940a0db3957f0607') ?? new Uint8Array()
const qeMeasurement = measurement('SYNTHETIC quoting enclave')
/** What signs the synthetic Quoting Enclave. */
export const syntheticQeSigner: Uint8Array = measurement('SYNTHETIC quoting enclave signer')
const pckChainPem = 5
const qeReportCertification = 6

/** DER of syntheticRootPem: the trust anchor for what makeSyntheticTee signs. */
export const syntheticRoot: Uint8Array = derOf(syntheticRootPem)

/** The fixed machine. */
export function syntheticPlatform(): SyntheticPlatform {
  return { chain: [derOf(leafPem), derOf(caPem), syntheticRoot], key: createPrivateKey(leafKeyPem) }
}

/**
 * A quote source of an enclave that does not exist.
 * @returns quotes of the size of real ones; a fresh attestation key for each call of this function
 */
export function makeSyntheticTee(options: SyntheticTeeOptions): QuoteSource {
  const platform = options.platform ?? syntheticPlatform()
  const attestation = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const attestationKey = attestation.publicKey.export({ type: 'spki', format: 'der' }).subarray(-64)
  const auth = options.qeAuthData ?? Uint8Array.from({ length: 32 }, (_, i) => i)
  const binding = createHash('sha256').update(attestationKey).update(auth).digest()
  const qeReport = reportBody({
    mrenclave: qeMeasurement,
    mrsigner: options.qe?.mrsigner ?? syntheticQeSigner,
    isvProdId: options.qe?.isvProdId ?? 1,
    isvSvn: options.qe?.isvSvn ?? 8,
    flags: options.qe?.flags ?? flag.init | flag.mode64 | flag.provisionKey,
    reportData: options.qeReportData ?? concat(binding, new Uint8Array(32)),
  })
  const chain = concat(...platform.chain.map(pemOf), Uint8Array.of(0))
  const version = options.version ?? 3
  const aboutQe = concat(
    qeReport,
    rawSignature(qeReport, platform.key),
    concat(u16(auth.length), auth),
    concat(u16(pckChainPem), u32(chain.length), chain),
  )
  // From version 4 on, certification data nests what is about the Quoting Enclave.
  const certified = version === 3 ? aboutQe : concat(u16(qeReportCertification), u32(aboutQe.length), aboutQe)
  const flags = (options.flags ?? flag.init | flag.mode64) | (options.debug ? flag.debug : 0n)
  const padding = new Uint8Array(options.padding ?? 0)
  return {
    tee: 'sgx',
    synthetic: true,
    mrenclave: new Uint8Array(options.mrenclave),
    async quote(reportData) {
      const body = options.tdReport?.(reportData) ?? reportBody({ ...options, flags, reportData })
      const signed = concat(header(version, options.tdReport ? 'tdx' : 'sgx'), descriptor(version, body), body)
      const data = concat(rawSignature(signed, attestation.privateKey), attestationKey, certified)
      return concat(signed, u32(data.length), data, padding)
    },
  }
}

/** 32 bytes that stand for a measurement: SHA-256 of a name. */
export function measurement(name: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(name).digest())
}

interface Body {
  readonly mrenclave: Uint8Array
  readonly mrsigner: Uint8Array
  readonly isvProdId: number
  readonly isvSvn: number
  readonly flags: bigint
  readonly reportData: Uint8Array
}

function reportBody(body: Body): Uint8Array {
  const bytes = new Uint8Array(384)
  const view = new DataView(bytes.buffer)
  bytes.fill(7, 0, 8) // cpu svn: the components that the PCK leaf names
  view.setBigUint64(48, body.flags, true)
  view.setBigUint64(56, 0xe7n, true)
  bytes.set(body.mrenclave, 64)
  bytes.set(body.mrsigner, 128)
  view.setUint16(256, body.isvProdId, true)
  view.setUint16(258, body.isvSvn, true)
  bytes.set(body.reportData, 320)
  return bytes
}

function header(version: number, tee: 'sgx' | 'tdx'): Uint8Array {
  // Version, key type 2 (ECDSA P-256), TEE type, svn of QE and PCE, vendor, platform id.
  const teeType = tee === 'sgx' ? 0 : 0x81
  return concat(u16(version), u16(2), u32(teeType), u16(8), u16(13), intelQeVendor, new Uint8Array(20))
}

/** Version 5 says of which kind its body is, and how long; each kind has a length of its own. */
function descriptor(version: number, body: Uint8Array): Uint8Array {
  const type = body.length === 384 ? 1 : body.length === 584 ? 2 : 3
  return version === 5 ? concat(u16(type), u32(body.length)) : new Uint8Array()
}

function rawSignature(bytes: Uint8Array, key: KeyObject): Uint8Array {
  return sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' })
}

function u16(value: number): Uint8Array {
  const bytes = new Uint8Array(2)
  new DataView(bytes.buffer).setUint16(0, value, true)
  return bytes
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}

function derOf(pem: string): Uint8Array {
  return new Uint8Array(Buffer.from(pem.replace(/-----[A-Z ]+-----/g, ''), 'base64'))
}

function pemOf(der: Uint8Array): Uint8Array {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return Buffer.from(`-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`)
}
