// `postern quote inspect FILE`: what a quote says. Nothing is verified, and the last line says so.

import { readCertificate } from '../attest/certificate.ts'
import type { Quote } from '../attest/evidence.ts'
import { readPlatform } from '../attest/pck.ts'
import { parseQuote } from '../attest/quote.ts'
import { toHex } from '../base/bytes.ts'
import type { Parsed } from './args.ts'
import type { Io } from './io.ts'
import { showQuote } from './show.ts'
import { readFile, readSubject } from './subject.ts'

/** @returns 0; a quote that cannot be read is a Fault */
export function inspectQuote({ positionals, values }: Parsed, io: Io): number {
  const { quote: bytes } = readSubject(readFile(positionals[0] ?? '', io))
  const quote = parseQuote(bytes)
  if (values['json'] === true) io.write(`${JSON.stringify(plain(quote), undefined, 2)}\n`)
  else io.write(`${showQuote(quote, bytes.length)}\nNot verified: anybody can write this.\n`)
  return 0
}

function plain(quote: Quote): object {
  const leaf = readCertificate(quote.pckChain[0])
  return {
    verified: false,
    version: quote.version,
    tee: quote.tee,
    body: readable(quote.body),
    quotingEnclave: readable(quote.qeReport),
    platform: readPlatform(leaf),
    pckSerial: leaf.serial,
  }
}

/** Bytes and large numbers as hex. */
function readable(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value)
  if (typeof value === 'bigint') return `0x${value.toString(16)}`
  if (Array.isArray(value)) return value.map(readable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, readable(each)]))
}
