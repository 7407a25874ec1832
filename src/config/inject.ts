// From the bytes of the injector's options to frozen options. Every complaint comes at once.

import { Fault } from '../base/errors.ts'
import { JsonError, readJson } from '../base/json.ts'
import { quantity } from '../base/quantity.ts'
import { freeze } from './freeze.ts'
import { type InjectOptions, injectShape } from './inject-shape.ts'
import { type Complaint, told, unfit } from './shape.ts'

const maxBytes = 256 * 1024

/**
 * @param from the file, for messages
 * @throws Fault 'options-invalid', one sentence with every complaint
 */
export function readInjectOptions(bytes: Uint8Array, from: string): InjectOptions {
  if (bytes.length > maxBytes) throw invalid(from, `want at most ${maxBytes} bytes, got ${bytes.length}`)
  const complaints: Complaint[] = []
  const options = injectShape.read(parse(bytes, from), '', complaints)
  if (options === unfit) throw invalid(from, complaints.map(told).join('; '))
  complaints.push(...contradictions(options))
  if (complaints.length > 0) throw invalid(from, complaints.map(told).join('; '))
  return freeze(options)
}

function parse(bytes: Uint8Array, from: string): unknown {
  try {
    return readJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (cause) {
    throw invalid(from, cause instanceof JsonError ? `not JSON: ${cause.message}` : 'not valid UTF-8', cause)
  }
}

function contradictions(options: InjectOptions): Complaint[] {
  const { platform, nri, policy, mounts, epc, memory, sidecar } = options
  const found: Complaint[] = []
  const bounds = Object.entries({
    '/epc': epc,
    '/memory': memory,
    ...(sidecar && { '/sidecar/concurrency': sidecar.concurrency, '/sidecar/timeoutSeconds': sidecar.timeoutSeconds }),
  })
  for (const [path, { least, default: normal, most }] of bounds) {
    if (least <= normal && normal <= most) continue
    const got = [least, normal, most].map(each => (typeof each === 'bigint' ? quantity(each) : each)).join(', ')
    found.push({ path, want: 'least, default and most in rising order', got })
  }
  if (platform === 'none' && options.aesm !== null) {
    found.push({ path: '/aesm', want: 'null, for platform "none"', got: 'a socket' })
  }
  if (platform === 'nri' && (nri === undefined || nri.devices.length === 0)) {
    found.push({ path: '/nri/devices', want: 'at least one device, for platform "nri"', got: 'none' })
  }
  if (platform !== 'nri' && nri !== undefined) {
    found.push({ path: '/nri', want: 'no such key, unless the platform is "nri"', got: `platform ${platform}` })
  }
  const paths = [...(policy ? [policy.path] : []), ...mounts.map(({ path }) => path)]
  for (const [i, path] of paths.entries()) {
    // A folder inside of a mounted one cannot be made: what is mounted is read-only.
    const taken = paths.some((other, j) => (j < i && other === path) || path.startsWith(`${other}/`))
    if (taken) found.push({ path: '/mounts', want: 'each path once, and none inside of another', got: path })
  }
  return found
}

function invalid(from: string, what: string, cause?: unknown): Fault {
  return new Fault('options-invalid', `options ${from}: ${what}`, { cause })
}
