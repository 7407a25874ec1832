// The files of the tour: what the CA and the proxy are measured with, what an operator signs, and his key. Made anew for each
// tour, and gone with it.

import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { QuoteSource } from '../../attest/evidence.ts'
import { toHex } from '../../base/bytes.ts'
import { policyDigest } from '../../config/policy.ts'
import { demoFunction, demoProvision, demoProxy } from '../enclaves.ts'
import { syntheticRootPem } from '../tee.ts'

export const service = 'spiffe://demo.example/ns/default/svc/demo'
export const kid = 'demo-operator'

/** Seconds. A certificate is renewed at two thirds of it: every four seconds or so. */
const lifetimeSeconds = 6

export interface Stage {
  /** Path of one of its files. */
  readonly file: (name: string) => string
  /** What the proxy's evidence names its policy by: 32 bytes. */
  readonly policyDigest: Uint8Array
  write(name: string, text: string): void
  remove(): void
}

/** @param port of the CA */
export function setStage(port: number): Stage {
  const folder = mkdtempSync(join(tmpdir(), 'postern-demo-'))
  const file = (name: string): string => join(folder, name)
  const write = (name: string, text: string): void => writeFileSync(file(name), text, { mode: 0o600 })
  const writeJson = (name: string, value: unknown): void => write(name, `${JSON.stringify(value, null, 2)}\n`)
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const policy = `${JSON.stringify(proxyPolicy(port), null, 2)}\n`
  const digest = policyDigest(Buffer.from(policy))
  write('policy.json', policy)
  write('operator.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  writeJson('options.json', {
    version: 1,
    name: 'demo',
    trustDomain: 'demo.example',
    lifetimeSeconds,
    operators: [{ kid, jwk: publicKey.export({ format: 'jwk' }) }],
    peers: { proxies: measured(demoProxy()) },
    dangerSyntheticRoot: syntheticRootPem,
  })
  writeJson('policies.json', {
    version: 1,
    serial: 1,
    policies: [{ digest: toHex(digest), role: 'proxy', service, accept: 'proxies' }],
  })
  writeJson('revocations.json', { version: 1, serial: 1 })
  return { file, policyDigest: digest, write, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Whom the proxy trusts: the CA and the function, each by its measurement. */
function proxyPolicy(port: number): object {
  return {
    version: 1,
    name: 'demo',
    service,
    inbound: { plaintext: 'probes-only' },
    identity: { source: 'provision', provision: { url: `https://127.0.0.1:${port}`, accept: 'ca' } },
    upstream: {
      mode: 'attested',
      trust: 'measurement',
      freshness: 'challenge',
      accept: 'app',
      protocol: 'auto',
      clientCertificate: true,
    },
    peers: { ca: measured(demoProvision()), app: measured(demoFunction()) },
    dangerSyntheticRoot: syntheticRootPem,
  }
}

const measured = ({ mrenclave }: QuoteSource): object => ({ enclaves: [{ mrenclave: toHex(mrenclave) }] })
