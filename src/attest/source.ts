// Where this enclave's own quotes come from: the files that Gramine puts under /dev/attestation.
//
// Those files hold one state per process, and the quote itself is handed over by the host, who can hand over any other:
// report data is written and the quote read in one synchronous section, so no second caller comes between; then what
// came back is compared with what was asked. Never await inside that section. Rules: Gramine manual, "Attestation and
// secret provisioning".

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { equalBytes } from '../base/bytes.ts'
import { describe, Fault } from '../base/errors.ts'
import type { ReportData } from './bind.ts'
import type { QuoteSource } from './evidence.ts'
import { parseSgxQuote } from './quote.ts'

const gramineFolder = '/dev/attestation'
const code = 'tee-unavailable'
const measurementBytes = 32
const targetInfoBytes = 512
const maxQuoteBytes = 8192

/** True inside an enclave that can be quoted: Gramine says `dcap` there, and `none` or nothing elsewhere. */
export function realTeePresent(folder: string = gramineFolder): boolean {
  try {
    return attestationType(folder) === 'dcap'
  } catch {
    return false
  }
}

/**
 * The quote source of this enclave.
 * @param folder Gramine's, or one that stands in for it
 * @throws Fault 'tee-unavailable' where there is no DCAP attestation
 */
export function openQuoteSource(folder: string = gramineFolder): QuoteSource {
  const type = guarded('attestation_type', () => attestationType(folder))
  if (type !== 'dcap') throw new Fault(code, `attestation_type: want dcap, got ${JSON.stringify(type.slice(0, 16))}`)
  const info = guarded('my_target_info', () => readFileSync(join(folder, 'my_target_info')))
  if (info.length !== targetInfoBytes) {
    throw new Fault(code, `my_target_info: want ${targetInfoBytes} bytes, got ${info.length}`)
  }
  const mrenclave = new Uint8Array(info.subarray(0, measurementBytes))
  return { tee: 'sgx', synthetic: false, mrenclave, quote: async data => readQuote(folder, data, mrenclave) }
}

/** A quote source that remembers when it last gave a quote: the age of our own evidence, for a metric. */
export interface TimedQuoteSource extends QuoteSource {
  /** Milliseconds since the epoch; undefined before the first quote. A quote that was refused does not count. */
  quotedAt(): number | undefined
}

/** @param now milliseconds since the epoch */
export function timedQuoteSource(source: QuoteSource, now: () => number): TimedQuoteSource {
  let quotedAt: number | undefined
  return {
    tee: source.tee,
    synthetic: source.synthetic,
    mrenclave: source.mrenclave,
    async quote(data) {
      const quote = await source.quote(data)
      quotedAt = now()
      return quote
    },
    quotedAt: () => quotedAt,
  }
}

function readQuote(folder: string, data: ReportData, mrenclave: Uint8Array): Uint8Array {
  // From here to the comparison: no await, so no other quote of this process is under way.
  guarded('user_report_data', () => writeAtOnce(join(folder, 'user_report_data'), data))
  const bytes = new Uint8Array(guarded('quote', () => readFileSync(join(folder, 'quote'))))
  if (bytes.length > maxQuoteBytes) {
    throw new Fault(code, `quote: want at most ${maxQuoteBytes} bytes, got ${bytes.length}`)
  }
  const { body } = guarded('quote', () => parseSgxQuote(bytes))
  if (!equalBytes(body.reportData, data)) throw new Fault(code, 'quote: made for other report data')
  if (!equalBytes(body.mrenclave, mrenclave)) throw new Fault(code, 'quote: made for another enclave')
  return bytes
}

/** One write call for all 64 bytes: each write replaces the whole, and a short one would be padded with zeros. */
function writeAtOnce(path: string, data: Uint8Array): void {
  const file = openSync(path, 'w')
  try {
    const written = writeSync(file, data)
    if (written !== data.length) throw new Fault(code, `user_report_data: ${written} of ${data.length} bytes written`)
  } finally {
    closeSync(file)
  }
}

function attestationType(folder: string): string {
  return readFileSync(join(folder, 'attestation_type'), 'latin1')
}

function guarded<T>(name: string, run: () => T): T {
  try {
    return run()
  } catch (cause) {
    throw new Fault(code, `${name}: ${describe(cause)}`, { cause })
  }
}
