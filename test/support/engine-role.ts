// The role proxy in this process, with a policy and a container port of the test's own, and a client for it.

import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Test } from 'tap'
import { freePorts } from '../../bench/machine/place.ts'
import { systemClock } from '../../src/base/clock.ts'
import { policyDigest, readPolicy } from '../../src/config/policy.ts'
import { readProxyConfig } from '../../src/config/proxy.ts'
import { demoProxy } from '../../src/demo/enclaves.ts'
import { makeBytesEngine } from '../../src/engine/bytes.ts'
import type { MakeEngine } from '../../src/engine/engine.ts'
import { startProxy } from '../../src/proxy/proxy.ts'

export interface Answer {
  readonly status: number
  readonly body: string
}

export interface Role {
  /** Where the container is expected. */
  readonly userPort: number
  readonly tlsPort: number
  readonly plainPort: number
  /** Log lines, as written. */
  readonly lines: readonly string[]
  ask(path: string): Promise<Answer>
  /** As the kubelet asks. */
  probe(): Promise<Answer>
  /** Puts the wall clock forward, as somebody does who is believed; no timer fires. */
  jump(ms: number): void
  /** One number from the metrics page; 0 where the line is not there. */
  metric(line: string): Promise<number>
}

const names = ['QUEUE_SERVING_PORT', 'QUEUE_SERVING_TLS_PORT', 'USER_PORT', 'POSTERN_ADMIN_PORT']
const more = ['POSTERN_AUTOSCALER_PORT', 'POSTERN_METRICS_PORT']

/** Starts the role under a policy's text until the test is over. @param probe of the container, as Knative declares it */
export async function startRole(
  t: Test,
  text: string,
  secure: boolean,
  makeEngine: MakeEngine = makeBytesEngine,
  probe: object = { tcpSocket: { host: '127.0.0.1' } },
): Promise<Role> {
  const environment: Record<string, string> = {
    CONTAINER_CONCURRENCY: '0',
    REVISION_TIMEOUT_SECONDS: '30',
    SERVING_READINESS_PROBE: JSON.stringify({ ...probe, successThreshold: 1, periodSeconds: 1, timeoutSeconds: 5 }),
    SERVING_LOGGING_CONFIG: '',
    SERVING_LOGGING_LEVEL: 'info',
    SERVING_NAMESPACE: 'default',
    SERVING_SERVICE: 'app',
    SERVING_CONFIGURATION: 'app',
    SERVING_REVISION: 'app-00001',
    SERVING_POD: 'app-pod',
    SERVING_POD_IP: '127.0.0.1',
    OBSERVABILITY_CONFIG: '{"requestMetrics":{"protocol":"prometheus"}}',
  }
  const ports: Record<string, number> = {}
  const portNames = [...names, ...more]
  const chosen = await freePorts(portNames.length)
  for (const [i, name] of portNames.entries()) {
    ports[name] = chosen[i] ?? 0
    environment[name] = String(ports[name])
  }
  const bytes = new TextEncoder().encode(text)
  const policy = readPolicy(bytes, 'test')
  const lines: string[] = []
  // An answer about readiness holds for a moment; each question here comes after it.
  let moved = 0
  let jumped = 0
  const running = await startProxy({
    config: readProxyConfig(name => environment[name], policy),
    policy,
    policyDigest: policyDigest(bytes),
    makeEngine,
    builtAfter: 0,
    clock: {
      ...systemClock,
      now: () => systemClock.now() + jumped,
      monotonic: () => systemClock.monotonic() + moved,
    },
    version: 'test',
    write: line => lines.push(line),
    writeError: line => lines.push(line),
    syntheticTee: demoProxy,
    certificateFolder: '/nonexistent',
  })
  t.teardown(() => running.abort())
  const port = (name: string): number => ports[name] ?? 0
  return {
    userPort: port('USER_PORT'),
    tlsPort: port('QUEUE_SERVING_TLS_PORT'),
    plainPort: port('QUEUE_SERVING_PORT'),
    lines,
    ask: path => ask(port(secure ? 'QUEUE_SERVING_TLS_PORT' : 'QUEUE_SERVING_PORT'), path, secure),
    probe() {
      moved += 1_000
      return ask(port('QUEUE_SERVING_PORT'), '/', false, {
        'User-Agent': 'kube-probe/1.34',
        'K-Network-Probe': 'queue',
      })
    },
    jump(ms) {
      jumped += ms
    },
    async metric(line) {
      const { body } = await ask(port('POSTERN_METRICS_PORT'), '/metrics', false)
      return Number(
        body
          .split('\n')
          .find(each => each.startsWith(`${line} `))
          ?.split(' ')
          .at(-1) ?? 0,
      )
    },
  }
}

function ask(port: number, path: string, secure: boolean, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, headers, agent: false as const }
    const done = (response: IncomingMessage): void => {
      let body = ''
      response.setEncoding('latin1')
      response.on('data', (chunk: string) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      response.on('error', reject)
    }
    const request = secure ? httpsRequest({ ...options, rejectUnauthorized: false }, done) : httpRequest(options, done)
    request.on('error', reject)
    request.end()
  })
}
