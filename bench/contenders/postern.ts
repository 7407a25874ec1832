// Ours, by engine. Where the container speaks TLS it is attested: the proxy verifies the SYNTHETIC RA-TLS evidence of each
// new connection, and shows its own. Plain on both ports otherwise, as a drop-in. Both under the policy `demo`, whose
// synthetic TEE gives it a certificate for its TLS port without any file.

import { spawnSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defaultTemplate } from '../../src/config/observability.ts'
import { demo } from '../../src/config/policies.ts'
import type { Command } from '../machine/children.ts'
import { nodeFlags, posternEntry } from '../machine/place.ts'
import type { Contender, Site } from './contender.ts'
import { knativeEnv, observability } from './knative.ts'

/** How the container is trusted, where it speaks TLS. */
export type Mode = 'attested' | 'pinned'

/** What a rung of the ladder switches; the usual is what a pod has. */
export interface Switches {
  readonly mode: Mode
  readonly metrics: boolean
  readonly requestLog: boolean
}

export const usualSwitches: Switches = { mode: 'attested', metrics: true, requestLog: false }

/** As shipped, but that requests are served on the plain port, and that the container may be one without evidence. */
export function benchPolicy({ upstream, pair }: Pick<Site, 'upstream' | 'pair'>, mode: Mode): string {
  const policy = JSON.parse(demo)
  policy.inbound.plaintext = 'serve'
  if (upstream === 'h') policy.upstream = { mode: 'plaintext', upgrade: { allow: ['*'] }, allowUnframed: true }
  // What is measured is Knative's way: the container in the client's version of HTTP.
  else if (mode === 'attested') policy.upstream.protocol = 'mirror'
  else policy.upstream = { mode, pins: [pinOf(pair.certificate)], clientCertificate: true }
  return JSON.stringify(policy, undefined, 2)
}

export function pinOf(certificate: string): string {
  const { publicKey } = new X509Certificate(readFileSync(certificate))
  const digest = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' }))
  return `sha256/${digest.digest('base64')}`
}

let help: string | undefined

/** The engines that this build has, from its own help. */
export function engines(): readonly string[] {
  help ??= spawnSync(process.execPath, [posternEntry, 'proxy', '--help'], { encoding: 'utf8', timeout: 20_000 }).stdout
  return readEngines(help ?? '')
}

export function readEngines(text: string): readonly string[] {
  const said = /--engine[^\n]*how bytes move:([^\n]*)/.exec(text)?.[1] ?? ''
  return said.replaceAll(/\([^)]*\)/g, '').match(/[a-z0-9-]+/g) ?? []
}

export function postern(engine: string, summary: string): Contender {
  return {
    name: engine,
    summary,
    missing() {
      return engines().includes(engine) ? undefined : `this build has no engine of that name: see postern proxy --help`
    },
    cannot: ({ kind }, leg) =>
      kind === 'http2' && engine === 'undici' && leg.startsWith('h-') ? 'no HTTP/2 on the plain port' : undefined,
    fixedPorts: [],
    version: () => 'this commit',
    command: site => posternCommand(site, engine, usualSwitches),
  }
}

export function posternCommand(site: Site, engine: string, { mode, metrics, requestLog }: Switches): Command {
  const policy = join(site.folder, 'policy.json')
  writeFileSync(policy, benchPolicy(site, mode))
  const observed = {
    ...observability,
    ...(!metrics && { requestMetrics: { protocol: 'none' } }),
    ...(requestLog && { enableRequestLog: true, requestLogTemplate: defaultTemplate }),
  }
  return {
    file: process.execPath,
    args: [...nodeFlags(posternEntry), posternEntry, 'proxy', '--policy', policy, '--engine', engine],
    // A log that nobody reads would fill its pipe and stop the proxy.
    silent: requestLog,
    env: { ...posternEnv(site), OBSERVABILITY_CONFIG: JSON.stringify(observed) },
  }
}

export function posternEnv(site: Site): Record<string, string> {
  const [admin, autoscaler, metrics] = site.spare
  return {
    ...knativeEnv(site),
    QUEUE_PROXY_TLS_CIPHER_SUITES: 'TLS_AES_128_GCM_SHA256',
    POSTERN_ADMIN_PORT: String(admin),
    POSTERN_AUTOSCALER_PORT: String(autoscaler),
    POSTERN_METRICS_PORT: String(metrics),
  }
}
