import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import type { Recorder, Summary } from '../../src/gate/contract.ts'
import { type Metrics, type MetricsOptions, makeMetrics } from '../../src/observe/metrics.ts'
import { linesOf, serving, summaryOf } from './summary.js'

const info = { version: '1', policy: 'demo', policy_digest: 'ab', upstream: 'attested', tee: 'none' }

const observability = {
  requestMetrics: 'prometheus',
  dialect: 'opentelemetry',
  fields: ['status', 'duration'],
} as const

const make = (options: Partial<MetricsOptions> = {}): Metrics & Recorder => {
  const upstream = { port: 8080, secure: true }
  const gauges = { inFlight: () => 0, limited: true, connections: () => 0 }
  const metrics = makeMetrics({ observability, serving, upstream, hosts: [], info, ...gauges, ...options })
  return { ...metrics, finished: each => metrics.recorders[0]?.finished(each) }
}

const summary: Summary = summaryOf()

/** The samples of a series, without help and type. */
async function samples(metrics: Metrics, name: string): Promise<string[]> {
  const lines = (await metrics.text()).split('\n')
  return lines.filter(line => line.startsWith(name)).map(line => line.slice(name.length))
}

const duration = 'kn_serving_invocation_duration_seconds'

t.test('who was never admitted has no time of the container, but an end', async t => {
  const metrics = make()
  metrics.finished({ ...summary, end: 'answered', status: 503, responded: false, admitted: false, forwarded: false })
  t.same(await samples(metrics, `${duration}_count`), [])
  t.same(await samples(metrics, 'postern_requests_total'), ['{end="answered"} 1'])
})

t.test('counters go on from page to page', async t => {
  const metrics = make()
  for (const end of ['complete', 'cut', 'complete'] as const) {
    metrics.finished({ ...summary, end, retries: 1 })
    await metrics.text()
  }
  t.same(await samples(metrics, 'postern_requests_total'), ['{end="complete"} 2', '{end="cut"} 1'])
  t.same(await samples(metrics, 'postern_upstream_retries_total'), [' 3'])
})

const series: [name: string, act: (metrics: Metrics & Recorder) => void, series: string, expected: string[]][] = [
  [
    'faults are counted by their code',
    metrics => metrics.finished({ ...summary, fault: new Fault('upstream-reset', 'secret') }),
    'postern_faults_total',
    ['{code="upstream-reset"} 1'],
  ],
  [
    'retries are counted',
    metrics => metrics.finished({ ...summary, retries: 2 }),
    'postern_upstream_retries_total',
    [' 2'],
  ],
  [
    'a refused peer counts once for each rule that it broke',
    ({ peerRefused }) => peerRefused(['mrenclave', 'debug', 'mrenclave']),
    'postern_upstream_refused_total',
    ['{rule="mrenclave"} 1', '{rule="debug"} 1'],
  ],
  [
    'refused clients',
    ({ clientRefused }) => clientRefused(['san', 'san', 'chain']),
    'postern_clients_refused_total',
    ['{rule="san"} 1', '{rule="chain"} 1'],
  ],
  ['refused plaintext', ({ plaintextRefused }) => plaintextRefused(), 'postern_plaintext_refused_total', [' 1']],
  [
    'abuse of HTTP/2',
    ({ misbehaved }) => misbehaved('reset-flood'),
    'postern_http2_abuse_total',
    ['{kind="reset-flood"} 1'],
  ],
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
  t.match(await samples(metrics, 'kn_serving_queue_depth'), [/ 3$/])
  value = 5
  t.match(await samples(metrics, 'kn_serving_queue_depth'), [/ 5$/])
  t.same(await samples(metrics, 'postern_connections'), [' 6'])
})

t.test('the age of our own evidence is known from the first quote on', async t => {
  let at: number | undefined
  const metrics = make({ evidenceMadeAt: () => at })
  t.same(await samples(metrics, 'postern_evidence_created_timestamp_seconds'), [' 0'])
  at = 1_767_225_600_500
  t.same(await samples(metrics, 'postern_evidence_created_timestamp_seconds'), [' 1767225600.5'])
  t.same(await samples(make(), 'postern_evidence_created_timestamp_seconds'), [], 'and where there is none, no series')
})

t.test('without a limit there is no queue', async t => {
  t.notMatch(await make({ limited: false }).text(), 'kn_serving_queue_depth')
})

