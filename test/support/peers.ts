// Other people's proxies in front of the same container, for comparison: nginx and HAProxy, where they are installed.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './sockets.ts'

export type PeerName = 'nginx' | 'haproxy'

export interface Peer {
  readonly port: number
  stop(): Promise<void>
}

/** As it names it; undefined where it is not installed. */
export function peerVersion(name: PeerName): string | undefined {
  const { stdout, stderr, error } = spawnSync(name, ['-v'], { encoding: 'utf8' })
  return error ? undefined : /version:? \S*?(\d+\.\d+\.\d+)/i.exec(`${stdout}${stderr}`)?.[1]
}

/** No connection to the container is used twice, so that each request stands alone there. */
const configurations: Readonly<Record<PeerName, (folder: string, port: number, container: number) => string>> = {
  nginx: (folder, port, container) => `
    daemon off;
    master_process off;
    error_log stderr crit;
    pid ${folder}/pid;
    events { worker_connections 256; }
    http {
      access_log off;
      ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(each => `${each}_temp_path ${folder}/${each};`).join('\n')}
      client_max_body_size 0;
      large_client_header_buffers 4 128k;
      lingering_timeout 1s;
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass http://127.0.0.1:${container};
          proxy_http_version 1.1;
          proxy_request_buffering off;
          proxy_set_header Host $host;
          proxy_set_header Connection '';
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }
      }
    }`,
  haproxy: (_folder, port, container) => `
    global
      maxconn 200
      tune.bufsize 131072
    defaults
      mode http
      timeout connect 5s
      timeout client 5s
      timeout server 5s
    frontend front
      bind 127.0.0.1:${port}
      option forwardfor
      default_backend back
    backend back
      http-reuse never
      server container 127.0.0.1:${container}
`,
}

const commands: Readonly<Record<PeerName, (folder: string, file: string) => string[]>> = {
  nginx: (folder, file) => ['-p', folder, '-c', file],
  haproxy: (_folder, file) => ['-db', '-q', '-f', file],
}

/** @param container port of who is behind it */
export async function startPeer(name: PeerName, container: number): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), `peer-${name}-`))
  const port = await freePort()
  const file = join(folder, 'configuration')
  mkdirSync(join(folder, 'logs'))
  writeFileSync(file, configurations[name](folder, port, container))
  const child = spawn(name, commands[name](folder, file), { stdio: ['ignore', 'inherit', 'pipe'] })
  let said = ''
  child.stderr.on('data', chunk => {
    said += chunk
  })
  await listening(port, child, () => said)
  return {
    port,
    async stop() {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
      rmSync(folder, { recursive: true })
    },
  }
}

async function listening(port: number, child: ChildProcess, said: () => string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}: ${said()}`)
    const socket = connect(port, '127.0.0.1')
    const open = await new Promise(resolve => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    if (open) return
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  throw new Error(`${child.spawnfile} does not listen: ${said()}`)
}
