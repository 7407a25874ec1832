// Evidence as text for people, in the manner of a certificate viewer: sections, labels, one fact a line. Pure.
//
// What was not verified must not look as if it had been: whoever prints it says so in the last line.

import { type Certificate, readCertificate } from '../attest/certificate.ts'
import type { Claims, Platform, Quote, Reason, ReportBody, SignedBody, TcbFacts } from '../attest/evidence.ts'
import { readPlatform } from '../attest/pck.ts'
import { toHex } from '../base/bytes.ts'

/** A label and what it says; several lines where that is a list. */
export type Row = readonly [label: string, value: string | readonly string[]]

const hexDigits = 64
const flagNames: readonly (readonly [bit: bigint, name: string])[] = [
  [0x01n, 'INIT'],
  [0x02n, 'DEBUG'],
  [0x04n, 'MODE64'],
  [0x10n, 'PROVISION_KEY'],
  [0x20n, 'EINITTOKEN_KEY'],
  [0x40n, 'CET'],
  [0x80n, 'KSS'],
  [0x400n, 'AEX_NOTIFY'],
]

/** One section: its title, and its rows indented below. */
export function section(title: string, rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([label]) => label.length)) + 1
  const lines = rows.flatMap(([label, value]) => {
    const [first = '', ...rest] = typeof value === 'string' ? [value] : value
    return [`    ${`${label}:`.padEnd(width)}  ${first}`, ...rest.map(line => `    ${' '.repeat(width)}  ${line}`)]
  })
  return `${title}\n${lines.join('\n')}\n`
}

/** Hex in lines of 32 bytes. */
export function hexLines(bytes: Uint8Array | string): string[] {
  const hex = typeof bytes === 'string' ? bytes : toHex(bytes)
  return hex.match(new RegExp(`.{1,${hexDigits}}`, 'g')) ?? ['(empty)']
}

export function dateLine(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}

/** Names of the attribute flags that are on, and bits that have no name. */
export function flagsLine(flags: bigint): string {
  const known = flagNames.filter(([bit]) => (flags & bit) !== 0n)
  const rest = known.reduce((left, [bit]) => left & ~bit, flags)
  return [...known.map(([, name]) => name), ...(rest === 0n ? [] : [`0x${rest.toString(16)}`])].join(' ') || 'none'
}

/** Header and body of a quote. @param bytes size of it all, where that is known */
export function showSigned(signed: SignedBody, bytes?: number): string {
  const tee = signed.tee === 'sgx' ? 'SGX enclave' : 'TDX guest'
  const head = section('Quote', [
    ['Version', `${signed.version}, ECDSA P-256`],
    ['Of', tee],
    ...(bytes === undefined ? [] : [['Size', `${bytes} bytes`] as const]),
  ])
  return head + (signed.tee === 'sgx' ? showEnclave('Enclave', signed.body) : showGuest(signed.body))
}

/** A report body: an enclave's or the Quoting Enclave's. */
export function showEnclave(title: string, body: ReportBody): string {
  const zero = (bytes: Uint8Array): boolean => bytes.every(byte => byte === 0)
  const kss: readonly (readonly [label: string, value: Uint8Array])[] = [
    ['Ext. product id', body.isvExtProdId],
    ['Family id', body.isvFamilyId],
    ['Config id', body.configId],
  ]
  return section(title, [
    ['MRENCLAVE', toHex(body.mrenclave)],
    ['MRSIGNER', toHex(body.mrsigner)],
    ['Product', `${body.isvProdId}, security version ${body.isvSvn}`],
    ['Attributes', `${flagsLine(body.attributes.flags)}, xfrm 0x${body.attributes.xfrm.toString(16)}`],
    ['Misc select', `0x${body.miscSelect.toString(16)}`],
    ['CPU svn', toHex(body.cpuSvn)],
    ...kss.filter(([, value]) => !zero(value)).map(([label, value]) => [label, hexLines(value)] as const),
    ...(body.configSvn === 0 ? [] : [['Config svn', String(body.configSvn)] as const]),
    ['Report data', hexLines(body.reportData)],
  ])
}

