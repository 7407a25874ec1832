// What the verbs read from files: quotes in three wrappings, trust anchors, policies. Everything that is not there or not
// readable is a usage fault: the verb was called with the wrong thing.

import { type Certificate, readCertificate } from '../attest/certificate.ts'
import { readPemChain } from '../attest/pem.ts'
import { readEvidence } from '../attest/ratls.ts'
import { fromHex } from '../base/bytes.ts'
import { describe, Fault } from '../base/errors.ts'
import { loadPolicy, type Policy } from '../config/policy.ts'
import type { Peers } from '../config/policy-rules.ts'
import type { Io } from './io.ts'

/** A quote, and the certificate that it was found in. */
export interface Subject {
  readonly quote: Uint8Array
  readonly certificate: Certificate | undefined
}

/** @throws Fault 'usage' for a file that cannot be read */
export function readFile(path: string, io: Pick<Io, 'readFile'>): Uint8Array {
  try {
    return io.readFile(path)
  } catch (error) {
    throw new Fault('usage', `${path}: ${describe(error)}`, { cause: error })
  }
}

/**
 * Bytes or hex of a quote, or PEM or DER of a certificate with evidence.
 * @throws Fault of certificates and evidence
 */
export function readSubject(bytes: Uint8Array): Subject {
  const text = Buffer.from(bytes).toString('latin1')
  const hex = fromHex(text.trim())
  if (hex !== undefined && hex.length > 0) return { quote: hex, certificate: undefined }
  if (text.startsWith('-----BEGIN') || bytes[0] === 0x30) {
    const certificate = readCertificate(readDer(bytes))
    return { quote: readEvidence(certificate).quote, certificate }
  }
  return { quote: bytes, certificate: undefined }
}

/** DER of one certificate in either encoding. @throws Fault 'certificate-malformed' */
export function readDer(bytes: Uint8Array): Uint8Array {
  if (bytes[0] === 0x30) return bytes
  const [der] = readPemChain(bytes, 1, 'certificate-malformed', 'certificate')
  return der ?? bytes
}

export interface LoadedPolicy {
  readonly policy: Policy
  /** Lower-case hex. */
  readonly digest: string
}

/** @throws Fault 'policy-invalid' */
export function readPolicyOf(nameOrFile: string, io: Io): LoadedPolicy {
  const { policy, digest } = loadPolicy(nameOrFile, io.readFile, { kind: 'later' })
  return { policy, digest: Buffer.from(digest).toString('hex') }
}

/** The enclaves that a policy forwards to. @throws Fault 'usage' for a policy that judges no evidence */
export function acceptedBy({ name, upstream }: Policy): Peers {
  if (upstream.mode === 'attested') return upstream.accepted
  throw new Fault('usage', `policy ${name}: judges no evidence, as upstream.mode is "${upstream.mode}"`)
}

/** Milliseconds since the epoch. @param flag that it was given with @throws Fault 'usage' */
export function readTime(text: string, io: Io, flag = '--at'): number {
  if (text === 'now') return io.now()
  const at = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:\d\d))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN
  if (Number.isNaN(at)) throw new Fault('usage', `${flag} ${text}: want a time such as 2026-03-01T00:00:00Z, or now`)
  return at
}
