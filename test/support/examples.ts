// The services of examples/ as processes: how each is started, and what is not installed.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { demo } from '../../src/config/policies.ts'
import { dialled } from './function.ts'
import { installPacked } from './packed.ts'
import { repository, until } from './process.ts'

export const example = (path: string): string => join(repository, 'examples', path)

/** Installs the package and the example for Node beside it. @returns the command */
export function installNodeExample(folder: string): readonly string[] {
  installPacked(folder)
  cpSync(example('node'), join(folder, 'app'), { recursive: true })
  writeFileSync(join(folder, 'app/package.json'), '{ "type": "module" }')
  return [process.execPath, join(folder, 'app/server.js')]
}

/** Starts a program until the test is over; waits until it accepts connections. */
export async function run(t: Test, command: readonly string[], port: number, cwd: string): Promise<void> {
  const [file = '', ...args] = command
  const env = { PATH: process.env['PATH'], PORT: String(port) }
  const child: ChildProcess = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', text => (said += text))
  const gone = new Promise<void>(resolve => child.on('close', () => resolve()))
  t.teardown(() => {
    child.kill('SIGKILL')
    return gone
  })
  await until(`${file} listens`, async () => {
    if (child.exitCode !== null) throw new Error(`${file} has ended: ${said}`)
    const socket = await dialled(t, port, undefined)
    return !socket.destroyed
  })
}

/** The policy `demo` with this freshness, in a file. */
export function policyFile(folder: string, freshness: 'none' | 'challenge'): string {
  const file = join(folder, 'demo.json')
  writeFileSync(file, demo.replace('"freshness": "none"', `"freshness": "${freshness}"`))
  return file
}

/** Why a test is skipped; false where the command is there. */
export function missing(command: string, args: readonly string[]): string | false {
  return spawnSync(command, args).status === 0 ? false : `NOT TESTED: no ${command} on this machine`
}

/** Those that load what gramine-ratls has written into a folder, and how each is started. */
export const written: [name: string, skip: string | false, command: (folder: string, port: number) => string[]][] = [
  [
    'Python',
    missing('python3', ['-c', 'import ssl; ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).num_tickets']),
    folder => ['python3', example('python/server.py'), join(folder, 'cert.pem'), join(folder, 'key.pem')],
  ],
  [
    'nginx',
    missing('nginx', ['-v']),
    (folder, port) => {
      const text = readFileSync(example('nginx/nginx.conf'), 'utf8')
      const file = join(folder, 'nginx.conf')
      writeFileSync(file, text.replaceAll('/run/tls', folder).replace('listen 8080', `listen 127.0.0.1:${port}`))
      return ['nginx', '-p', folder, '-c', file]
    },
  ],
]
