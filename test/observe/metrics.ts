import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import type { Summary } from '../../src/gate/contract.ts'
import { type Metrics, type MetricsOptions, makeMetrics } from '../../src/observe/metrics.ts'
import { head } from '../support/gate.ts'

const info = { version: '1', policy: 'demo', policy_digest: 'ab', upstream: 'attested', tee: 'none' }

const make = (options: Partial<MetricsOptions> = {}): Metrics =>
  makeMetrics({ inFlight: () => 0, limited: true, connections: () => 0, info, ...options })

const summary: Summary = {
  head: head(),
  end: 'complete',
  status: 200,
  responded: true,
  counted: true,
  admitted: true,
  forwarded: true,
  totalMs: 80,
  durationMs: 60,
  headMs: 50,
  retries: 0,
  bytesReceived: 0,
  bytesSent: 0,
  fault: undefined,
}

/** The samples of a series, without help and type. */
async function samples(metrics: Metrics, name: string): Promise<string[]> {
  const lines = (await metrics.text()).split('\n')
  return lines.filter(line => line.startsWith(name)).map(line => line.slice(name.length))
}

const duration = 'kn_serving_invocation_duration_seconds'

t.test('the time of the container, by status, in the buckets of the Go proxy', async t => {
  const metrics = make()
  metrics.recorder.finished(summary)
  metrics.recorder.finished({ ...summary, status: 503, durationMs: 20_000 })
  const buckets = (await samples(metrics, `${duration}_bucket`)).filter(line => line.includes('"200"'))
  t.same(
    buckets.map(line => /le="([^"]*)"/.exec(line)?.[1]),
    ['0.005', '0.01', '0.025', '0.05', '0.075', '0.1', '0.25', '0.5', '0.75', '1', '2.5', '5', '7.5', '10', '+Inf'],
  )
  t.same(
    buckets.map(line => line.at(-1)),
    [...'000011111111111'],
  )
  t.same(await samples(metrics, `${duration}_sum`), [
    '{http_response_status_code="200"} 0.06',
    '{http_response_status_code="503"} 20',
  ])
})

t.test('who was never admitted has no such time, but an end', async t => {
  const metrics = make()
  metrics.recorder.finished({ ...summary, end: 'answered', status: 503, admitted: false })
  t.same(await samples(metrics, `${duration}_count`), [])
  t.same(await samples(metrics, 'postern_requests_total'), ['{end="answered"} 1'])
})

const series: [name: string, act: (metrics: Metrics) => void, series: string, expected: string[]][] = [
  [
    'faults are counted by their code',
    ({ recorder }) => recorder.finished({ ...summary, fault: new Fault('upstream-reset', 'secret') }),
    'postern_faults_total',
    ['{code="upstream-reset"} 1'],
  ],
  [
    'retries are counted',
    ({ recorder }) => recorder.finished({ ...summary, retries: 2 }),
    'postern_upstream_retries_total',
    [' 2'],
  ],
  [
    'a refused peer counts once for each rule that it broke',
    ({ peerRefused }) => peerRefused(['mrenclave', 'debug', 'mrenclave']),
    'postern_upstream_refused_total',
    ['{rule="mrenclave"} 1', '{rule="debug"} 1'],
  ],
  ['refused plaintext', ({ plaintextRefused }) => plaintextRefused(), 'postern_plaintext_refused_total', [' 1']],
  ['hooks beyond the bound', ({ misusedHook }) => misusedHook(), 'postern_drain_hooks_refused_total', [' 1']],
  [
    'the end of the certificate, in seconds',
    ({ certificate }) => certificate(1_800_000_000_500),
    'postern_certificate_not_after_timestamp_seconds',
    [' 1800000000.5'],
  ],
  ['failed renewals', ({ certificateFailed }) => certificateFailed(), 'postern_certificate_failures_total', [' 1']],
]
for (const [name, act, series_, expected] of series) {
  t.test(name, async t => {
    const metrics = make()
    act(metrics)
    t.same(await samples(metrics, series_), expected)
  })
}

t.test('gauges are read when asked', async t => {
  let value = 3
  const metrics = make({ inFlight: () => value, connections: () => value + 1 })
  t.same(await samples(metrics, 'kn_serving_queue_depth'), [' 3'])
  value = 5
  t.same(await samples(metrics, 'kn_serving_queue_depth'), [' 5'])
  t.same(await samples(metrics, 'postern_connections'), [' 6'])
})

t.test('without a limit there is no queue', async t => {
  t.notMatch(await make({ limited: false }).text(), 'kn_serving_queue_depth')
})

t.test('what runs is told', async t => {
  const expected = '{version="1",policy="demo",policy_digest="ab",upstream="attested",tee="none"} 1'
  t.same(await samples(make(), 'postern_info'), [expected])
})

t.test('the type is that of the text format', async t => {
  t.match(make().contentType, /^text\/plain; version=0\.0\.4; charset=utf-8$/)
})

t.test('every label is one of a closed set, or a status of three digits', async t => {
  const metrics = make()
  for (const status of [0, 200, 499, 999]) metrics.recorder.finished({ ...summary, status, retries: 1 })
  metrics.recorder.finished({ ...summary, fault: new Fault('internal', 'x') })
  metrics.peerRefused(['debug'])
  const text = await metrics.text()
  t.same(new Set(text.match(/(?<=status_code=")[^"]*/g)), new Set(['0', '200', '499', '999']))
  t.same([...new Set(text.match(/(?<=[{,])[a-z_]+(?==")/g))].sort(), [
    'code',
    'end',
    'http_response_status_code',
    'le',
    'policy',
    'policy_digest',
    'rule',
    'tee',
    'upstream',
    'version',
  ])
})

t.test('two of them do not meet in one registry', async t => {
  make().recorder.finished(summary)
  t.same(await samples(make(), 'postern_requests_total'), [])
})
