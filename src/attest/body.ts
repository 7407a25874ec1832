// The part of a quote that the attestation key signs: header and report body, of an SGX enclave or a TDX guest. Layouts:
// Intel's sgx_quote_3.h, sgx_quote_4.h, sgx_quote_5.h and sgx_report.h; facts about them are in field order below.
//
// One function reads these bytes when a quote is parsed and again when its signature was checked, so that claims can
// come from no other bytes than the signed ones.

import { Reader, toHex } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'
import type { ReportBody, SignedBody, TdReportBody } from './evidence.ts'

const code = 'quote-malformed'
export const headerBytes = 48
export const reportBodyBytes = 384
const tdReportBytes = 584
const tdReport15Bytes = 648
const ecdsaP256 = 2
const intelQeVendor = '939a7233f79c4ca9940a0db3957f0607'
const tees: ReadonlyMap<number, SignedBody['tee']> = new Map([
  [0x00, 'sgx'],
  [0x81, 'tdx'],
])
// Version 5 says of which kind its body is, and how long it is.
const bodyTypes: ReadonlyMap<number, { readonly tee: SignedBody['tee']; readonly bytes: number }> = new Map([
  [1, { tee: 'sgx', bytes: reportBodyBytes }],
  [2, { tee: 'tdx', bytes: tdReportBytes }],
  [3, { tee: 'tdx', bytes: tdReport15Bytes }],
])

/**
 * Reads header and body, and leaves the reader behind them: 432 bytes of an SGX quote of version 3 or 4, 632 of a TDX
 * quote of version 4, 6 more than header and body in version 5.
 * @throws Fault 'quote-malformed'
 */
export function readSignedBody(reader: Reader): SignedBody {
  const header = reader.sub(headerBytes, 'header')
  const version = header.u16le('version')
  if (version !== 3 && version !== 4 && version !== 5) throw unwanted('quote version', '3, 4 or 5', version)
  const keyType = header.u16le('attestation key type')
  if (keyType !== ecdsaP256) throw unwanted('attestation key type', ecdsaP256, keyType)
  const teeType = header.u32le('tee type')
  const tee = tees.get(teeType)
  if (tee === undefined) throw unwanted('tee type', '0 (SGX) or 129 (TDX)', teeType)
  header.sub(4, 'QE and PCE svn')
  const vendor = toHex(header.take(16, 'QE vendor id'))
  if (vendor !== intelQeVendor) throw new Fault(code, `QE vendor id: want Intel's, got ${vendor}`)

  const bytes = version === 5 ? readDescriptor(reader, tee) : tee === 'sgx' ? reportBodyBytes : tdReportBytes
  if (tee === 'sgx') return { version, tee, body: readReportBody(reader.sub(bytes, 'report body')) }
  if (version === 3) throw unwanted('tee type', '0 (SGX), as the version is 3', teeType)
  return { version, tee, body: readTdReportBody(reader.sub(bytes, 'TD report body')) }
}

/** @returns how long the body is */
function readDescriptor(reader: Reader, tee: SignedBody['tee']): number {
  const type = reader.u16le('body type')
  const bytes = reader.u32le('body length')
  const form = bodyTypes.get(type)
  if (form?.tee !== tee) throw unwanted('body type', `one of ${tee}`, type)
  if (bytes !== form.bytes) throw unwanted('body length', form.bytes, bytes)
  return bytes
}

function unwanted(name: string, want: string | number, got: number): Fault {
  return new Fault(code, `${name}: want ${want}, got ${got}`)
}

/** A report body, 384 bytes: an enclave's or the Quoting Enclave's. @throws Fault 'quote-malformed' */
export function readReportBody(bytes: Uint8Array | Reader): ReportBody {
  const body = bytes instanceof Reader ? bytes : new Reader(bytes, code)
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

/** A TDX guest's report body. Its length was checked: what is behind the report data is version 1.5. */
function readTdReportBody(body: Reader): TdReportBody {
  const teeTcbSvn = body.take(16, 'tee tcb svn')
  const mrSeam = body.take(48, 'mr seam')
  const mrSignerSeam = body.take(48, 'mrsigner seam')
  const seamAttributes = body.u64le('seam attributes')
  const tdAttributes = body.u64le('td attributes')
  const xfam = body.u64le('xfam')
  const mrTd = body.take(48, 'mr td')
  const mrConfigId = body.take(48, 'mr config id')
  const mrOwner = body.take(48, 'mr owner')
  const mrOwnerConfig = body.take(48, 'mr owner config')
  const rtmrs = Array.from({ length: 4 }, () => body.take(48, 'rtmr'))
  const reportData = body.take(64, 'report data')
  const v15 =
    body.left === 0
      ? undefined
      : { teeTcbSvn2: body.take(16, 'tee tcb svn 2'), mrServiceTd: body.take(48, 'mr service td') }
  body.end('TD report body')
  return {
    teeTcbSvn,
    mrSeam,
    mrSignerSeam,
    seamAttributes,
    tdAttributes,
    xfam,
    mrTd,
    mrConfigId,
    mrOwner,
    mrOwnerConfig,
    rtmrs,
    reportData,
    v15,
  }
}
