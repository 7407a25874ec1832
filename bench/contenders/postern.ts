// Ours, by engine. Where the container speaks TLS it is attested: the proxy verifies the SYNTHETIC RA-TLS evidence of each
// new connection, and shows its own. Plain on both ports otherwise, as a drop-in. Both under the policy `demo`, whose
// synthetic TEE gives it a certificate for its TLS port without any file.

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { demo } from '../../src/config/policies.ts'
import type { Side } from '../legs.ts'
import { posternEntry } from '../machine/place.ts'
import type { Contender } from './contender.ts'
import { knativeEnv } from './knative.ts'

/** As shipped, but that requests are served on the plain port, and that the container may be one without evidence. */
export function benchPolicy(upstream: Side): string {
  const policy = JSON.parse(demo)
  policy.inbound.plaintext = 'serve'
  if (upstream === 'h') policy.upstream = { mode: 'plaintext', upgrade: { allow: ['*'] }, allowUnframed: true }
  return JSON.stringify(policy, undefined, 2)
}

let help: string | undefined

/** The engines that this build has, from its own help. */
export function engines(): readonly string[] {
  help ??= spawnSync(process.execPath, [posternEntry, 'proxy', '--help'], { encoding: 'utf8', timeout: 20_000 }).stdout
  const said = /--engine[^\n]*how bytes move:([^\n]*)/.exec(help ?? '')?.[1] ?? ''
  return said.replaceAll('(the default)', '').match(/[a-z0-9]+/g) ?? []
}

export function postern(engine: string, summary: string): Contender {
  return {
    name: engine,
    summary,
    missing() {
      const known = engines()
      return known.includes(engine) ? undefined : `this build has no engine of that name, only ${known.join(', ')}`
    },
    cannot: () => undefined,
    fixedPorts: [],
    version: () => 'this commit',
    command(site) {
      const policy = join(site.folder, 'policy.json')
      writeFileSync(policy, benchPolicy(site.upstream))
      const [admin, autoscaler, metrics] = site.spare
      return {
        file: process.execPath,
        args: [posternEntry, 'proxy', '--policy', policy, '--engine', engine],
        env: {
          ...knativeEnv(site),
          QUEUE_PROXY_TLS_CIPHER_SUITES: 'TLS_AES_128_GCM_SHA256',
          POSTERN_ADMIN_PORT: String(admin),
          POSTERN_AUTOSCALER_PORT: String(autoscaler),
          POSTERN_METRICS_PORT: String(metrics),
        },
      }
    },
  }
}
