// The proxy of the demo: the very command that a pod runs, as a process of its own, with the environment that Knative's
// controller would give it.

import { type Child, postern, startChild } from './child.ts'
import { probe } from './visitor.ts'

export interface ProxyProcess {
  readonly child: Child
  /** Resolves when the kubelet would call the pod ready. @throws Fault 'internal' with what the proxy said */
  ready(): Promise<void>
  /** The rules of each refusal of a container that the proxy has logged. */
  readonly refusals: () => readonly string[][]
  stop(): Promise<void>
}

export const proxyPorts = ['serving', 'tls', 'admin', 'autoscaler', 'metrics', 'user'] as const

export type ProxyPorts = Readonly<Record<(typeof proxyPorts)[number], number>>

export interface ProxySettings {
  /** Name or file. */
  readonly policy: string
  /** Requests at once; 0: no limit. */
  readonly concurrency: number
}

const termHeard = 'Received TERM signal'

function environment(ports: ProxyPorts, concurrency: number): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    CONTAINER_CONCURRENCY: String(concurrency),
    QUEUE_SERVING_PORT: String(ports.serving),
    QUEUE_SERVING_TLS_PORT: String(ports.tls),
    USER_PORT: String(ports.user),
    REVISION_TIMEOUT_SECONDS: '30',
    SERVING_READINESS_PROBE: '{"tcpSocket":{"host":"127.0.0.1"},"successThreshold":1}',
    SERVING_LOGGING_CONFIG: '{"outputPaths":["stdout"]}',
    SERVING_LOGGING_LEVEL: 'info',
    SERVING_NAMESPACE: 'default',
    SERVING_SERVICE: 'demo',
    SERVING_CONFIGURATION: 'demo',
    SERVING_REVISION: 'demo-00001',
    SERVING_POD: 'demo-pod',
    SERVING_POD_IP: '127.0.0.1',
    OBSERVABILITY_CONFIG: '{"requestMetrics":{"protocol":"prometheus"}}',
    POSTERN_ADMIN_PORT: String(ports.admin),
    POSTERN_AUTOSCALER_PORT: String(ports.autoscaler),
    POSTERN_METRICS_PORT: String(ports.metrics),
  }
}

export function startProxyProcess(ports: ProxyPorts, { policy, concurrency }: ProxySettings): ProxyProcess {
  const child = startChild('proxy', [postern, 'proxy', '--policy', policy], environment(ports, concurrency))
  return {
    child,
    refusals: () => child.lines.flatMap(line => refusalOf(line) ?? []),
    async ready() {
      await child.until('become ready', async () => (await probe(ports.serving)).status === 200 || undefined)
    },
    async stop() {
      // The first TERM would drain for half a minute; the second one says that nobody waits for it.
      child.signal('SIGTERM')
      const heard = child.until('hear TERM', () => child.lines.find(line => line.includes(termHeard)))
      await Promise.race([child.exit, heard.catch(() => {})])
      child.signal('SIGTERM')
      await child.exit
    },
  }
}

/** In a list, so that it can be looked for among lines. */
function refusalOf(line: string): [string[]] | undefined {
  try {
    const { code, reasons } = JSON.parse(line)
    return code === 'upstream-untrusted' && Array.isArray(reasons)
      ? [reasons.map((reason: { rule: string }) => reason.rule)]
      : undefined
  } catch {
    return undefined
  }
}
