// The environment that Knative's controller gives a queue-proxy, for ours and for Go's.

import type { Site } from './contender.ts'

/** Request metrics on, as in most clusters; no request log, no tracing. */
export const observability = {
  requestMetrics: { protocol: 'prometheus' },
  metrics: { protocol: 'none' },
  tracing: { protocol: 'none' },
}

export function knativeEnv({ ports, backendPort, limit }: Site): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    CONTAINER_CONCURRENCY: String(limit),
    QUEUE_SERVING_PORT: String(ports.h),
    QUEUE_SERVING_TLS_PORT: String(ports.tls),
    USER_PORT: String(backendPort),
    REVISION_TIMEOUT_SECONDS: '300',
    REVISION_RESPONSE_START_TIMEOUT_SECONDS: '0',
    REVISION_IDLE_TIMEOUT_SECONDS: '0',
    SERVING_READINESS_PROBE: `{"tcpSocket":{"host":"127.0.0.1","port":${backendPort}},"successThreshold":1}`,
    SERVING_LOGGING_CONFIG: '',
    SERVING_LOGGING_LEVEL: 'info',
    SERVING_NAMESPACE: 'default',
    SERVING_SERVICE: 'bench',
    SERVING_CONFIGURATION: 'bench',
    SERVING_REVISION: 'bench-00001',
    SERVING_POD: 'bench-pod',
    SERVING_POD_IP: '127.0.0.1',
    ENABLE_HTTP2_AUTO_DETECTION: 'false',
    ENABLE_HTTP_FULL_DUPLEX: 'false',
    ENABLE_MULTI_CONTAINER_PROBES: 'false',
    OBSERVABILITY_CONFIG: JSON.stringify(observability),
  }
}
