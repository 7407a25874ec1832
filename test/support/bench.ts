// Results that look like real ones, for tests of what is made of them: noise as on a shared machine, the same every time.

import type { LegName } from '../../bench/legs.ts'
import { quantiles } from '../../bench/load/latency.ts'
import type { Result, Sample, Series } from '../../bench/result.ts'
import { scenarios } from '../../bench/scenarios.ts'
import { type Random, seeded } from '../../bench/stats/random.ts'

/** A factor around 1: a few per cent either way, and now and then a round in which somebody else was busy. */
export function noise(random: Random, spread = 0.025): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const disturbed = random() < 0.05 ? 1 + random() * 0.3 : 1
  return Math.exp(normal * spread) * disturbed
}

interface Made {
  readonly scenario?: string
  readonly leg?: LegName
  readonly contender: string
  readonly controlOf?: string
  /** True cost, µs a request. */
  readonly us: number
  readonly rounds?: number
  readonly latencyMs?: number
}

export function makeSeries(random: Random, made: Made): Series {
  const { scenario = 'small-c32', leg = 'h-h', contender, controlOf, us, rounds = 9, latencyMs } = made
  const samples = Array.from({ length: rounds }, (_, i): Sample => {
    const requests = Math.round(1_000_000 / us)
    return {
      round: i + 1,
      requests,
      seconds: 1,
      errors: 0,
      cpuUs: requests * us * noise(random),
      waitedUs: 20_000,
      rssKiB: 90_000,
      threads: 7,
      ...(latencyMs !== undefined && {
        latency: {
          count: requests,
          meanUs: latencyMs * 1_100,
          maxUs: latencyMs * 30_000,
          percentilesUs: quantiles.map(
            q => (latencyMs * 1_000 * noise(random)) / (1 - Math.min(q, 99.99) / 100) ** 0.3,
          ),
        },
      }),
    }
  })
  const syscalls =
    scenario === 'small-c32'
      ? { perf: { windows: [window(1_000), window(3_000)] as const, perRequest: { total: 4.1 } } }
      : {}
  return { scenario, leg, contender, samples, syscalls, ...(controlOf !== undefined && { controlOf }) }
}

const window = (requests: number) => ({ requests, counts: { total: requests * 4.1 } })

/** A whole result around these series. */
export function makeResult(series: readonly Series[]): Result {
  const names = [...new Set(series.map(({ scenario }) => scenario))]
  const contenders = [...new Set(series.filter(each => !each.controlOf).map(({ contender }) => contender))]
  return {
    version: 2,
    date: '2026-01-02T03:04:05.678Z',
    complete: true,
    tookSeconds: 100,
    machine: {
      cpu: 'A <CPU> & more',
      cores: 2,
      memoryMiB: 8_000,
      kernel: '6.1',
      node: '24.17.0',
      openssl: '3.5.0',
      tools: {
        nginx: '1.22',
        haproxy: 'missing',
        wrk: '4.1',
        h2load: 'missing',
        taskset: '2.38',
        strace: '6.1',
        perf: '6.1',
      },
      commit: '0123456789abcdef0123456789abcdef01234567',
      dirty: false,
      runs: 'sources',
      loadBefore: 0.1,
    },
    flags: { quick: true },
    method: { cores: 'proxy on core 0, load and backend on 1', seed: 1, rounds: 9, seconds: 1, warmUpSeconds: 1 },
    scenarios: scenarios.filter(({ name }) => names.includes(name)),
    contenders: contenders.map(name => ({ name, summary: `the ${name}`, version: '1' })),
    skipped: [{ what: 'somebody', why: 'not found: apt-get install somebody' }],
    failures: [],
    series,
    checks: [],
  }
}

/** One with most of what a report can show. */
export function sampleResult(): Result {
  const random = seeded(5)
  const costs: Readonly<Record<string, number>> = {
    bytes: 20,
    undici: 45,
    nginx: 15,
    'go-queue-proxy': 65,
    'http-proxy': 80,
  }
  const everybody = Object.entries(costs)
  const closed = ['small-c1', 'small-c32', 'small-c100', '1m'].flatMap((scenario, i) =>
    (['h-h', 'h-tls'] as const).flatMap(leg =>
      everybody
        .filter(([name]) => leg === 'h-h' || name !== 'go-queue-proxy')
        .map(([contender, us]) =>
          makeSeries(random, { scenario, leg, contender, us: us * (i === 3 ? 40 : 3 - i * 0.8) }),
        ),
    ),
  )
  const open = everybody.map(([contender, us]) =>
    makeSeries(random, { scenario: 'rate-1000', contender, us, latencyMs: us / 100 }),
  )
  const ladder = ['plain', '+ TLS to the container', '+ attested'].map((contender, i) =>
    makeSeries(random, { scenario: 'ladder', leg: i === 0 ? 'h-h' : 'h-tls', contender, us: 20 + i * 6 }),
  )
  const copy = makeSeries(random, { contender: 'bytes (control)', controlOf: 'bytes', us: 20 * (3 - 0.8) })
  return makeResult([...closed, copy, ...open, ...ladder])
}
