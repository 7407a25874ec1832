// From samples to rows, and from rows to a Markdown table. Medians, because the machine is shared; the range beside them,
// so that the reader sees how much they are worth; ratios pair by pair within a round, because rounds differ more than
// their halves do.

import type { Measurement, Result, Sample, Spread, SummaryRow } from './result.ts'
import { spread } from './result.ts'

const usPerSecond = 1_000_000

function cost(sample: Sample): number | undefined {
  return sample.cpuUs === null ? undefined : sample.cpuUs / sample.requests
}

function share(us: number | null, seconds: number): number | undefined {
  return us === null ? undefined : us / (seconds * usPerSecond)
}

export function summarise(measurements: readonly Measurement[], yardstick: string): SummaryRow[] {
  return measurements.flatMap(({ scenario, measured }) => {
    const standard = measured.find(({ contender }) => contender === yardstick)?.samples ?? []
    return measured.map(({ contender, samples, syscalls }): SummaryRow => {
      const ratios = samples.map(sample => {
        const other = standard.find(({ round }) => round === sample.round)
        const [ours, theirs] = [cost(sample), other && cost(other)]
        return ours === undefined || theirs === undefined ? undefined : ours / theirs
      })
      const { perf, strace } = syscalls
      return {
        scenario,
        contender,
        cpuUsPerRequest: spread(samples.map(cost)),
        ratio: spread(ratios),
        requestsPerSecond: spread(samples.map(({ requests, seconds }) => requests / seconds)) ?? none,
        busy: spread(samples.map(({ cpuUs, seconds }) => share(cpuUs, seconds))),
        waited: spread(samples.map(({ waitedUs, seconds }) => share(waitedUs, seconds))),
        syscallsPerRequest: perf?.perRequest['total'] ?? strace?.perRequest['total'] ?? null,
        errors: samples.reduce((sum, { errors }) => sum + errors, 0),
      }
    })
  })
}

const none: Spread = { median: 0, min: 0, max: 0 }

export function report(result: Result, yardstick: string): string {
  const { machine, method, skipped, summary } = result
  const head = [
    'scenario',
    'contender',
    'CPU µs/request',
    `÷ ${yardstick}`,
    'requests/s',
    'core busy',
    'kept waiting',
    'syscalls/request',
    'errors',
  ]
  const rows = summary.map(row => [
    row.scenario,
    row.contender,
    range(row.cpuUsPerRequest, 1),
    row.contender === yardstick ? '1' : range(row.ratio, 2),
    range(row.requestsPerSecond, 0),
    percent(row.busy),
    percent(row.waited),
    row.syscallsPerRequest === null ? '–' : row.syscallsPerRequest.toFixed(2),
    String(row.errors),
  ])
  return [
    `${machine.cpu}, ${machine.cores} cores, kernel ${machine.kernel}, Node ${machine.node}, load ${machine.loadBefore.toFixed(2)}`,
    `load ${method.load}, backend ${method.backend}, ${method.cores}; medians (min–max)`,
    '',
    ...[head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`),
    '',
    ...calls(result),
    ...skipped.map(({ what, why }) => `SKIPPED ${what}: ${why}`),
  ].join('\n')
}

/** Which calls they are, by strace: those that are at least every hundredth request's. */
function calls({ measurements }: Result): string[] {
  return measurements.flatMap(({ scenario, measured }) =>
    measured.flatMap(({ contender, syscalls }) => {
      const counts = Object.entries(syscalls.strace?.perRequest ?? {}).filter(([, count]) => count >= 0.01)
      if (counts.length === 0) return []
      return [
        `${scenario}, ${contender}, by strace: ${counts.map(([name, n]) => `${name} ${n.toFixed(2)}`).join(', ')}`,
      ]
    }),
  )
}

function percent(value: Spread | null): string {
  return value === null ? '–' : `${Math.round(value.median * 100)} %`
}

function range(value: Spread | null, digits: number): string {
  if (value === null) return '–'
  return `${value.median.toFixed(digits)} (${value.min.toFixed(digits)}–${value.max.toFixed(digits)})`
}
