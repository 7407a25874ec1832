// An ECDSA quote of version 3, 4 or 5, from bytes to fields. Layout: Intel's sgx_quote_3.h, sgx_quote_4.h,
// sgx_quote_5.h; strictness beyond Intel's verifier: certification data of type 5 only (inside type 6 from version 4
// on), nothing but zeros behind the signature data.
//
// Parsing is not verifying: nothing here says that a quote is genuine. It must never read past a length field, nor
// accept one that is larger than what is there.

import { allZero, Reader } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'
import { readReportBody, readSignedBody, reportBodyBytes } from './body.ts'
import type { Quote, QuoteSignature, SgxQuote, SignedBody } from './evidence.ts'
import { readPemChain } from './pem.ts'

const code = 'quote-malformed'
const maxBytes = 16_384
const pckChainPem = 5
const qeReportCertification = 6
// Named only to be refused by name.
const certificationTypes: ReadonlyMap<number, string> = new Map([
  [1, 'PPID in clear'],
  [2, 'PPID under RSA-2048'],
  [3, 'PPID under RSA-3072'],
  [4, 'PCK leaf alone'],
  [pckChainPem, 'PCK chain in PEM'],
  [qeReportCertification, 'QE report certification data'],
  [7, 'platform manifest'],
])

/**
 * Reads a quote.
 * @param bytes header and body, u32 length and signature data, and at most zero padding; at most 16 KiB
 * @throws Fault 'quote-malformed' that says what was wanted and what was there
 */
export function parseQuote(bytes: Uint8Array): Quote {
  if (bytes.length > maxBytes) throw new Fault(code, `quote: want at most ${maxBytes} bytes, got ${bytes.length}`)
  const reader = new Reader(bytes, code)
  const signed = readSignedBody(reader)
  const signedBytes = reader.since(0)

  const data = reader.sub(reader.u32le('signature data length'), 'signature data')
  const padding = reader.take(reader.left, 'padding')
  if (!allZero(padding)) throw new Fault(code, `quote: ${padding.length} bytes behind the signature data, not all zero`)
  return { ...signed, signedBytes, ...readSignatureData(data, signed.version) }
}

/** Reads a quote of an SGX enclave. @throws Fault 'quote-malformed', also for a quote of a TDX guest */
export function parseSgxQuote(bytes: Uint8Array): SgxQuote {
  const quote = parseQuote(bytes)
  if (quote.tee === 'sgx') return quote
  throw new Fault(code, 'quote: want one of an SGX enclave, got one of a TDX guest')
}

type SignatureData = Omit<QuoteSignature, 'signedBytes'>

function readSignatureData(data: Reader, version: SignedBody['version']): SignatureData {
  const signature = data.take(64, 'signature')
  const attestationKey = data.take(64, 'attestation key')
  // From version 4 on, everything about the Quoting Enclave is nested in certification data of its own.
  const nested = version === 3 ? data : readCertification(data, qeReportCertification)
  const certified = readCertifiedQe(nested)
  nested.end('QE report certification data')
  data.end('signature data')
  return { signature, attestationKey, ...certified }
}

function readCertifiedQe(data: Reader): Omit<SignatureData, 'signature' | 'attestationKey'> {
  const qeReportBytes = data.take(reportBodyBytes, 'QE report')
  const qeReportSignature = data.take(64, 'QE report signature')
  const qeAuthData = data.take(data.u16le('QE authentication data length'), 'QE authentication data')
  const chain = readCertification(data, pckChainPem)
  const pem = chain.take(chain.left, 'certification data')
  const [leaf, ca, root] = readPemChain(pem, 3, code, 'certification data')
  // readPemChain gave three; the compiler cannot count them.
  if (!leaf || !ca || !root) throw new Fault('internal', 'certification data: lost a certificate')
  return {
    qeReportBytes,
    qeReport: readReportBody(qeReportBytes),
    qeReportSignature,
    qeAuthData,
    pckChain: [leaf, ca, root],
  }
}

/** A reader over the value of certification data, which must be of this type. */
function readCertification(data: Reader, want: number): Reader {
  const type = data.u16le('certification data type')
  if (type !== want) {
    const name = (of: number) => `${of} (${certificationTypes.get(of) ?? 'unknown'})`
    throw new Fault(code, `certification data: want type ${name(want)}, got ${name(type)}`)
  }
  return data.sub(data.u32le('certification data length'), 'certification data')
}
