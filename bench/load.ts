// The load: a closed loop on kept connections, by wrk where there is one and by load-client.ts where not, in a process of
// its own. Latency is not taken: a closed loop on two shared cores has nothing true to say about it.

import { Fault } from '../src/base/errors.ts'
import type { Children } from './children.ts'
import { beside } from './place.ts'
import { requestHeaders } from './scenarios.ts'
import type { Found } from './tools.ts'

export interface Load {
  readonly requests: number
  readonly seconds: number
  /** Failed connections, reads, writes, time-outs, and answers that are not 2xx or 3xx. */
  readonly errors: number
}

export interface Loader {
  readonly kind: 'wrk' | 'node'
  /** @throws Fault 'internal' where the generator fails */
  run(port: number, connections: number, seconds: number): Promise<Load>
}

/** Beyond the asked seconds: to connect, and to end. */
const slackMs = 15_000

export function makeLoader(children: Children, wrk: Found | undefined, core: number | undefined): Loader {
  const kind = wrk ? 'wrk' : 'node'
  return {
    kind,
    async run(port, connections, seconds) {
      const command = wrk
        ? { file: wrk.file, args: wrkArgs(port, connections, seconds) }
        : { file: process.execPath, args: [beside('load-client'), ...[port, connections, seconds].map(String)] }
      const child = children.start(command, core)
      const code = await child.end(seconds * 1_000 + slackMs)
      const load = code === 0 ? (wrk ? readWrk(child.said()) : readOwn(child.said())) : undefined
      if (!load || !(load.requests > 0)) {
        throw new Fault('internal', `the load generator ${kind} gave no result (exit ${code}): ${child.said().trim()}`)
      }
      return load
    },
  }
}

function wrkArgs(port: number, connections: number, seconds: number): string[] {
  const headers = requestHeaders.flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  return ['-t1', `-c${connections}`, `-d${seconds}s`, ...headers, `http://127.0.0.1:${port}/`]
}

const units: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60 }

function readWrk(text: string): Load | undefined {
  const done = /(\d+) requests in ([\d.]+)(ms|s|m)/.exec(text)
  if (!done) return undefined
  const socket = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)?.slice(1) ?? []
  const status = /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? '0'
  return {
    requests: Number(done[1]),
    seconds: Number(done[2]) * (units[done[3] ?? ''] ?? 1),
    errors: [...socket, status].reduce((sum, count) => sum + Number(count), 0),
  }
}

function readOwn(text: string): Load | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
