// A stand-in for Knative's autoscaler: scrapes 9090 each second, as the real one does, and remembers what it saw.

import { get } from 'node:http'

export interface Seen {
  readonly pod: string
  readonly concurrency: number
  readonly requestsPerSecond: number
  readonly uptimeSeconds: number
}

export interface Watcher {
  readonly latest: () => Seen | undefined
  /** Most requests in one second, and highest average concurrency, since the start. */
  readonly peak: () => { readonly requestsPerSecond: number; readonly concurrency: number }
  stop(): void
}

/** Reads a metrics.Stat message; undefined where it is none. */
export function decodeStat(bytes: Uint8Array): Seen | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const doubles = new Map<number, number>()
  let pod = ''
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at++] ?? 0
    if ((tag & 7) === 1 && at + 8 <= bytes.length) {
      doubles.set(tag >> 3, view.getFloat64(at, true))
      at += 8
    } else if ((tag & 7) === 2) {
      const length = bytes[at++] ?? 0
      if (at + length > bytes.length) return undefined
      pod = Buffer.from(bytes.subarray(at, at + length)).toString('utf8')
      at += length
    } else {
      return undefined
    }
  }
  const value = (field: number): number => doubles.get(field) ?? 0
  return { pod, concurrency: value(2), requestsPerSecond: value(4), uptimeSeconds: value(6) }
}

export function watchAutoscaler(port: number): Watcher {
  let latest: Seen | undefined
  let requestsPerSecond = 0
  let concurrency = 0
  const scrape = (): void => {
    const ask = get({ host: '127.0.0.1', port, path: '/metrics', timeout: 900 }, response => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => {
        latest = decodeStat(Buffer.concat(parts)) ?? latest
        requestsPerSecond = Math.max(requestsPerSecond, latest?.requestsPerSecond ?? 0)
        concurrency = Math.max(concurrency, latest?.concurrency ?? 0)
      })
    })
    ask.on('error', () => {})
    ask.on('timeout', () => ask.destroy())
  }
  const timer = setInterval(scrape, 1000)
  return {
    latest: () => latest,
    peak: () => ({ requestsPerSecond, concurrency }),
    stop: () => clearInterval(timer),
  }
}
