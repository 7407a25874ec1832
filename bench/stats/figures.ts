// From samples to the figures that are reported, one number a sample.

import { type Latency, percentile } from '../load/latency.ts'
import type { Sample, Series } from '../result.ts'

const usPerSecond = 1_000_000

export interface Figure {
  readonly name: string
  readonly unit: string
  /** Whether more is worse: a claim says "slower" or "faster" by it. */
  readonly lessIsBetter: boolean
  /** Undefined where the sample does not tell. */
  readonly of: (sample: Sample) => number | undefined
}

const atQuantile = (latency: Latency | undefined, quantile: number): number | undefined =>
  latency && percentile(latency, quantile) / 1_000

export const figures = {
  cpu: {
    name: 'CPU per request',
    unit: 'µs',
    lessIsBetter: true,
    of: ({ cpuUs, requests }) => (cpuUs === null ? undefined : cpuUs / requests),
  },
  rate: {
    name: 'requests per second',
    unit: '/s',
    lessIsBetter: false,
    of: ({ requests, seconds }) => requests / seconds,
  },
  perCore: {
    name: 'requests per second of a whole core',
    unit: '/s',
    lessIsBetter: false,
    of: ({ cpuUs, requests }) => (cpuUs === null || cpuUs === 0 ? undefined : (requests / cpuUs) * usPerSecond),
  },
  busy: {
    name: 'core busy',
    unit: '%',
    lessIsBetter: true,
    of: ({ cpuUs, seconds }) => (cpuUs === null ? undefined : (cpuUs / (seconds * usPerSecond)) * 100),
  },
  waited: {
    name: 'kept waiting',
    unit: '%',
    lessIsBetter: true,
    of: ({ waitedUs, seconds }) => (waitedUs === null ? undefined : (waitedUs / (seconds * usPerSecond)) * 100),
  },
  rss: {
    name: 'resident memory',
    unit: 'MiB',
    lessIsBetter: true,
    of: ({ rssKiB }) => (rssKiB === null ? undefined : rssKiB / 1_024),
  },
  grown: {
    name: 'memory beyond the start',
    unit: 'MiB',
    lessIsBetter: true,
    of: ({ rssKiB, baseRssKiB }) =>
      rssKiB === null || baseRssKiB === undefined ? undefined : (rssKiB - baseRssKiB) / 1_024,
  },
  perConnection: {
    name: 'memory per connection',
    unit: 'KiB',
    lessIsBetter: true,
    of: ({ rssKiB, baseRssKiB, requests }) =>
      rssKiB === null || baseRssKiB === undefined ? undefined : (rssKiB - baseRssKiB) / requests,
  },
  start: { name: 'first answer after', unit: 'ms', lessIsBetter: true, of: ({ startMs }) => startMs },
  startCpu: {
    name: 'CPU until then',
    unit: 'ms',
    lessIsBetter: true,
    of: ({ startMs, cpuUs }) => (startMs === undefined || cpuUs === null ? undefined : cpuUs / 1_000),
  },
  refused: {
    name: 'refused with 503',
    unit: '%',
    lessIsBetter: true,
    of: ({ refused, requests }) => (refused === undefined ? undefined : (refused / (refused + requests)) * 100),
  },
  p50: { name: 'p50', unit: 'ms', lessIsBetter: true, of: ({ latency }) => atQuantile(latency, 50) },
  p90: { name: 'p90', unit: 'ms', lessIsBetter: true, of: ({ latency }) => atQuantile(latency, 90) },
  p99: { name: 'p99', unit: 'ms', lessIsBetter: true, of: ({ latency }) => atQuantile(latency, 99) },
  p999: { name: 'p99.9', unit: 'ms', lessIsBetter: true, of: ({ latency }) => atQuantile(latency, 99.9) },
  max: { name: 'max', unit: 'ms', lessIsBetter: true, of: ({ latency }) => latency && latency.maxUs / 1_000 },
} as const satisfies Record<string, Figure>

export type FigureName = keyof typeof figures

/** All that the samples of a series tell of a figure. */
export function valuesOf({ samples }: Series, figure: Figure): number[] {
  return samples.map(figure.of).filter(value => value !== undefined)
}

/** By perf where it counted, else by strace. */
export function syscallsOf({ syscalls }: Series): number | undefined {
  return syscalls.perf?.perRequest['total'] ?? syscalls.strace?.perRequest['total']
}
