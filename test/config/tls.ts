import { createSecureContext } from 'node:tls'
import t from 'tap'
import { Environment } from '../../src/config/env.ts'
import type { TlsVersion } from '../../src/config/policy.ts'
import { readTls } from '../../src/config/tls.ts'

const prefix = 'Failed to read TLS configuration from environment'

function read(floor: TlsVersion, values: Record<string, string>) {
  const environment = new Environment(name => values[name.slice('QUEUE_PROXY_TLS_'.length)])
  return { ...readTls(environment, floor), complaints: environment.complaints }
}

t.test('unset and empty are TLS 1.3 with our own order', async t => {
  const ours = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: undefined, curves: undefined, complaints: [] }
  t.same(read('TLSv1.3', {}), ours)
  t.same(read('TLSv1.2', { MIN_VERSION: '', MAX_VERSION: '', CIPHER_SUITES: '', CURVE_PREFERENCES: '' }), ours)
})

t.test("TLS 1.2 is spoken only where the policy's floor is there", async t => {
  t.match(read('TLSv1.2', { MIN_VERSION: '1.2' }), { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', complaints: [] })
  t.match(read('TLSv1.2', { MIN_VERSION: '1.2', MAX_VERSION: '1.2' }), { maxVersion: 'TLSv1.2', complaints: [] })
  t.match(read('TLSv1.3', { MIN_VERSION: '1.2' }), { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', complaints: [] })
})

const refused: [name: string, values: Record<string, string>, complaint: string][] = [
  [
    'another version',
    { MIN_VERSION: '1.1' },
    `${prefix}: invalid QUEUE_PROXY_TLS_MIN_VERSION "1.1": unsupported TLS version "1.1": must be "1.2" or "1.3"`,
  ],
  [
    'an unknown suite',
    { CIPHER_SUITES: 'FOO' },
    `${prefix}: invalid QUEUE_PROXY_TLS_CIPHER_SUITES: unknown cipher suite "FOO"`,
  ],
  [
    'an inherited name',
    { CIPHER_SUITES: 'constructor' },
    `${prefix}: invalid QUEUE_PROXY_TLS_CIPHER_SUITES: unknown cipher suite "constructor"`,
  ],
  [
    'an unknown curve',
    { CURVE_PREFERENCES: 'FOO' },
    `${prefix}: invalid QUEUE_PROXY_TLS_CURVE_PREFERENCES: unknown curve "FOO"`,
  ],
  [
    'a range that is empty',
    { MAX_VERSION: '1.2' },
    `${prefix}: QUEUE_PROXY_TLS_MAX_VERSION: want at least TLSv1.3, the lowest that the policy and QUEUE_PROXY_TLS_MIN_VERSION leave, got TLSv1.2`,
  ],
]
for (const [name, values, complaint] of refused) {
  t.test(`${name} is refused`, async t => t.same(read('TLSv1.3', values).complaints, [complaint]))
}

const suites: [name: string, floor: TlsVersion, list: string, ciphers: string][] = [
  ['a suite of TLS 1.3 confines TLS 1.3', 'TLSv1.3', 'TLS_AES_256_GCM_SHA384', 'TLS_AES_256_GCM_SHA384'],
  [
    'without one of TLS 1.3, that is left alone',
    'TLSv1.3',
    'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
    'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
  ],
  [
    'both versions side by side, doubles and blanks aside',
    'TLSv1.2',
    ' TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,,TLS_AES_128_GCM_SHA256',
    'TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256',
  ],
]
for (const [name, floor, list, ciphers] of suites) {
  t.test(name, async t => {
    const tls = read(floor, { MIN_VERSION: '1.2', CIPHER_SUITES: list })
    t.match(tls, { ciphers, complaints: [] })
    createSecureContext({ ciphers: tls.ciphers, minVersion: tls.minVersion })
  })
}

t.test('OpenSSL knows every curve that Go names', async t => {
  const all = 'CurveP256,CurveP384,CurveP521,X25519,X25519MLKEM768,P-256,P-384,P-521'
  const { curves } = read('TLSv1.3', { CURVE_PREFERENCES: all })
  t.equal(curves, 'P-256:P-384:P-521:X25519:X25519MLKEM768')
  createSecureContext({ ecdhCurve: curves })
})

t.test('OpenSSL knows every suite that Go names', async t => {
  const names = ['ECDSA', 'RSA'].flatMap(key => [
    ...['128', '256'].map(bits => `TLS_ECDHE_${key}_WITH_AES_${bits}_CBC_SHA`),
    `TLS_ECDHE_${key}_WITH_AES_128_GCM_SHA256`,
    `TLS_ECDHE_${key}_WITH_AES_256_GCM_SHA384`,
    `TLS_ECDHE_${key}_WITH_CHACHA20_POLY1305_SHA256`,
  ])
  for (const name of names) {
    const { ciphers, complaints } = read('TLSv1.2', { MIN_VERSION: '1.2', CIPHER_SUITES: name })
    t.same(complaints, [])
    createSecureContext({ ciphers: ciphers?.split(':').at(-1), maxVersion: 'TLSv1.2' })
  }
})