function showGuest(body: Extract<SignedBody, { readonly tee: 'tdx' }>['body']): string {
  return section('Guest', [
    ['MRTD', hexLines(body.mrTd)],
    ...body.rtmrs.map((rtmr, i) => [`RTMR${i}`, hexLines(rtmr)] as const),
    ['TCB svn', toHex(body.teeTcbSvn)],
    ['Attributes', `0x${body.tdAttributes.toString(16)}, xfam 0x${body.xfam.toString(16)}`],
    ['Report data', hexLines(body.reportData)],
  ])
}

/** The machine, by its PCK certificate. */
export function showPlatform(platform: Platform): string {
  const { configuration, components } = platform
  const on = configuration && Object.entries(configuration).filter(([, value]) => value)
  return section('Platform', [
    ['FMSPC', platform.fmspc],
    ['PPID', platform.ppid],
    ['Instance', platform.piid ?? 'none named'],
    ['SGX type', platform.sgxType],
    ['TCB', `${components.join(' ')}, PCE ${platform.pceSvn}`],
    ['PCE id', platform.pceId],
    ['Configuration', on === undefined ? 'none named' : on.map(([name]) => name).join(', ') || 'nothing on'],
  ])
}

/** The three certificates of a quote. */
export function showChain(chain: Quote['pckChain']): string {
  const rows = chain.map(readCertificate).map((certificate: Certificate): Row => {
    const dates = `${dateLine(certificate.notBefore)} to ${dateLine(certificate.notAfter)}`
    return [certificate.commonName ?? 'unnamed', [`serial ${certificate.serial}`, dates]]
  })
  return section('PCK chain', rows)
}

/** A parsed quote, everything in it. @throws Fault where its certificates cannot be read */
export function showQuote(quote: Quote, bytes: number): string {
  const platform = readPlatform(readCertificate(quote.pckChain[0]))
  return [
    showSigned(quote, bytes),
    showEnclave('Quoting Enclave', quote.qeReport),
    showPlatform(platform),
    showChain(quote.pckChain),
  ].join('')
}

/** What verification found. */
export function showClaims(claims: Claims): string {
  const { tcb, window } = claims
  return section('Verdict', [
    ['TCB status', claims.tcbStatus],
    ...(tcb ? tcbRows(tcb) : []),
    ['Holds', `${dateLine(window.from)} to ${dateLine(window.until)}`],
    ...(claims.synthetic ? [['Root', 'SYNTHETIC, no hardware stands behind this'] as const] : []),
  ])
}

/** Four names a line. */
function inLines(names: readonly string[]): string[] {
  return names.flatMap((_, i) => (i % 4 === 0 ? [names.slice(i, i + 4).join(' ')] : []))
}

function tcbRows(tcb: TcbFacts): Row[] {
  const { evaluationDataNumber, crlNumber } = tcb
  return [
    ['Platform', tcb.platformStatus],
    ['Quoting Enclave', tcb.qeStatus],
    ['Advisories', tcb.advisoryIds.length > 0 ? inLines(tcb.advisoryIds) : 'none'],
    ['TCB date', dateLine(tcb.tcbDate)],
    ['Evaluation', `TCB info ${evaluationDataNumber.tcbInfo}, QE identity ${evaluationDataNumber.qeIdentity}`],
    ['CRL numbers', `root ${crlNumber.root}, PCK ${crlNumber.pck}`],
    ['Issued', dateLine(tcb.issuedAt)],
  ]
}

/** Every reason for a refusal. */
export function showReasons(reasons: readonly Reason[]): string {
  return section(
    'Refused',
    reasons.map(({ rule, want, got }) => [rule, [`want ${want}`, `got  ${got}`]]),
  )
}
