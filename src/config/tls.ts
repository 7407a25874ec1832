// QUEUE_PROXY_TLS_*: the host may narrow what our TLS ports speak and never widen it below the policy's floor. Names and
// messages are Go's (knative.dev/pkg/network/tls), what comes out is OpenSSL's.

import { type Environment, goQuote } from './env.ts'
import type { TlsVersion } from './policy.ts'

export interface TlsLimits {
  readonly minVersion: TlsVersion
  readonly maxVersion: TlsVersion
  /** OpenSSL's names of both versions' suites, colon-separated; undefined: our own order. */
  readonly ciphers: string | undefined
  /** OpenSSL's names, colon-separated; undefined: our own order. */
  readonly curves: string | undefined
}

const versions: Readonly<Record<string, TlsVersion>> = { '1.2': 'TLSv1.2', '1.3': 'TLSv1.3' }

/** Go's list of secure suites. TLS 1.3's keep their IANA names in OpenSSL. */
const suites: Readonly<Record<string, string>> = {
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
}

const groups: Readonly<Record<string, string>> = {
  CurveP256: 'P-256',
  CurveP384: 'P-384',
  CurveP521: 'P-521',
  'P-256': 'P-256',
  'P-384': 'P-384',
  'P-521': 'P-521',
  X25519: 'X25519',
  X25519MLKEM768: 'X25519MLKEM768',
}

const prefix = 'Failed to read TLS configuration from environment'
const isTls13 = (suite: string): boolean => suite.startsWith('TLS_')
const tls13Suites = Object.values(suites).filter(isTls13)

/** Reads the four variables; complaints go to the environment. */
export function readTls(environment: Environment, floor: TlsVersion): TlsLimits {
  const asked = version(environment, 'QUEUE_PROXY_TLS_MIN_VERSION') ?? 'TLSv1.3'
  const maxVersion = version(environment, 'QUEUE_PROXY_TLS_MAX_VERSION') ?? 'TLSv1.3'
  const cipherSuites = list(environment, 'QUEUE_PROXY_TLS_CIPHER_SUITES', suites, 'cipher suite')
  const curves = list(environment, 'QUEUE_PROXY_TLS_CURVE_PREFERENCES', groups, 'curve')
  const minVersion = floor === 'TLSv1.3' ? floor : asked
  if (maxVersion < minVersion) {
    const least = `${minVersion}, the lowest that the policy and QUEUE_PROXY_TLS_MIN_VERSION leave`
    environment.complain(`${prefix}: QUEUE_PROXY_TLS_MAX_VERSION: want at least ${least}, got ${maxVersion}`)
  }
  return { minVersion, maxVersion, ciphers: joined(effective(cipherSuites, minVersion)), curves: joined(curves) }
}

/**
 * As in Go, a list without a suite of TLS 1.3 leaves TLS 1.3 alone; unlike in Go, a list with some confines it to them.
 * A list without one of TLS 1.2 leaves TLS 1.2 none, which OpenSSL takes for TLS 1.3 only.
 */
function effective(listed: readonly string[], minVersion: TlsVersion): readonly string[] {
  if (listed.length === 0) return []
  const newer = listed.filter(isTls13)
  const older = minVersion === 'TLSv1.2' ? listed.filter(suite => !isTls13(suite)) : []
  return [...(newer.length > 0 ? newer : tls13Suites), ...older]
}

const joined = (names: readonly string[]): string | undefined => (names.length === 0 ? undefined : names.join(':'))

function version(environment: Environment, name: string): TlsVersion | undefined {
  const value = environment.get(name) ?? ''
  if (value === '') return undefined
  const found = Object.hasOwn(versions, value) ? versions[value] : undefined
  if (found === undefined) {
    const got = goQuote(value)
    environment.complain(`${prefix}: invalid ${name} ${got}: unsupported TLS version ${got}: must be "1.2" or "1.3"`)
  }
  return found
}

function list(
  environment: Environment,
  name: string,
  table: Readonly<Record<string, string>>,
  what: string,
): readonly string[] {
  const value = environment.get(name) ?? ''
  const found = new Set<string>()
  for (const item of value.split(',').map(each => each.trim())) {
    if (item === '') continue
    const known = Object.hasOwn(table, item) ? table[item] : undefined
    if (known === undefined) environment.complain(`${prefix}: invalid ${name}: unknown ${what} ${goQuote(item)}`)
    else found.add(known)
  }
  return [...found]
}
