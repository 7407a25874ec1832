// What a number is worth without: on which machine, with which programs, from which commit. Holds no path, host name or
// user name, so that a result can be published as it is.

import { spawnSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ToolName, Tools } from './tools.ts'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryMiB: number
  readonly kernel: string
  readonly node: string
  readonly openssl: string
  readonly tools: Readonly<Record<ToolName, string>>
  /** Git's; 'unknown' outside a checkout. */
  readonly commit: string
  /** True where src/ or the dependencies differ from the commit. */
  readonly dirty: boolean
  /** What is run: TypeScript by type stripping, or what is built. */
  readonly runs: 'sources' | 'dist'
  /** Over the last minute, before anything was started: what else the machine was doing. */
  readonly loadBefore: number
}

export function describeMachine(tools: Tools): Machine {
  const names = Object.keys(tools) as ToolName[]
  const { node, openssl } = process.versions
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryMiB: Math.round(totalmem() / 1024 ** 2),
    kernel: release(),
    node,
    openssl,
    tools: Object.fromEntries(names.map(name => [name, tools[name]?.version ?? 'missing'])) as Machine['tools'],
    commit: git('rev-parse', 'HEAD') ?? 'unknown',
    dirty: (git('status', '--porcelain', '--', ':/src', ':/package-lock.json') ?? '') !== '',
    runs: import.meta.url.endsWith('.ts') ? 'sources' : 'dist',
    loadBefore: loadavg()[0] ?? 0,
  }
}

function git(...args: string[]): string | undefined {
  const cwd = dirname(fileURLToPath(import.meta.url))
  const { status, stdout } = spawnSync('git', args, { cwd, encoding: 'utf8', timeout: 5_000 })
  return status === 0 ? stdout.trim() : undefined
}
