// The CA's key in a file that only the same enclave can read: a path below an encrypted mount of Gramine's, which keeps what
// is written there under a key of the processor's, derived for this measurement (MRENCLAVE) or for its signer (MRSIGNER).
//
// To the process it is a path like any other, and nothing tells it whether the mount is what it should be. So two words have
// to agree, both measured: the options, and the command line, which stands in the manifest beside the mount and is
// written with it. Elsewhere nothing is read or written.
//
// Written once and never again: no version of it is older than another. What the host can do is give back a file that was
// removed, or take it away. Either changes the key that an operator sees and has to sign for.

import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Cbor, decodeFields, encodeFields } from '../base/cbor.ts'
import { describe, Fault } from '../base/errors.ts'
import { readBounded } from '../base/files.ts'
import type { KeyPlace } from '../config/provision.ts'

/** What is kept. */
export interface StoredKey {
  /** DER; for the reader to wipe. */
  readonly pkcs8: Uint8Array
  /** DER of the certificate that it gave itself. */
  readonly certificate: Uint8Array
  readonly platformSalt: Uint8Array
}

const fileName = 'ca.key'
const maxBytes = 16 * 1024
const saltBytes = 32
const cure = 'where nothing brings it back, take it away: the CA starts with a new key'

/**
 * Where the key may be kept.
 * @param sealed what the measured command line says is mounted: "mrenclave:/folder"; undefined: nothing
 * @param enclave whether this is an enclave that can be quoted
 * @returns a path; undefined: in memory alone
 * @throws Fault 'options-invalid' where the options want a file and nothing says that it would be sealed
 */
export function keyFileOf(
  place: KeyPlace | undefined,
  sealed: string | undefined,
  enclave: boolean,
): string | undefined {
  const refuse = (why: string): Fault => new Fault('options-invalid', `/key: ${why}`)
  if (place === undefined) {
    if (sealed === undefined) return undefined
    throw refuse(`want source "sealed", as the command line says that ${sealed} is mounted; or a manifest without it`)
  }
  const { folder, sealedTo, dangerPlainFile } = place
  if (dangerPlainFile) {
    if (!enclave) return join(folder, fileName)
    throw refuse('dangerPlainFile: not in an enclave; take it out')
  }
  if (!enclave) {
    throw refuse(
      `source "sealed" and this is no enclave: nothing seals ${folder} here, and the key would lie open. Run it under ` +
        'Gramine on SGX, or take source "memory"',
    )
  }
  const want = `${sealedTo}:${folder}`
  if (sealed === want) return join(folder, fileName)
  throw refuse(
    `want a manifest that mounts ${folder} encrypted and says so (--sealed ${want}), got ${sealed ?? 'nothing'}: ` +
      'npm run manifest writes one',
  )
}

/** @returns undefined where there is none yet. @throws Fault 'credential-invalid' where there is one that cannot be used */
export function readKeyFile(path: string): StoredKey | undefined {
  let bytes: Uint8Array | undefined
  try {
    bytes = readBounded(path, maxBytes, 'credential-invalid')
  } catch (error) {
    throw unusable(
      path,
      `${describe(error)}; sealed by another enclave, before an update of microcode or isvsvn, or changed`,
    )
  }
  if (bytes === undefined) return undefined
  try {
    const fields = decodeFields(bytes, 'credential-invalid')
    const [pkcs8, certificate, platformSalt] = [1, 2, 3].map(key => fields.get(key))
    if (!(pkcs8 instanceof Uint8Array && certificate instanceof Uint8Array && platformSalt instanceof Uint8Array)) {
      throw unusable(path, 'want key, certificate and salt')
    }
    if (fields.size !== 3 || platformSalt.length !== saltBytes)
      throw unusable(path, 'want three fields, a salt of 32 bytes')
    return { pkcs8: new Uint8Array(pkcs8), certificate, platformSalt }
  } catch (error) {
    throw error instanceof Fault && error.message.startsWith('key file') ? error : unusable(path, describe(error))
  } finally {
    bytes.fill(0)
  }
}

/** Never over one that is there. @throws Fault 'credential-invalid' */
export function writeKeyFile(path: string, { pkcs8, certificate, platformSalt }: StoredKey): void {
  const bytes = encodeFields(
    new Map<number, Cbor>([
      [1, pkcs8],
      [2, certificate],
      [3, platformSalt],
    ]),
  )
  try {
    const file = openSync(path, 'wx', 0o600)
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw new Fault(
      'credential-invalid',
      `key file ${path}: cannot be written (${describe(error)}): mount a volume there`,
    )
  } finally {
    bytes.fill(0)
  }
}

export function unusable(path: string, why: string): Fault {
  return new Fault('credential-invalid', `key file ${path}: ${why}; ${cure}`)
}
