// Who is measured: one row a contender, each a single process that listens on a port and forwards to the backend. All
// stand idle beside the one under load. Another proxy is another row.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { demo } from '../src/config/policies.ts'
import type { Command } from './children.ts'
import { nginxProxy } from './nginx.ts'
import type { Scenario } from './scenarios.ts'
import { hint, type Tools } from './tools.ts'

export interface Site {
  /** Free ports for this contender alone; requests go to the first. */
  readonly ports: readonly number[]
  readonly backendPort: number
  readonly upstream: Scenario['upstream']
  /** For its files; exists. */
  readonly folder: string
  readonly tools: Tools
}

export interface Contender {
  readonly name: string
  readonly summary: string
  /** Why it cannot run here and how that is cured; undefined: it can. */
  readonly missing: (tools: Tools) => string | undefined
  readonly command: (site: Site) => Command
}

export const portsPerContender = 5

/** As shipped, but for requests on the plaintext port, which the benchmark sends and a pod's ingress does not. */
const servingDemo = demo.replace('"probes-only"', '"serve"')

export const contenders: readonly Contender[] = [
  {
    name: 'postern-undici',
    summary: 'postern proxy --engine undici, the reference engine',
    missing: () => undefined,
    command: site => postern(site, 'undici'),
  },
  {
    name: 'nginx',
    summary: 'nginx as a reverse proxy, one process; verifies nothing',
    missing: tools => (tools.nginx ? undefined : hint('nginx')),
    command({ ports: [port = 0], backendPort, upstream, folder, tools }) {
      return nginxProxy({ folder, file: tools.nginx?.file ?? 'nginx' }, port, backendPort, upstream)
    },
  },
]

/** Ratios are of each contender to this one. */
export const yardstick = 'nginx'

function postern({ ports, backendPort, upstream, folder }: Site, engine: string): Command {
  let policy = 'compatible'
  if (upstream === 'attested') {
    policy = join(folder, 'policy.json')
    writeFileSync(policy, servingDemo)
  }
  const [serving, tls, admin, autoscaler, metrics] = ports.map(String)
  const main = fileURLToPath(new URL('../src/postern.js', import.meta.url))
  return {
    file: process.execPath,
    args: [main, 'proxy', '--policy', policy, '--engine', engine],
    env: {
      PATH: process.env['PATH'] ?? '',
      CONTAINER_CONCURRENCY: '0',
      QUEUE_SERVING_PORT: serving ?? '',
      QUEUE_SERVING_TLS_PORT: tls ?? '',
      USER_PORT: String(backendPort),
      REVISION_TIMEOUT_SECONDS: '300',
      SERVING_READINESS_PROBE: '{"tcpSocket":{"host":"127.0.0.1"},"successThreshold":1}',
      SERVING_LOGGING_CONFIG: '',
      SERVING_LOGGING_LEVEL: 'info',
      SERVING_NAMESPACE: 'default',
      SERVING_SERVICE: 'bench',
      SERVING_CONFIGURATION: 'bench',
      SERVING_REVISION: 'bench-00001',
      SERVING_POD: 'bench-pod',
      SERVING_POD_IP: '127.0.0.1',
      OBSERVABILITY_CONFIG: '{"requestMetrics":{"protocol":"prometheus"}}',
      POSTERN_ADMIN_PORT: admin ?? '',
      POSTERN_AUTOSCALER_PORT: autoscaler ?? '',
      POSTERN_METRICS_PORT: metrics ?? '',
    },
  }
}
