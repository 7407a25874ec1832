// nginx in both of its parts here: the fixed backend, and the proxy that others are compared with. One process, no log;
// as a proxy it keeps connections to the backend, as a queue-proxy does, and adds the address to X-Forwarded-For.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from './children.ts'
import { responseBody } from './scenarios.ts'

interface Places {
  /** A folder of its own, which exists afterwards. */
  readonly folder: string
  readonly file: string
}

/** More than a run can ask on one connection. */
const requestsPerConnection = 1_000_000_000

const idleUpstreams = 64

export interface BackendPorts {
  readonly plain: number
  readonly tls: number
}

/** Always the same 200 in JSON, plain on one port and over TLS 1.3 with AES-128-GCM on the other. */
export function nginxBackend(places: Places, ports: BackendPorts, certificate: string, key: string): Command {
  return command(places, [
    `keepalive_requests ${requestsPerConnection};`,
    'keepalive_timeout 1h;',
    'server {',
    `  listen 127.0.0.1:${ports.plain};`,
    `  listen 127.0.0.1:${ports.tls} ssl;`,
    '  ssl_protocols TLSv1.3;',
    '  ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;',
    `  ssl_certificate ${certificate};`,
    `  ssl_certificate_key ${key};`,
    '  default_type application/json;',
    `  location / { return 200 '${responseBody}'; }`,
    '}',
  ])
}

/** @param upstream 'attested' is TLS without any verification: nginx has nothing to verify evidence with */
export function nginxProxy(places: Places, port: number, backendPort: number, upstream: 'plain' | 'attested'): Command {
  const tls = upstream === 'attested'
  return command(places, [
    `keepalive_requests ${requestsPerConnection};`,
    'keepalive_timeout 1h;',
    'upstream app {',
    `  server 127.0.0.1:${backendPort};`,
    `  keepalive ${idleUpstreams};`,
    `  keepalive_requests ${requestsPerConnection};`,
    '  keepalive_time 1h;',
    '}',
    'server {',
    `  listen 127.0.0.1:${port};`,
    '  location / {',
    `    proxy_pass ${tls ? 'https' : 'http'}://app;`,
    '    proxy_http_version 1.1;',
    '    proxy_set_header Host $http_host;',
    "    proxy_set_header Connection '';",
    '    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
    ...(tls ? ['    proxy_ssl_protocols TLSv1.3;', '    proxy_ssl_verify off;'] : []),
    '  }',
    '}',
  ])
}

function command({ folder, file }: Places, http: readonly string[]): Command {
  mkdirSync(folder, { recursive: true })
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `  ${name}_temp_path ${join(folder, name)};`,
  )
  const configuration = [
    'daemon off;',
    'master_process off;',
    'error_log stderr crit;',
    `pid ${join(folder, 'pid')};`,
    'events { worker_connections 1024; }',
    'http {',
    '  access_log off;',
    ...temporary,
    ...http.map(line => `  ${line}`),
    '}',
    '',
  ].join('\n')
  const path = join(folder, 'nginx.conf')
  writeFileSync(path, configuration)
  return { file, args: ['-p', folder, '-c', path] }
}
