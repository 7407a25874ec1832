// Where things are: files beside this one, whether run as TypeScript or as built, free ports, and the two cores.

import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Tools } from './tools.ts'

/** Path of a module in this folder, to run as a process. */
export function beside(name: string): string {
  const self = fileURLToPath(import.meta.url)
  return fileURLToPath(new URL(`./${name}${self.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))
}

/** So many ports of the loopback interface that were free just now. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      server =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            resolve(typeof address === 'object' && address !== null ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

export interface Cores {
  readonly proxy: number
  /** Load and backend. */
  readonly rest: number
}

/** One core for the proxy, one for all else; undefined where there is one only, or no taskset. */
export function chooseCores(tools: Tools): Cores | undefined {
  return tools.taskset && availableParallelism() > 1 ? { proxy: 0, rest: 1 } : undefined
}
