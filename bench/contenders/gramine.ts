// Ours as it runs in an enclave: the bundle, the rendered manifest and Gramine, without SGX. The bundle takes no synthetic
// evidence, so a container behind TLS is known by its key, which costs a request the same, and the certificate is mounted.

import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Contender } from './contender.ts'
import { plainPolicy } from './image.ts'
import { posternEnv } from './postern.ts'

/** Prepares enclaves; in a checkout alone, which lies one folder further up for what was built. */
const direct = ['../../', '../../../']
  .map(up => fileURLToPath(new URL(`${up}gramine/direct.ts`, import.meta.url)))
  .find(existsSync)

let reason: string | null | undefined

function missing(): string | undefined {
  if (reason === undefined) reason = whyMissing() ?? null
  return reason ?? undefined
}

function whyMissing(): string | undefined {
  if (direct === undefined) return 'it takes a checkout'
  const { status, stderr } = spawnSync(process.execPath, [direct, '--check'], { encoding: 'utf8' })
  return status === 0 ? undefined : stderr.trim()
}

export const gramine: Contender = {
  name: 'bytes-gramine',
  summary: "the enclave's bundle under gramine-direct: Gramine, without SGX; pins the container's key",
  missing,
  cannot: ({ changing }) => (changing ? 'it pins one key' : undefined),
  fixedPorts: [],
  takesPart: ({ closely }) => closely,
  version: () => spawnSync('gramine-direct', ['--version'], { encoding: 'utf8' }).stdout?.trim() || 'missing',
  command(site) {
    const policy = join(site.folder, 'policy.json')
    const folder = join(site.folder, 'enclave')
    writeFileSync(policy, plainPolicy(site))
    const prepare = [direct ?? '', '--policy', policy, '--folder', folder, '--print']
    const { status, stdout, stderr } = spawnSync(process.execPath, prepare, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`gramine/direct.ts: ${stderr.trim()}`)
    const mounted = join(folder, 'tree/var/lib/knative/certs')
    copyFileSync(site.otherPair.certificate, join(mounted, 'tls.crt'))
    copyFileSync(site.otherPair.key, join(mounted, 'tls.key'))
    // It runs as somebody else, and the key is this run's alone.
    chmodSync(join(mounted, 'tls.key'), 0o444)
    const [file, ...args]: [string, ...string[]] = JSON.parse(stdout)
    return { file, args, env: posternEnv(site) }
  },
}
