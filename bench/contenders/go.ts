// Knative's own queue-proxy, the Go program, found on PATH. It takes its side ports whatever it is told, and its
// certificate from one folder; where we may, it gets a mount namespace with a folder of its own there, so that nothing of
// the machine changes.

import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Contender } from './contender.ts'
import { knativeEnv } from './knative.ts'

const names = ['queue-proxy-go', 'queue-proxy', 'queue']

/** Inside the namespace: the folder, the certificate, then the program in this very process. */
const script = [
  'mount -t tmpfs tmpfs /var/lib',
  'mkdir -p /var/lib/knative/certs',
  'cp "$1" /var/lib/knative/certs/tls.crt',
  'cp "$2" /var/lib/knative/certs/tls.key',
  'exec "$3"',
].join(' && ')

let found: string | null | undefined

/** Other programs are called `queue` too: this one says what it misses when its environment is empty. */
function find(): string | undefined {
  if (found === undefined) {
    const files = (process.env['PATH'] ?? '').split(delimiter).flatMap(folder => names.map(name => join(folder, name)))
    found = files.filter(executable).find(isQueueProxy) ?? null
  }
  return found ?? undefined
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function isQueueProxy(file: string): boolean {
  const { stderr } = spawnSync(file, [], { env: {}, encoding: 'utf8', timeout: 5_000 })
  return /required key [A-Z_]+ missing value/.test(stderr ?? '')
}

let namespaces: boolean | undefined

function canMount(): boolean {
  namespaces ??=
    spawnSync('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs tmpfs /var/lib'], { timeout: 5_000 }).status === 0
  return namespaces
}

export const go: Contender = {
  name: 'go-queue-proxy',
  summary: "Knative's own queue-proxy, in Go; no TLS towards the container",
  missing: () =>
    find()
      ? undefined
      : `not found as ${names.join(', ')}: build ./cmd/queue of github.com/knative/serving, put it on PATH`,
  cannot(_scenario, leg) {
    if (leg.endsWith('-tls')) return 'no TLS towards the container'
    if (leg.startsWith('tls-') && !canMount()) return 'its certificate needs a mount namespace (root: unshare -m)'
    return undefined
  },
  fixedPorts: [8022, 9090, 9091],
  version: () => versionOf(find()),
  command(site) {
    const file = find() ?? 'queue-proxy'
    const env = knativeEnv(site)
    if (!canMount()) return { file, args: [], env }
    return { file: 'unshare', args: ['-m', 'sh', '-c', script, 'sh', site.pair.certificate, site.pair.key, file], env }
  },
}

/** What the Go toolchain wrote into it, where `go` is there to read it. */
function versionOf(file: string | undefined): string {
  if (file === undefined) return 'missing'
  const { stdout } = spawnSync('go', ['version', '-m', file], { encoding: 'utf8', timeout: 10_000 })
  const go = /: (go\S+)/.exec(stdout ?? '')?.[1]
  const revision = /vcs\.revision=([0-9a-f]{12})/.exec(stdout ?? '')?.[1]
  return [go, revision].filter(part => part !== undefined).join(' ') || 'unknown'
}
