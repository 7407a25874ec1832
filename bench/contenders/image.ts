// Ours as the image `plain` has it: the enclave's file on Node alone, under `compatible`. It takes no synthetic evidence, so
// a container behind TLS is known by its key; its certificate is mounted at a place that a benchmark must not write.

import { existsSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compatible } from '../../src/config/policies.ts'
import type { Contender, Site } from './contender.ts'
import { pinOf, posternEnv } from './postern.ts'

/** The checkout, which lies one folder further up for what was built. */
const root = ['../../', '../../../']
  .map(up => fileURLToPath(new URL(up, import.meta.url)))
  .find(folder => existsSync(join(folder, 'Dockerfile')))
const bundle = join(root ?? '', 'dist/enclave.js')

export const image: Contender = {
  name: 'bytes-image',
  summary: "what the image `plain` runs: the enclave's file on Node; pins the container's key",
  missing() {
    if (root === undefined) return 'it takes a checkout'
    return madeOf(bundle, join(root, 'src')) ? undefined : 'dist/enclave.js is not of these sources: npm run build'
  },
  cannot({ changing }, leg) {
    if (changing) return 'it pins one key'
    return leg.startsWith('tls-') ? 'its certificate is mounted' : undefined
  },
  fixedPorts: [],
  takesPart: ({ fresh, kind }) => fresh && kind !== 'idle',
  version: () => 'this commit',
  command(site) {
    const policy = join(site.folder, 'policy.json')
    writeFileSync(policy, plainPolicy(site))
    const { variables, command } = readImage(readFileSync(join(root ?? '', 'Dockerfile'), 'utf8'))
    const flags = command.filter(word => word.startsWith('--') && word !== '--policy')
    return {
      file: process.execPath,
      args: [...flags, bundle, '--policy', policy],
      env: { ...posternEnv(site), ...variables },
    }
  },
}

/** True where a file is there and no source below the folder is newer: else it is another commit's. */
export function madeOf(file: string, sources: string): boolean {
  if (!existsSync(file)) return false
  const { mtimeMs } = statSync(file)
  return globSync('**/*.ts', { cwd: sources }).every(path => statSync(join(sources, path)).mtimeMs <= mtimeMs)
}

/** As shipped, and with a container behind TLS known by its key. */
export function plainPolicy({ upstream, pair }: Pick<Site, 'upstream' | 'pair'>): string {
  if (upstream === 'h') return compatible
  const policy = { ...JSON.parse(compatible), upstream: { mode: 'pinned', pins: [pinOf(pair.certificate)] } }
  return JSON.stringify(policy)
}

/**
 * What a Dockerfile's stage `plain` starts, and the variables that it sets.
 * @throws SyntaxError or Error where it does not say
 */
export function readImage(dockerfile: string): {
  readonly command: readonly string[]
  readonly variables: Readonly<Record<string, string>>
} {
  const stage = dockerfile.split(/^FROM /m).find(each => / AS plain\n/.test(each)) ?? ''
  const command = /^ENTRYPOINT (.*)$/m.exec(stage)?.[1]
  if (command === undefined) throw new Error('Dockerfile: no entry point of the stage plain')
  const variables = [...(/^ENV (.*)$/m.exec(stage)?.[1] ?? '').matchAll(/(\S+)=(\S+)/g)]
  return {
    command: JSON.parse(command),
    variables: Object.fromEntries(variables.map(([, key, value]) => [key, value])),
  }
}
