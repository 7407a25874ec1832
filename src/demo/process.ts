// The proxy of the demo: the very command that a pod runs, as a process of its own, with the environment that Knative's
// controller would give it.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Fault } from '../base/errors.ts'
import type { DemoPorts } from './ports.ts'
import { probe } from './visitor.ts'

export interface ProxyProcess {
  /** Resolves when the kubelet would call the pod ready. @throws Fault 'internal' with what the proxy said */
  ready(): Promise<void>
  /** The rules of each refusal that the proxy has logged. */
  readonly refusals: () => readonly string[][]
  stop(): Promise<void>
}

const readyMs = 20_000

function environment(ports: DemoPorts, concurrency: number): Record<string, string> {
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

export function startProxyProcess(ports: DemoPorts, concurrency: number): ProxyProcess {
  const main = fileURLToPath(new URL('../postern.js', import.meta.url))
  const child = spawn(process.execPath, [main, 'proxy', '--policy', 'demo'], {
    env: environment(ports, concurrency),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const refusals: string[][] = []
  let said = ''
  let unfinished = ''
  child.stderr.on('data', text => {
    said += text
  })
  child.stdout.on('data', text => {
    const lines = (unfinished + text).split('\n')
    unfinished = lines.pop() ?? ''
    for (const line of lines) {
      const refusal = refusalOf(line)
      if (refusal) refusals.push(refusal)
    }
  })
  const exited = new Promise<void>(resolve => child.on('exit', () => resolve()))
  return {
    refusals: () => refusals,
    async ready() {
      for (const until = Date.now() + readyMs; Date.now() < until; ) {
        if (child.exitCode !== null) break
        const answer = await probe(ports.serving)
        if (answer.status === 200) return
        await new Promise(resolve => setTimeout(resolve, 50))
      }
      throw new Fault('internal', `the proxy did not become ready: ${said.trim() || 'it said nothing'}`)
    },
    async stop() {
      // The first TERM would drain for half a minute; the second one says that nobody waits for it.
      child.kill('SIGTERM')
      setTimeout(() => child.kill('SIGTERM'), 100)
      await exited
    },
  }
}

function refusalOf(line: string): string[] | undefined {
  try {
    const { code, reasons } = JSON.parse(line)
    return code === 'upstream-untrusted' && Array.isArray(reasons)
      ? reasons.map((reason: { rule: string }) => reason.rule)
      : undefined
  } catch {
    return undefined
  }
}
