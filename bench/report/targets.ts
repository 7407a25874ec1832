// What our fast engine is to reach, as a checked table: each row a figure of this run against a bound. Bounds are
// multiples of others measured in the same rounds, where they can be; microseconds do not travel between machines.

import type { LegName } from '../legs.ts'
import type { Series } from '../result.ts'
import { compareSeries } from '../stats/difference.ts'
import { type Estimate, estimate } from '../stats/estimate.ts'
import { type FigureName, figures, syscallsOf, valuesOf } from '../stats/figures.ts'
import { type Cells, number, percent, withInterval } from './format.ts'
import type { View } from './view.ts'

const engine = 'bytes'
const streams = 'bytes-streams'
const image = 'bytes-image'

interface Place {
  readonly scenario: string
  readonly leg: LegName
  readonly contender: string
}

interface Target {
  readonly what: string
  readonly must: number
  readonly aim?: number
  readonly of: (view: View) => Estimate | undefined
}

const at = (scenario: string, leg: LegName, contender = engine): Place => ({ scenario, leg, contender })
const find = (view: View, { scenario, leg, contender }: Place): Series | undefined =>
  view.series(scenario, leg, contender)

/** As a multiple of another's. */
const times =
  (mine: Place, theirs: Place, figure: FigureName = 'cpu'): Target['of'] =>
  view => {
    const [a, b] = [find(view, mine), find(view, theirs)]
    return a && b ? compareSeries(a, b, figures[figure], 0) : undefined
  }

const value =
  (mine: Place, figure: FigureName): Target['of'] =>
  view => {
    const found = find(view, mine)
    return found && estimate(valuesOf(found, figures[figure]))
  }

function calls(view: View): Estimate | undefined {
  const found = find(view, at('small-c32', 'h-tls'))
  const median = found && syscallsOf(found)
  return median === undefined ? undefined : { median, low: median, high: median, count: 1 }
}

const go = 'go-queue-proxy'

const targets: readonly Target[] = [
  {
    ...{ what: 'small, h→TLS attested ÷ Go h→h', must: 0.26, aim: 0.2 },
    of: times(at('small-c32', 'h-tls'), at('small-c32', 'h-h', go)),
  },
  {
    ...{ what: 'small, h→TLS attested ÷ nginx h→TLS', must: 1.15, aim: 0.95 },
    of: times(at('small-c32', 'h-tls'), at('small-c32', 'h-tls', 'nginx')),
  },
  {
    ...{ what: 'the same on documented API alone ÷ Go h→h', must: 0.32, aim: 0.26 },
    of: times(at('small-c32', 'h-tls', streams), at('small-c32', 'h-h', go)),
  },
  {
    ...{ what: 'the same on documented API alone ÷ nginx h→TLS', must: 1.4, aim: 1.2 },
    of: times(at('small-c32', 'h-tls', streams), at('small-c32', 'h-tls', 'nginx')),
  },
  {
    ...{ what: 'small, TLS→TLS ÷ Go TLS→h', must: 0.4, aim: 0.28 },
    of: times(at('small-c32', 'tls-tls'), at('small-c32', 'tls-h', go)),
  },
  { what: 'system calls per request, h→TLS', must: 4.3, aim: 4.1, of: calls },
  {
    ...{ what: '10 KiB, h→TLS ÷ nginx', must: 1.15, aim: 0.9 },
    of: times(at('10k', 'h-tls'), at('10k', 'h-tls', 'nginx')),
  },
  {
    ...{ what: '1 MiB, h→TLS ÷ nginx', must: 0.8, aim: 0.6 },
    of: times(at('1m', 'h-tls'), at('1m', 'h-tls', 'nginx')),
  },
  { what: '1 MiB, h→TLS ÷ Go h→h', must: 1.3, aim: 1, of: times(at('1m', 'h-tls'), at('1m', 'h-h', go)) },
  {
    ...{ what: '64 KiB POST, h→TLS ÷ nginx', must: 1.1, aim: 0.85 },
    of: times(at('post-64k', 'h-tls'), at('post-64k', 'h-tls', 'nginx')),
  },
  {
    ...{ what: 'new TLS connection per request, TLS→h ÷ Go', must: 1, aim: 0.7 },
    of: times(at('new-connections', 'tls-h'), at('new-connections', 'tls-h', go)),
  },
  {
    ...{ what: 'limit of 100 ÷ no limit, 100 connections, h→h', must: 1.05, aim: 1 },
    of: times(at('limited-c100', 'h-h'), at('small-c100', 'h-h')),
  },
  {
    ...{ what: 'p99 at 1,000 requests/s, h→TLS ÷ nginx', must: 1 },
    of: times(at('rate-1000', 'h-tls'), at('rate-1000', 'h-tls', 'nginx'), 'p99'),
  },
  {
    ...{ what: 'HTTP/2 on both legs, h→h ÷ Go', must: 0.75, aim: 0.5 },
    of: times(at('http2', 'h-h'), at('http2', 'h-h', go)),
  },
  {
    ...{ what: 'HTTP/2 on both legs, h→TLS attested ÷ Go h→h', must: 1, aim: 0.5 },
    of: times(at('http2', 'h-tls'), at('http2', 'h-h', go)),
  },
  // Of what ships: the command takes more of both.
  {
    ...{ what: 'resident memory after load, 100 connections, h→TLS, MiB', must: 95.4, aim: 57.2 },
    of: value(at('memory', 'h-tls', image), 'rss'),
  },
  { what: 'resident memory after the start, h→h, MiB', must: 57.2, of: value(at('start', 'h-h', image), 'rss') },
  { what: 'start to first answer, h→h, ms', must: 150, of: value(at('start', 'h-h', image), 'start') },
  { what: 'the same of the command, with a certificate, ms', must: 350, of: value(at('start', 'h-tls'), 'start') },
]

/** Empty but for its head where the engine did not take part. */
export function targetTable(view: View): readonly Cells[] {
  const rows = targets.flatMap(({ what, must, aim, of }): Cells[] => {
    const found = of(view)
    if (!found) return []
    const { median } = found
    const aimed = aim === undefined ? '–' : number(aim)
    return [[what, number(must), aimed, withInterval(found), verdict(median, must, aim)]]
  })
  return [['', 'must', 'aim', 'measured', ''], ...rows]
}

function verdict(median: number, must: number, aim: number | undefined): string {
  const off = percent(Math.abs(median / must - 1))
  if (median > must) return `missed by ${off}`
  return aim !== undefined && median <= aim ? `met, and the aim; ${off} below` : `met, ${off} below`
}
