// Where things are: files beside this one, whether run as TypeScript or as built, free ports, and the cores.

import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Tools } from './tools.ts'

const self = fileURLToPath(import.meta.url)

/** Path of a module of the benchmark, such as 'load/client', to run as a process. */
export function entry(name: string): string {
  return fileURLToPath(new URL(`../${name}${self.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))
}

/** Path of the proxy's first file: the sources' where these are run, else what is built. */
export const posternEntry = fileURLToPath(new URL('../../src/postern.js', import.meta.url))

/** The flags of Node that the command's first line asks for, as images have them too. */
export function nodeFlags(file: string): readonly string[] {
  const [line = ''] = readFileSync(file, 'utf8').split('\n', 1)
  return line.match(/ --\S+/g)?.map(flag => flag.trim()) ?? []
}

/**
 * So many ports that were free just now, on every address. From below the range that the kernel gives to clients: such a
 * one could be one of the load's own connections by the time that it is used.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const held: Server[] = []
  while (held.length < count) {
    const server = createServer().listen(randomInt(10_000, 30_000))
    const free = await new Promise(resolve => {
      server.once('listening', () => resolve(true))
      server.once('error', () => resolve(false))
    })
    if (free) held.push(server)
  }
  const ports = held.map(server => (server.address() as AddressInfo).port)
  await Promise.all(held.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

/** Lists of cores as taskset reads them. */
export interface Cores {
  readonly proxy: string
  /** Load and backend. */
  readonly rest: string
}

/** One core for the proxy, the others for all else; undefined where there is one only, or no taskset. */
export function chooseCores(tools: Tools): Cores | undefined {
  const count = availableParallelism()
  return tools.taskset && count > 1 ? { proxy: '0', rest: count === 2 ? '1' : `1-${count - 1}` } : undefined
}
