// nginx as a reverse proxy: one process, no log; it keeps connections to the backend, as a queue-proxy does, and adds the
// address to X-Forwarded-For. Behind it TLS 1.3 without verification: it has nothing to verify evidence with.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hint } from '../machine/tools.ts'
import { type Contender, maxConnections, requestsPerConnection, type Site } from './contender.ts'

const idleUpstreams = 1_024

export const nginx: Contender = {
  name: 'nginx',
  summary: 'nginx, one process; verifies nobody, counts and limits nothing',
  missing: tools => (tools.nginx ? undefined : hint('nginx')),
  cannot: ({ limit }) => (limit > 0 ? 'no limit with a queue' : undefined),
  fixedPorts: [],
  version: tools => tools.nginx?.version ?? 'missing',
  command(site) {
    const { folder, tools } = site
    const path = join(folder, 'nginx.conf')
    writeFileSync(path, configuration(site))
    return { file: tools.nginx?.file ?? 'nginx', args: ['-p', folder, '-c', path] }
  },
}

function configuration({ folder, ports, upstream, backendPort, pair }: Site): string {
  const tls = upstream === 'tls'
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
    `    listen 127.0.0.1:${ports.h} backlog=4096;`,
    `    listen 127.0.0.1:${ports.tls} ssl backlog=4096;`,
    '    ssl_protocols TLSv1.3;',
    '    ssl_session_tickets off;',
    '    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;',
    `    ssl_certificate ${pair.certificate};`,
    `    ssl_certificate_key ${pair.key};`,
    '    location / {',
    `      proxy_pass ${tls ? 'https' : 'http'}://app;`,
    '      proxy_http_version 1.1;',
    '      proxy_request_buffering off;',
    '      proxy_set_header Host $http_host;',
    '      proxy_set_header Upgrade $http_upgrade;',
    '      proxy_set_header Connection $connection_upgrade;',
    '      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
    ...(tls ? ['      proxy_ssl_protocols TLSv1.3;', '      proxy_ssl_verify off;'] : []),
    ...(tls ? ['      proxy_ssl_session_reuse off;'] : []),
    '    }',
    '  }',
    '}',
    '',
  ]
  return lines.join('\n')
}