t.test('what runs is told', async t => {
  const expected = '{version="1",policy="demo",policy_digest="ab",upstream="attested",tee="none"} 1'
  t.same(await samples(make(), 'postern_info'), [expected])
})

t.test('the type is what Go says', async t => {
  t.equal(make().contentType, 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores')
})

t.test('families are sorted by name, and each is told once', async t => {
  const metrics = make({ observability: { ...observability, fields: ['*'] } })
  metrics.finished(summary)
  const text = await metrics.text()
  const names = linesOf(text, '# TYPE').map(line => line.split(' ')[2])
  t.same(names, [...new Set(names)].sort())
  t.ok(names.length > 15)
  t.notMatch(text, '\n\n')
  t.match(text, /[^\n]\n$/)
})

t.test('older releases have their own names', async t => {
  const metrics = make({ observability: { ...observability, dialect: 'opencensus' } })
  metrics.finished(summary)
  t.match(await metrics.text(), 'revision_app_request_count')
  t.same(await samples(metrics, 'kn_serving'), [])
})

t.test('where nobody will ask, nothing is counted', async t => {
  t.same(make({ observability: { ...observability, requestMetrics: 'none' } }).recorders, [])
})

t.test('every label is one of a closed set, or a status of three digits', async t => {
  const fields = ['method', 'status', 'route', 'bytes', 'duration', 'traceId']
  const metrics = make({ observability: { ...observability, fields } })
  const request = {
    method: 'EVIL',
    target: '/evil',
    fields: ['Host', 'evil', 'Knative-Serving-Tag', 'evil', 'Traceparent', '00-evil-evil-00', 'User-Agent', 'evil'],
  }
  for (const status of [200, 499, 999]) metrics.finished(summaryOf({ status, retries: 1 }, request))
  metrics.finished(summaryOf({ end: 'cut', fault: new Fault('internal', 'evil') }, request))
  metrics.peerRefused(['debug'])
  const text = await metrics.text()
  t.notMatch(text, /evil/i)
  t.same(new Set(text.match(/(?<=status_code=")[^"]*/g)), new Set(['200', '499', '500', '999']))
  t.same(
    [...new Set(text.match(/(?<=[{,])[a-z_0-9]+(?==")/g))]
      .filter(name => !/^(k8s|kn|otel|telemetry)_/.test(name))
      .sort(),
    [
      'code',
      'container_name',
      'end',
      'error_type',
      'http_request_method',
      'http_response_status_code',
      'le',
      'network_protocol_name',
      'network_protocol_version',
      'policy',
      'policy_digest',
      'rule',
      'server_address',
      'server_port',
      'service_instance_id',
      'service_name',
      'service_version',
      'tee',
      'upstream',
      'url_scheme',
      'version',
    ],
  )
})

t.test('two of them do not meet in one registry', async t => {
  make().finished(summary)
  t.same(await samples(make(), 'postern_requests_total'), [])
})

t.test('collateral: when the first of it ends, what fails, who was asked; and how wrong the clock is', async t => {
  let standing: { endsAt: number | undefined; failing: number } = { endsAt: undefined, failing: 1 }
  let behind = 0
  const metrics = make({ collateral: () => standing, clockBehind: () => behind })
  const read = async (name: string) => samples(metrics, `postern_${name} `)
  t.same(await read('collateral_next_update_timestamp_seconds'), ['0'], 'nothing is in force')
  t.same(await read('collateral_failing'), ['1'])
  t.same(await read('clock_behind_seconds'), ['0'])
  standing = { endsAt: 1_800_000_000_000, failing: 0 }
  behind = 1500
  metrics.collateralAsked('pcs', 'newer')
  metrics.collateralAsked('pcs', 'newer')
  metrics.collateralAsked('stapled', 'failed')
  t.same(await read('collateral_next_update_timestamp_seconds'), ['1800000000'])
  t.same(await read('collateral_failing'), ['0'])
  t.same(await read('clock_behind_seconds'), ['1.5'])
  t.same(await samples(metrics, 'postern_collateral_requests_total'), [
    '{source="pcs",outcome="newer"} 2',
    '{source="stapled",outcome="failed"} 1',
  ])
  t.notMatch(await make().text(), /postern_collateral_(?:next|failing)/, 'where none is kept, nothing is told of it')
})
