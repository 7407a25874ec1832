// Knative's mounted certificate: tls.crt and tls.key in one folder, which the kubelet replaces by swapping a symlink.
//
// Polled by content, since inside an enclave there is no inotify and a modification time is the host's word. The key
// was born outside, so its origin is 'file'. A pair that is half-written, mixed or wrong is reported and the old one
// stays with whoever holds it. The chain is passed on in the order of the file.

import { createHash, createPrivateKey, type KeyObject } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { describe, Fault, systemCode } from '../../base/errors.ts'
import { type CertificateSource, type Credential, checkCredential, toCredential } from '../credential.ts'
import { asFault, sleepUntil } from '../rotate.ts'

/** Where Knative's serving mounts the pair (queue-proxy `certPath` and `keyPath`). */
export const knativeFolder = '/var/lib/knative/certs'

export interface FilesOptions {
  readonly folder: string
  readonly clock: Clock
  /** Between two looks; Knative's certificate watcher looks every minute too. */
  readonly intervalMs?: number
}

const maxFileBytes = 64 * 1024

interface Pair {
  readonly certificate: Buffer
  readonly key: Buffer
}

/** True where both files can be read now: whether to serve TLS at all is decided once, at start. */
export function filesPresent(folder: string): boolean {
  try {
    wipe(readPair(folder))
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw asFault(error)
  }
}

/** The mounted pair, and each that replaces it. Reports a bad pair once for each thing that is wrong with it. */
export function files(options: FilesOptions): CertificateSource {
  const { folder, clock, intervalMs = 60_000 } = options
  return {
    name: 'files',
    attested: false,
    async *credentials(signal, failed) {
      let installed = ''
      let told = ''
      while (!signal.aborted) {
        try {
          const { digest, credential } = look(folder, clock.now(), installed)
          // A pair that came back after a failure is delivered again, so that the failure is over.
          if (credential) {
            installed = digest
            told = ''
            yield credential
          }
        } catch (error) {
          const fault = asFault(error)
          installed = ''
          if (fault.message !== told && !signal.aborted) failed(fault)
          told = fault.message
        }
        await sleepUntil(clock, clock.now() + intervalMs, signal)
      }
    },
  }
}

/**
 * The pair of the moment, for whoever shows it to somebody else than our clients.
 * @throws Fault 'credential-invalid'
 */
export function readCredential(folder: string, at: number): Credential {
  const { credential } = look(folder, at, '')
  if (credential === undefined) throw new Fault('internal', `${folder}: read, and yet not there`)
  return credential
}

/** Reads and checks the pair; no credential where the content is the installed one's. */
function look(folder: string, at: number, installed: string): { digest: string; credential?: Credential } {
  const pair = pairOf(folder)
  try {
    const digest = createHash('sha256')
      .update(createHash('sha256').update(pair.certificate).digest())
      .update(createHash('sha256').update(pair.key).digest())
      .digest('hex')
    if (digest === installed) return { digest }
    const credential = toCredential(readChain(pair.certificate), readKey(pair.key), 'file')
    checkCredential(credential, at)
    return { digest, credential }
  } finally {
    wipe(pair)
  }
}

function pairOf(folder: string): Pair {
  try {
    return readPair(folder)
  } catch (error) {
    throw new Fault('credential-invalid', `${folder}: ${describe(error)}`, { cause: error })
  }
}

/**
 * Both files of one generation. The symlink may be swapped between the two reads, so the certificate is read again
 * after the key: if it changed, all is read anew.
 */
function readPair(folder: string): Pair {
  for (let tries = 0; ; tries += 1) {
    const certificate = readBounded(join(folder, 'tls.crt'))
    const key = readBounded(join(folder, 'tls.key'))
    try {
      if (certificate.equals(readBounded(join(folder, 'tls.crt'))) || tries === 2) return { certificate, key }
    } catch (error) {
      key.fill(0)
      throw error
    }
    key.fill(0)
  }
}

/**
 * The whole file, at most 64 KiB of it: more is refused rather than cut. Errors of the file system go through. Read at
 * once, since the mount is memory: the asynchronous way would start threads for two small files a minute, and costs an
 * enclave an exit for each hop.
 */
export function readBounded(path: string): Buffer {
  const buffer = Buffer.alloc(maxFileBytes + 1)
  const file = openSync(path, 'r')
  let length = 0
  try {
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = readSync(file, buffer, length, buffer.length - length, length)
    }
  } finally {
    closeSync(file)
  }
  if (length > maxFileBytes) {
    buffer.fill(0)
    throw new Fault('credential-invalid', `${path}: more than ${maxFileBytes} bytes`)
  }
  return buffer.subarray(0, length)
}

/** CERTIFICATE blocks in file order. What stands between blocks is comment, as in RFC 7468 §5.2. */
function readChain(pem: Buffer): Credential['chain'] {
  const blocks = pem
    .toString('latin1')
    .matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g)
  const [leaf, ...rest] = [...blocks].map(([, text = '']) => new Uint8Array(Buffer.from(text, 'base64')))
  if (leaf === undefined) throw new Fault('credential-invalid', 'tls.crt holds no certificate')
  return [leaf, ...rest]
}

function readKey(pem: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem' })
  } catch (error) {
    throw new Fault('credential-invalid', `tls.key holds no private key that can be read (${describe(error)})`)
  }
}

/** The key's bytes are zeroed as soon as they were used; the certificate is public. */
function wipe(pair: Pair): void {
  pair.key.fill(0)
}
