// A peer with everything that judgePeer wants: a synthetic enclave, its key, its claims and its certificate. Each part
// can be spoilt on its own. Also the way to real evidence, where a checkout has it beside it.

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bindClaims, bindLegacyKey, encodeClaims, type OwnClaims, type ReportData } from '../../src/attest/bind.ts'
import type { Platform, QuoteSource } from '../../src/attest/evidence.ts'
import type { Trust } from '../../src/attest/peer.ts'
import type { PeerRule } from '../../src/attest/policy.ts'
import { evidenceExtensions } from '../../src/attest/ratls.ts'
import { concat, toHex } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/errors.ts'
import { makeSyntheticTee, measurement, type SyntheticTeeOptions, syntheticRoot } from '../../src/demo/tee.ts'
import { ecKeys, type Keys, makeCertificate, type Request } from './certificates.ts'

/** A moment inside the validity of everything synthetic. */
export const at = Date.UTC(2026, 0, 1)
export const mrenclave = measurement('container')
export const mrsigner = measurement('signer')
export const service = 'spiffe://c1.example.org/ns/default/svc/hello'

/** A machine that was verified. */
export const platform: Platform = {
  ppid: '50'.repeat(16),
  piid: '49'.repeat(16),
  fmspc: '00606a000000',
  pceId: '0000',
  sgxType: 'scalable',
  configuration: undefined,
  components: Array.from({ length: 16 }, () => 0),
  pceSvn: 13,
}

export function makeTee(options: Partial<SyntheticTeeOptions> = {}): QuoteSource {
  return makeSyntheticTee({ mrenclave, mrsigner, isvProdId: 7, isvSvn: 3, ...options })
}

/** A TEE that gives no quotes. */
export function refusingTee(reason: string): QuoteSource {
  return { ...makeTee(), quote: () => Promise.reject(new Fault('tee-unavailable', reason)) }
}

export const trust: Trust = { root: syntheticRoot, collateral: { kind: 'synthetic' } }

export function makeRule(rule: Partial<PeerRule> = {}): PeerRule {
  return {
    enclaves: [{ mrenclave: toHex(mrenclave) }],
    dangerAllowDebug: false,
    dangerAcceptSynthetic: true,
    refuse: { leafSha256s: [], mrenclave: toHex(measurement('this proxy')) },
    ...rule,
  }
}

export function spkiOf(keys: Keys): Uint8Array {
  return new Uint8Array(keys.publicKey.export({ type: 'spki', format: 'der' }))
}

export function makeClaims(keys: Keys, claims: Partial<OwnClaims> = {}): Uint8Array {
  return encodeClaims({
    spki: spkiOf(keys),
    use: 'tls',
    role: 'workload',
    policyDigest: new Uint8Array(32).fill(9),
    service,
    ...claims,
  })
}

/** Report data that no product code would ask for. */
export function anyReportData(...parts: Uint8Array[]): ReportData {
  return concat(...parts) as ReportData
}

export interface PeerOptions {
  readonly tee?: QuoteSource
  readonly keys?: Keys
  readonly claims?: Partial<OwnClaims>
  /** Replaces the claims map altogether. */
  readonly claimBytes?: Uint8Array
  readonly reportData?: ReportData
  readonly legacy?: 'beside' | 'alone'
  readonly certificate?: Partial<Request>
}

/** DER of a certificate with evidence. */
export async function makePeer(options: PeerOptions = {}): Promise<Uint8Array> {
  const keys = options.keys ?? ecKeys()
  const tee = options.tee ?? makeTee()
  const claims = options.claimBytes ?? makeClaims(keys, options.claims)
  const quote = await tee.quote(options.reportData ?? bindClaims(claims))
  const legacyQuote = options.legacy && (await tee.quote(bindLegacyKey(spkiOf(keys))))
  const all = evidenceExtensions({ quote, claims }, legacyQuote)
  const extensions = options.legacy === 'alone' ? all.slice(0, 1) : all
  return makeCertificate({ name: 'peer', keys, extensions, ...options.certificate })
}

const folder = new URL('../../../shared/attestation/data/', import.meta.url)

/** Why tests over real evidence are skipped; false where it is there. */
export const realEvidenceMissing: string | false = existsSync(folder)
  ? false
  : 'NO REAL EVIDENCE beside this checkout: only synthetic evidence was tested'

/** Path of a file or folder of real evidence. */
export const realPath = (path: string): string => fileURLToPath(new URL(path, folder))

export function realBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(path, folder)))
}

export function realPem(path: string): Uint8Array {
  const text = Buffer.from(realBytes(path)).toString('latin1')
  return new Uint8Array(Buffer.from(text.replace(/-----[A-Z ]+-----/g, ''), 'base64'))
}

export const realQuotes = [
  'sgx-v3-automata-00606a-eval17-aug2025',
  'sgx-v3-automata-00606a-eval18-jun2025',
  'sgx-v3-gramine-ratls-legacy-00606a',
  'sgx-v3-gramine-ratls-tagged-00606a',
  'sgx-v3-occlum-trustee-00606a',
  'sgx-v3-openenclave-00906ed5-eval19',
  'sgx-v3-phala-00a067110000',
] as const
