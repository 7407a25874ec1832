// SIGSTRUCT: what the author of an enclave signs, and what the processor checks before it runs one. 1,808 bytes, beside
// the manifest as its `.sig`. It holds the measurement long before any quote does, so it is what a release publishes.
// Layout and checks: Intel SDM volume 3D, "SIGSTRUCT" and EINIT; facts about the fields are in their order below.
//
// Everything in it is checked that the processor would check, so that no byte can be changed unnoticed.

import { createHash, createPublicKey, verify } from 'node:crypto'
import { allZero, concat, Reader, toHex } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'

export const sigstructBytes = 1808
const keyBytes = 384
const malformed = 'sigstruct-malformed'
const unverified = 'sigstruct-unverified'
const header1 = '06000000e10000000000010000000000'
const header2 = '01010000600000006000000001000000'
const intelVendor = 0x8086

/** A value, and which of its bits the enclave's must equal. */
export interface Masked<T> {
  readonly value: T
  readonly mask: T
}

export interface Sigstruct {
  readonly vendor: 'Intel' | 'other'
  /** Day of signing as `2026-03-01`; `0000-00-00` where a reproducible build leaves it out. */
  readonly date: string
  /** The author's own number. */
  readonly swDefined: number
  readonly miscSelect: Masked<number>
  readonly cetAttributes: Masked<number>
  readonly attributes: { readonly flags: Masked<bigint>; readonly xfrm: Masked<bigint> }
  readonly isvFamilyId: Uint8Array
  readonly isvExtProdId: Uint8Array
  readonly isvProdId: number
  readonly isvSvn: number
  /** 32 bytes. */
  readonly mrenclave: Uint8Array
  /** SHA-256 of the modulus in little-endian, 32 bytes. */
  readonly mrsigner: Uint8Array
}

/**
 * Reads a SIGSTRUCT and verifies its signature. Whose signature it is, is for the caller: anybody can sign.
 * @throws Fault 'sigstruct-malformed' for what is no SIGSTRUCT, 'sigstruct-unverified' where the signature does not hold
 */
export function readSigstruct(bytes: Uint8Array): Sigstruct {
  if (bytes.length !== sigstructBytes) throw unwanted('SIGSTRUCT', `${sigstructBytes} bytes`, bytes.length)
  const reader = new Reader(bytes, malformed)
  constant(reader, header1, 'header')
  const vendor = readVendor(reader)
  const date = readDate(reader)
  constant(reader, header2, 'header2')
  const swDefined = reader.u32le('sw defined')
  zeros(reader, 84)
  const head = reader.since(0)
  const modulus = reader.take(keyBytes, 'modulus')
  const exponent = reader.u32le('exponent')
  if (exponent !== 3) throw unwanted('exponent', '3', exponent)
  const signature = reader.take(keyBytes, 'signature')
  const bodyAt = reader.at
  const miscSelect = { value: reader.u32le('misc select'), mask: reader.u32le('misc mask') }
  const cetAttributes = { value: reader.u8('cet attributes'), mask: reader.u8('cet mask') }
  zeros(reader, 2)
  const isvFamilyId = reader.take(16, 'isv family id')
  const [flags, xfrm] = [reader.u64le('attribute flags'), reader.u64le('attribute xfrm')]
  const [flagsMask, xfrmMask] = [reader.u64le('attribute flags mask'), reader.u64le('attribute xfrm mask')]
  const mrenclave = reader.take(32, 'enclave hash')
  zeros(reader, 16)
  const isvExtProdId = reader.take(16, 'isv ext prod id')
  const isvProdId = reader.u16le('isv prod id')
  const isvSvn = reader.u16le('isv svn')
  const body = reader.since(bodyAt)
  zeros(reader, 12)
  const q1 = reader.take(keyBytes, 'q1')
  const q2 = reader.take(keyBytes, 'q2')
  reader.end('SIGSTRUCT')

  verifySignature(concat(head, body), modulus, signature)
  verifyQuotients(littleEndian(modulus), littleEndian(signature), littleEndian(q1), littleEndian(q2))
  return {
    vendor,
    date,
    swDefined,
    miscSelect,
    cetAttributes,
    attributes: { flags: { value: flags, mask: flagsMask }, xfrm: { value: xfrm, mask: xfrmMask } },
    isvFamilyId,
    isvExtProdId,
    isvProdId,
    isvSvn,
    mrenclave,
    mrsigner: new Uint8Array(createHash('sha256').update(modulus).digest()),
  }
}

/** RSA-3072, exponent 3, PKCS #1 v1.5 with SHA-256; all numbers are little-endian. */
function verifySignature(signed: Uint8Array, modulus: Uint8Array, signature: Uint8Array): void {
  // The top bit makes it a key of 3072 bits, so that no shorter number passes for one; a product of primes is odd.
  if (((modulus[keyBytes - 1] ?? 0) & 0x80) === 0 || ((modulus[0] ?? 0) & 1) === 0) {
    throw unwanted('modulus', 'an odd number of 3072 bits', 'another')
  }
  const n = Buffer.from(modulus).reverse().toString('base64url')
  const key = createPublicKey({ key: { kty: 'RSA', n, e: 'Aw' }, format: 'jwk' })
  if (!verify('sha256', signed, key, Buffer.from(signature).reverse())) {
    throw new Fault(unverified, 'signature: does not verify with the key beside it')
  }
}

/** Help for the processor's long division: q1 = ⌊s² / m⌋, q2 = ⌊s · (s² mod m) / m⌋. EINIT fails with any others. */
function verifyQuotients(m: bigint, s: bigint, q1: bigint, q2: bigint): void {
  const square = s * s
  if (q1 !== square / m) throw new Fault(unverified, 'q1: not the quotient that goes with the signature')
  if (q2 !== ((square % m) * s) / m) throw new Fault(unverified, 'q2: not the quotient that goes with the signature')
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
}

function readVendor(reader: Reader): Sigstruct['vendor'] {
  const vendor = reader.u32le('vendor')
  if (vendor !== 0 && vendor !== intelVendor) throw unwanted('vendor', '0 or 0x8086', `0x${vendor.toString(16)}`)
  return vendor === 0 ? 'other' : 'Intel'
}

/** Four bytes that, read as hex from the last one, spell the date. */
function readDate(reader: Reader): string {
  const digits = reader.u32le('date').toString(16).padStart(8, '0')
  if (!/^[0-9]{8}$/.test(digits)) throw unwanted('date', 'a date in decimal digits', digits)
  return `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`
}

function constant(reader: Reader, want: string, name: string): void {
  const got = toHex(reader.take(want.length / 2, name))
  if (got !== want) throw unwanted(name, want, got)
}

function zeros(reader: Reader, length: number): void {
  const at = reader.at
  if (!allZero(reader.take(length, 'reserved'))) throw unwanted(`reserved bytes at ${at}`, 'zeros', 'others')
}

function unwanted(name: string, want: string, got: string | number): Fault {
  return new Fault(malformed, `${name}: want ${want}, got ${got}`)
}
