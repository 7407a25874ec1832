// The side ports: 8022, where the container's preStop hook waits for the drain; 9090, where the autoscaler looks; 9091
// for Prometheus. All plain HTTP, because those who ask speak nothing else; none of them says more than counts.

import type { Server } from 'node:http'
import { plainText, sideServer } from '../base/http.ts'
import type { Log } from '../base/log.ts'
import type { Drain } from '../gate/drain.ts'
import type { Stats } from '../gate/stats.ts'
import { encodeStat, statContentType } from '../observe/autoscaler.ts'
import type { Metrics } from '../observe/metrics.ts'

export function drainServer(drain: Drain, metrics: Pick<Metrics, 'misusedHook'>, log: Log): Server {
  return sideServer({
    path: '/wait-for-drain',
    async answer() {
      // The Go proxy dumps the whole request here; whoever can reach the port could write into our log.
      log.info('Attached drain handler from user-container')
      const outcome = await drain.hook()
      if (outcome !== 'too-many') return { status: 200, body: '' }
      metrics.misusedHook()
      return plainText(429, 'too many drain hooks wait already\n')
    },
  })
}

export function autoscalerServer(pod: string, stats: Stats): Server {
  return sideServer({
    path: '/metrics',
    answer: () => ({ status: 200, contentType: statContentType, body: encodeStat(pod, stats.latest) }),
  })
}

export function metricsServer(metrics: Pick<Metrics, 'text' | 'contentType'>): Server {
  return sideServer({
    path: '/metrics',
    async answer(request) {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return {
          status: 405,
          contentType: 'text/plain; charset=utf-8',
          headers: { Allow: 'GET, HEAD', 'X-Content-Type-Options': 'nosniff' },
          body: 'Method Not Allowed\n',
        }
      }
      return { status: 200, contentType: metrics.contentType, body: await metrics.text() }
    },
  })
}
