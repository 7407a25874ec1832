// What the attesting CA found about whom it certified, in the certificate, so that others can match it: role, policy,
// measurement, machine. One line of text (UTF8String), which Vault and OpenBao can compare as it is.
//
// The identifier's arcs stay below 2^31. Below 2.25 a UUID is one arc of 128 bits, for which Go refuses the whole
// certificate ("malformed extension OID field") and other libraries write something else.

import { DerReader, tag } from '../base/der.ts'
import { Fault } from '../base/errors.ts'
import { type Role, roles } from './bind.ts'
import type { Certificate } from './certificate.ts'

/** Below Microsoft's arc for identifiers made of a UUID: ours in five numbers of 16 bits and two of 24, then 1. */
export const bindingOid = '1.2.840.113556.1.8000.2554.53973.65426.60595.17483.37199.3477246.7037541.1'

export interface Binding {
  readonly role: Role
  /** SHA-256 of the policy in force, lower-case hex. */
  readonly policyDigest: string
  readonly tee: 'sgx'
  /** Lower-case hex. */
  readonly mrenclave: string
  /** What stands for the machine: 16 bytes that only this CA can make of its identifiers, lower-case hex. */
  readonly platform: string
  /** Of the policy's signed part; 0 where there is none. */
  readonly serial: number
}

const code = 'certificate-malformed'
const form =
  /^postern\/1 role=([a-z]+) policy=sha256:([0-9a-f]{64}) tee=sgx mrenclave=([0-9a-f]{64}) platform=([0-9a-f]{32}) serial=(0|[1-9][0-9]{0,15})$/
const shortLength = 0x80
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The extension's value. @throws Fault 'internal' where a field has not its form */
export function writeBinding({ role, policyDigest, tee, mrenclave, platform, serial }: Binding): Uint8Array {
  const text = `postern/1 role=${role} policy=sha256:${policyDigest} tee=${tee} mrenclave=${mrenclave} platform=${platform} serial=${serial}`
  if (!form.test(text)) throw new Fault('internal', 'binding: a field has not its form')
  const bytes = Buffer.from(text)
  // Always longer than 127 bytes and shorter than 256.
  return Buffer.concat([Uint8Array.of(tag.utf8String, shortLength + 1, bytes.length), bytes])
}

/**
 * What a certificate says; undefined where it says nothing. It counts as far as the certificate's issuer does.
 * @throws Fault 'certificate-malformed'
 */
export function readBinding({ extensions }: Pick<Certificate, 'extensions'>): Binding | undefined {
  const value = extensions.find(({ oid }) => oid === bindingOid)?.value
  if (value === undefined) return undefined
  const reader = new DerReader(value, code)
  const content = reader.content(tag.utf8String, 'binding')
  reader.end('binding')
  const [, role, policyDigest = '', mrenclave = '', platform = '', serial = ''] = form.exec(decoded(content)) ?? []
  const known = roles.find(each => each === role)
  if (known === undefined || !Number.isSafeInteger(Number(serial))) {
    throw new Fault(code, 'binding: want "postern/1 role=… policy=sha256:… tee=sgx mrenclave=… platform=… serial=…"')
  }
  return { role: known, policyDigest, tee: 'sgx', mrenclave, platform, serial: Number(serial) }
}

function decoded(content: Uint8Array): string {
  try {
    return utf8.decode(content)
  } catch (cause) {
    throw new Fault(code, 'binding: not UTF-8', { cause })
  }
}
