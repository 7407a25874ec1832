// nginx as a reverse proxy: one process, no log; it keeps connections to the backend, as a queue-proxy does, and adds the
// address to X-Forwarded-For. Behind it TLS 1.3 without verification: it has nothing to verify evidence with.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from '../machine/children.ts'
import { hint } from '../machine/tools.ts'
import { type Contender, maxConnections, requestsPerConnection, type Site } from './contender.ts'

const idleUpstreams = 1_024

export const nginx: Contender = {
  name: 'nginx',
  summary: 'nginx, one process; verifies nobody, counts and limits nothing',
  missing: tools => (tools.nginx ? undefined : hint('nginx')),
  cannot({ limit, kind }) {
    if (kind === 'http2') return 'HTTP/2 is a configuration of its own: nginx-http2'
    return limit > 0 ? 'no limit with a queue' : undefined
  },
  fixedPorts: [],
  version: tools => tools.nginx?.version ?? 'missing',
  command: site => start(site, false),
}

/** Its plain port speaks one version only, and towards the container HTTP/2 is what it calls gRPC. */
export const nginxHttp2: Contender = {
  ...nginx,
  name: 'nginx-http2',
  summary: 'nginx, as above, with HTTP/2 on both legs (grpc_pass)',
  cannot: ({ kind }) => (kind === 'http2' ? undefined : 'HTTP/2 only'),
  command: site => start(site, true),
}

function start(site: Site, http2: boolean): Command {
  const { folder, tools } = site
  const path = join(folder, 'nginx.conf')
  writeFileSync(path, configuration(site, http2))
  return { file: tools.nginx?.file ?? 'nginx', args: ['-p', folder, '-c', path] }
}

const http1 = [
  '      proxy_http_version 1.1;',
  '      proxy_request_buffering off;',
  '      proxy_set_header Host $http_host;',
  '      proxy_set_header Upgrade $http_upgrade;',
  '      proxy_set_header Connection $connection_upgrade;',
]

function configuration({ folder, ports, upstream, backendPort, pair }: Site, http2: boolean): string {
  const tls = upstream === 'tls'
  const version = http2 ? ' http2' : ''
  const pass = http2
    ? [`      grpc_pass grpc${tls ? 's' : ''}://app;`]
    : [`      proxy_pass ${tls ? 'https' : 'http'}://app;`]
  const behind = http2 ? 'grpc' : 'proxy'
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `  ${name}_temp_path ${join(folder, name)};`,
  )
  const lines = [
    'daemon off;',
    'master_process off;',
    'error_log stderr crit;',
    `worker_rlimit_nofile ${maxConnections * 2};`,
    `pid ${join(folder, 'pid')};`,
    `events { worker_connections ${maxConnections}; }`,
    'http {',
    '  access_log off;',
    ...temporary,
    `  keepalive_requests ${requestsPerConnection};`,
    '  keepalive_timeout 1h;',
    '  client_max_body_size 0;',
    "  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }",
    '  upstream app {',
    `    server 127.0.0.1:${backendPort};`,
    `    keepalive ${idleUpstreams};`,
    `    keepalive_requests ${requestsPerConnection};`,
    '    keepalive_time 1h;',
    '  }',
    '  server {',
    `    listen 127.0.0.1:${ports.h}${version} backlog=4096;`,
    `    listen 127.0.0.1:${ports.tls} ssl${version} backlog=4096;`,
    '    ssl_protocols TLSv1.3;',
    '    ssl_session_tickets off;',
    '    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;',
    `    ssl_certificate ${pair.certificate};`,
    `    ssl_certificate_key ${pair.key};`,
    '    location / {',
    ...pass,
    ...(http2 ? [] : http1),
    `      ${behind}_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`,
    ...(tls ? [`      ${behind}_ssl_protocols TLSv1.3;`, `      ${behind}_ssl_verify off;`] : []),
    ...(tls ? [`      ${behind}_ssl_session_reuse off;`] : []),
    '    }',
    '  }',
    '}',
    '',
  ]
  return lines.join('\n')
}
