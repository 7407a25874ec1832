// An SGX ECDSA quote of version 3, from bytes to fields. Layout: Intel's sgx_quote_3.h and sgx_report.h; strictness
// beyond Intel's verifier: certification data of type 5 only, nothing but zeros behind the signature data.
//
// Parsing is not verifying: nothing here says that a quote is genuine. It must never read past a length field, nor
// accept one that is larger than what is there.

import { allZero, Reader, toHex } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'
import type { ReportBody, SgxQuote } from './evidence.ts'

const code = 'quote-malformed'
const maxBytes = 16_384
const headerBytes = 48
const bodyBytes = 384
const signedBytes = headerBytes + bodyBytes
const ecdsaP256 = 2
const intelQeVendor = '939a7233f79c4ca9940a0db3957f0607'
const pckChainPem = 5
// Named only to be refused by name.
const certificationTypes: ReadonlyMap<number, string> = new Map([
  [1, 'PPID in clear'],
  [2, 'PPID under RSA-2048'],
  [3, 'PPID under RSA-3072'],
  [4, 'PCK leaf alone'],
  [6, 'QE report certification data'],
  [7, 'platform manifest'],
])

/**
 * Reads a quote.
 * @param bytes 436 fixed bytes, signature data, and at most zero padding; at most 16 KiB
 * @throws Fault 'quote-malformed' that says what was wanted and what was there
 */
export function parseQuote(bytes: Uint8Array): SgxQuote {
  if (bytes.length > maxBytes) throw new Fault(code, `quote: want at most ${maxBytes} bytes, got ${bytes.length}`)
  const reader = new Reader(bytes, code)
  const signed = reader.take(signedBytes, 'header and report body')
  requireHeader(signed)

  const data = reader.sub(reader.u32le('signature data length'), 'signature data')
  const padding = reader.take(reader.left, 'padding')
  if (!allZero(padding)) throw new Fault(code, `quote: ${padding.length} bytes behind the signature data, not all zero`)

  const signature = data.take(64, 'signature')
  const attestationKey = data.take(64, 'attestation key')
  const qeReportBytes = data.take(bodyBytes, 'QE report')
  const qeReportSignature = data.take(64, 'QE report signature')
  const qeAuthData = data.take(data.u16le('QE authentication data length'), 'QE authentication data')
  const type = data.u16le('certification data type')
  if (type !== pckChainPem) {
    const got = certificationTypes.get(type) ?? 'unknown'
    throw new Fault(code, `certification data: want type 5 (PCK chain in PEM), got ${type} (${got})`)
  }
  const certification = data.u32le('certification data length')
  const pckChain = readPemChain(data.take(certification, 'certification data'))
  data.end('signature data')

  return {
    version: 3,
    signedBytes: signed,
    body: readReportBody(signed.subarray(headerBytes)),
    signature,
    attestationKey,
    qeReportBytes,
    qeReport: readReportBody(qeReportBytes),
    qeReportSignature,
    qeAuthData,
    pckChain,
  }
}

/** A report body, 384 bytes: an enclave's or the Quoting Enclave's. @throws Fault 'quote-malformed' */
export function readReportBody(bytes: Uint8Array): ReportBody {
  const body = new Reader(bytes, code)
  const cpuSvn = body.take(16, 'cpu svn')
  const miscSelect = body.u32le('misc select')
  body.sub(12, 'reserved')
  const isvExtProdId = body.take(16, 'isv ext prod id')
  const flags = body.u64le('attribute flags')
  const xfrm = body.u64le('attribute xfrm')
  const mrenclave = body.take(32, 'mrenclave')
  body.sub(32, 'reserved')
  const mrsigner = body.take(32, 'mrsigner')
  body.sub(32, 'reserved')
  const configId = body.take(64, 'config id')
  const isvProdId = body.u16le('isv prod id')
  const isvSvn = body.u16le('isv svn')
  const configSvn = body.u16le('config svn')
  body.sub(42, 'reserved')
  const isvFamilyId = body.take(16, 'isv family id')
  const reportData = body.take(64, 'report data')
  body.end('report body')
  return {
    cpuSvn,
    miscSelect,
    isvExtProdId,
    attributes: { flags, xfrm },
    mrenclave,
    mrsigner,
    configId,
    isvProdId,
    isvSvn,
    configSvn,
    isvFamilyId,
    reportData,
  }
}

function requireHeader(bytes: Uint8Array): void {
  const header = new Reader(bytes, code)
  requireField(header.u16le('version'), 3, 'quote version')
  requireField(header.u16le('attestation key type'), ecdsaP256, 'attestation key type')
  requireField(header.u32le('tee type'), 0, 'tee type')
  header.sub(4, 'QE and PCE svn')
  const vendor = toHex(header.take(16, 'QE vendor id'))
  if (vendor !== intelQeVendor) throw new Fault(code, `QE vendor id: want Intel's, got ${vendor}`)
}

function requireField(got: number, want: number, name: string): void {
  if (got !== want) throw new Fault(code, `${name}: want ${want}, got ${got}`)
}

/** Three certificates and nothing else but line ends, and NULs behind the last: how quoting libraries end a C string. */
function readPemChain(bytes: Uint8Array): SgxQuote['pckChain'] {
  const text = Buffer.from(bytes).toString('latin1').replace(/\0+$/, '')
  const blocks = text.split('-----END CERTIFICATE-----')
  const behind = blocks.pop() ?? ''
  const [leaf, ca, root, ...more] = blocks.map(readPemBlock)
  if (!leaf || !ca || !root || more.length > 0) {
    throw new Fault(code, `certification data: want three certificates, got ${blocks.length}`)
  }
  if (/[^\r\n]/.test(behind)) throw new Fault(code, 'certification data: want nothing behind the third certificate')
  return [leaf, ca, root]
}

function readPemBlock(block: string): Uint8Array {
  const match = /^[\r\n]*-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+)$/.exec(block)
  const base64 = match?.[1]?.replace(/[\r\n]/g, '') ?? ''
  const der = new Uint8Array(Buffer.from(base64, 'base64'))
  // Buffer.from skips what it does not like; only what comes back unchanged was base64.
  if (der.length === 0 || Buffer.from(der).toString('base64') !== base64) {
    throw new Fault(code, 'certification data: malformed PEM')
  }
  return der
}
