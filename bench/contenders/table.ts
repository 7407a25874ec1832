// Who is measured: one row a contender, each a process that listens on a plain and a TLS port and forwards to the backend.
// All stand idle beside the one under load. Another proxy is another row here, or a description file (custom.ts).

import type { Contender } from './contender.ts'
import { go } from './go.ts'
import { gramine } from './gramine.ts'
import { haproxy } from './haproxy.ts'
import { httpProxy } from './http-proxy.ts'
import { image } from './image.ts'
import { nginx, nginxHttp2 } from './nginx.ts'
import { postern } from './postern.ts'

/** Where a second opinion is worth the time. */
const closely: Contender['takesPart'] = scenario => scenario.closely

const direct: Contender = {
  name: 'direct',
  summary: 'no proxy: the load straight to the backend, the floor of rates and latencies',
  missing: () => undefined,
  cannot({ limit, kind, fresh, shape }, leg) {
    if (kind === 'http2') return 'its floor is that of the backend, which is heavier there'
    if (kind === 'idle' || fresh) return 'nothing of its own to measure'
    if (shape.path === '/close') return 'nothing behind it'
    if (leg === 'h-tls' || leg === 'tls-h') return 'one connection is plain or TLS, not both'
    return limit > 0 ? 'no limit' : undefined
  },
  fixedPorts: [],
  version: () => process.version,
  command: undefined,
}

export const contenders: readonly Contender[] = [
  postern('bytes', 'postern proxy --engine bytes, the default'),
  {
    ...postern('bytes-streams', "postern proxy --engine bytes-streams, on Node's documented API alone"),
    takesPart: closely,
  },
  postern('undici', 'postern proxy --engine undici, the reference engine'),
  gramine,
  image,
  go,
  nginx,
  nginxHttp2,
  haproxy,
  httpProxy,
  direct,
]

/** Ours, best first: the one that others are compared with, and that runs twice as the control. */
export const own: readonly string[] = ['bytes', 'bytes-streams', 'undici']
