// The autoscaler's view: one `metrics.Stat` message (knative/serving pkg/autoscaler/metrics/stat.proto, proto3), written
// by hand: six fields, zero values left out. The scraper takes exactly this content type and at most 336 bytes.

/** What a finished window says; the same shape as the gate's. */
export interface StatWindow {
  readonly averageConcurrency: number
  readonly averageProxiedConcurrency: number
  readonly requests: number
  readonly proxiedRequests: number
  readonly uptimeSeconds: number
}

export const statContentType = 'application/protobuf'

/** Field numbers of metrics.Stat. Field 7, the timestamp, is never set by a queue-proxy. */
const field = {
  podName: 1,
  averageConcurrentRequests: 2,
  averageProxiedConcurrentRequests: 3,
  requestCount: 4,
  proxiedRequestCount: 5,
  processUptime: 6,
} as const

const lengthDelimited = 2
const fixed64 = 1

/** @param window undefined before the first one has ended: then only the pod's name is told */
export function encodeStat(podName: string, window: StatWindow | undefined): Buffer {
  const parts = [text(field.podName, podName)]
  if (window) {
    parts.push(
      double(field.averageConcurrentRequests, window.averageConcurrency),
      double(field.averageProxiedConcurrentRequests, window.averageProxiedConcurrency),
      double(field.requestCount, window.requests),
      double(field.proxiedRequestCount, window.proxiedRequests),
      double(field.processUptime, window.uptimeSeconds),
    )
  }
  return Buffer.concat(parts)
}

function text(number: number, value: string): Buffer {
  if (value === '') return Buffer.alloc(0)
  const bytes = Buffer.from(value, 'utf8')
  return Buffer.concat([Buffer.from([(number << 3) | lengthDelimited]), varint(bytes.length), bytes])
}

function double(number: number, value: number): Buffer {
  if (value === 0) return Buffer.alloc(0)
  const bytes = Buffer.alloc(9)
  bytes[0] = (number << 3) | fixed64
  bytes.writeDoubleLE(value, 1)
  return bytes
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let left = value
  for (; left > 0x7f; left >>>= 7) bytes.push((left & 0x7f) | 0x80)
  bytes.push(left)
  return Buffer.from(bytes)
}
