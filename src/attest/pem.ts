// Certificates in PEM (RFC 7468), as quotes and PCCS answers carry them: a number of blocks that is known beforehand,
// and nothing else but line ends.
//
// Strict, because lenient readers disagree: base64 that does not come back as it was, text between the blocks, and one
// block more or less are Faults.

import { Fault, type FaultCode } from '../base/errors.ts'

const maxBytes = 65_536
const end = '-----END CERTIFICATE-----'

/**
 * DER of exactly `count` certificates, in the order in which they stand.
 * @param bytes at most 64 KiB; NULs behind the last block are ignored: quoting libraries end a C string with one
 * @param name for messages
 * @throws Fault with `code`
 */
export function readPemChain(bytes: Uint8Array, count: number, code: FaultCode, name: string): Uint8Array[] {
  if (bytes.length > maxBytes) throw new Fault(code, `${name}: ${bytes.length} bytes, want at most ${maxBytes}`)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1').replace(/\0+$/, '')
  const blocks = text.split(end)
  const behind = blocks.pop() ?? ''
  if (blocks.length !== count) {
    throw new Fault(
      code,
      `${name}: want ${words[count] ?? count} certificate${count === 1 ? '' : 's'}, got ${blocks.length}`,
    )
  }
  if (/[^\r\n]/.test(behind)) throw new Fault(code, `${name}: want nothing behind the last certificate`)
  return blocks.map(block => readBlock(block, code, name))
}

const words: Readonly<Record<number, string>> = { 1: 'one', 2: 'two', 3: 'three' }

function readBlock(block: string, code: FaultCode, name: string): Uint8Array {
  const match = /^[\r\n]*-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+)$/.exec(block)
  const der = match?.[1] === undefined ? undefined : readBase64(match[1])
  if (der === undefined) throw new Fault(code, `${name}: malformed PEM`)
  return der
}

/** Bytes of base64 with line ends in it; undefined for what is no base64, and for nothing. */
export function readBase64(text: string): Uint8Array | undefined {
  const base64 = text.replace(/[\r\n]/g, '')
  const bytes = Buffer.from(base64, 'base64')
  // Buffer.from skips what it does not like; only what comes back unchanged was base64.
  return bytes.length > 0 && bytes.toString('base64') === base64 ? new Uint8Array(bytes) : undefined
}
