// The programs that are not ours: which of them this machine has, in which version, and how to get one that is missing.
// A missing tool costs a contender or a column, never the run.

import { spawnSync } from 'node:child_process'
import { isAbsolute, join } from 'node:path'

interface Tool {
  readonly asked: readonly string[]
  readonly version: RegExp
  readonly hint: string
}

const table = {
  nginx: { asked: ['-v'], version: /nginx\/(\S+)/, hint: 'apt-get install nginx' },
  haproxy: { asked: ['-v'], version: /HAProxy version (\S+)/, hint: 'apt-get install haproxy' },
  wrk: { asked: ['-v'], version: /wrk \S*?(\d\S*)/, hint: 'apt-get install wrk' },
  h2load: { asked: ['--version'], version: /nghttp2\/(\S+)/, hint: 'apt-get install nghttp2-client' },
  taskset: { asked: ['--version'], version: /taskset from (.+)/, hint: 'apt-get install util-linux' },
  strace: { asked: ['-V'], version: /version (\S+)/, hint: 'apt-get install strace' },
  perf: { asked: ['--version'], version: /perf version (\S+)/, hint: 'apt-get install linux-perf' },
} as const satisfies Record<string, Tool>

export type ToolName = keyof typeof table

export interface Found {
  readonly file: string
  readonly version: string
}

export type Tools = Readonly<Record<ToolName, Found | undefined>>

/** Where daemons live, which an ordinary user's PATH may leave out. */
const folders = ['', '/usr/sbin', '/usr/local/sbin']

export function findTools(): Tools {
  return Object.fromEntries(Object.entries(table).map(([name, tool]) => [name, find(name, tool)])) as Tools
}

/** How a missing one is got. */
export function hint(name: ToolName): string {
  return `not found: ${table[name].hint}`
}

function find(name: string, tool: Tool): Found | undefined {
  for (const folder of folders) {
    const file = folder === '' ? name : join(folder, name)
    const { error, stdout, stderr } = spawnSync(file, tool.asked, { encoding: 'utf8', timeout: 5_000 })
    if (error && !isAbsolute(file)) continue
    const version = tool.version.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[1]
    if (version !== undefined) return { file, version }
  }
  return undefined
}
