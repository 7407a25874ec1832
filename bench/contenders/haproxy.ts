// HAProxy as a reverse proxy: one thread, no log, connections to the backend kept and shared, X-Forwarded-For added. A
// limit is its server's maxconn, whose queue holds the rest.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hint } from '../machine/tools.ts'
import { type Contender, maxConnections, type Site } from './contender.ts'

export const haproxy: Contender = {
  name: 'haproxy',
  summary: 'HAProxy, one thread; verifies nobody',
  missing: tools => (tools.haproxy ? undefined : hint('haproxy')),
  cannot: ({ kind }) => (kind === 'http2' ? 'set up for HTTP/1.1' : undefined),
  fixedPorts: [],
  version: tools => tools.haproxy?.version ?? 'missing',
  command(site) {
    const { folder, pair, tools } = site
    const both = join(folder, 'both.pem')
    writeFileSync(both, `${readFileSync(pair.certificate, 'utf8')}\n${readFileSync(pair.key, 'utf8')}`, { mode: 0o600 })
    const path = join(folder, 'haproxy.cfg')
    writeFileSync(path, configuration(site, both))
    return { file: tools.haproxy?.file ?? 'haproxy', args: ['-db', '-f', path] }
  },
}

function configuration({ ports, upstream, backendPort, limit }: Site, both: string): string {
  const tls = upstream === 'tls' ? ' ssl verify none no-ssl-reuse' : ''
  const limited = limit > 0 ? ` maxconn ${limit}` : ''
  const lines = [
    'global',
    '  nbthread 1',
    `  maxconn ${maxConnections}`,
    '  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256',
    '  ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets',
    '  ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256',
    'defaults',
    '  mode http',
    '  option forwardfor',
    '  http-reuse always',
    '  timeout connect 5s',
    '  timeout client 1h',
    '  timeout server 1h',
    '  timeout queue 5m',
    '  timeout tunnel 1h',
    'frontend clients',
    `  bind 127.0.0.1:${ports.h} backlog 4096`,
    `  bind 127.0.0.1:${ports.tls} backlog 4096 ssl crt ${both} alpn http/1.1`,
    '  default_backend app',
    'backend app',
    `  server app 127.0.0.1:${backendPort}${tls}${limited} pool-max-conn ${maxConnections}`,
    '',
  ]
  return lines.join('\n')
}
