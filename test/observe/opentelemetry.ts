import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import type { Summary } from '../../src/gate/contract.ts'
import type { DialectOptions } from '../../src/observe/dialect.ts'
import { openTelemetry } from '../../src/observe/opentelemetry.ts'
import type { HeadOptions } from '../support/gate.ts'
import { linesOf, refused, serving, summaryOf } from './summary.js'

const make = (options: Partial<DialectOptions> = {}) => {
  const dialect = openTelemetry({
    serving,
    version: '0.1.0',
    upstream: { port: 8080, secure: true },
    hosts: [],
    may: () => true,
    inFlight: () => 3,
    ...options,
  })
  return { ...dialect, text: () => dialect.pages.map(page => page.text()).join('') }
}

const http =
  'otel_scope_name="go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",otel_scope_schema_url="",otel_scope_version=""'
const queue = 'otel_scope_name="knative.dev/serving/pkg/queue",otel_scope_schema_url="",otel_scope_version=""'
const short = (line: string) =>
  line.replace(http, 'HTTP').replace(queue, 'QUEUE').replace('network_protocol_name="http",', '')

/** Counts of all series, with the scopes cut short. */
function counts(...requests: [over?: Partial<Summary>, request?: HeadOptions][]): string[] {
  const metrics = make()
  for (const [over, request] of requests) metrics.finished(summaryOf(over, request))
  return metrics
    .text()
    .split('\n')
    .filter(line => /_count\{/.test(line) && !line.includes('body_size'))
    .map(short)
}

const server = 'http_server_request_duration_seconds_count'
const client = 'http_client_request_duration_seconds_count'
const invocation = 'kn_serving_invocation_duration_seconds_count'
const upstream = 'server_address="127.0.0.1",server_port="8080",url_scheme="https"'
const other = 'server_address="_other",url_scheme="http"'
const off = 'kn_route_tag="kn:disabled",network_protocol_version="1.1",HTTP'

t.test('an ordinary request: as server, as client, and the time of the container', async t => {
  t.same(counts([]), [
    `${invocation}{http_response_status_code="200",QUEUE} 1`,
    `${server}{http_request_method="GET",http_response_status_code="200",${off},${other}} 1`,
    `${client}{http_request_method="GET",http_response_status_code="200",${off},${upstream}} 1`,
  ])
})

t.test('every family, its help and its buckets', async t => {
  const metrics = make()
  metrics.finished(summaryOf({ bytesReceived: 30, bytesSent: 260 }))
  const text = metrics.text()
  t.same(
    linesOf(text, '# HELP').map(line => line.slice(7)),
    [
      'kn_serving_invocation_duration_seconds The duration of task execution',
      'http_server_request_duration_seconds Duration of HTTP server requests.',
      'http_server_request_body_size_bytes Size of HTTP server request bodies.',
      'http_server_response_body_size_bytes Size of HTTP server response bodies.',
      'http_client_request_duration_seconds Duration of HTTP client requests.',
      'http_client_request_body_size_bytes Size of HTTP client request bodies.',
      'target_info Target metadata',
      'kn_serving_queue_depth Number of current requests in the queue',
    ],
  )
  const bounds = (name: string) => linesOf(text, `${name}_bucket`).map(line => /le="([^"]*)"/.exec(line)?.[1])
  const seconds = '0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 +Inf'.split(' ')
  t.same(bounds('kn_serving_invocation_duration_seconds'), seconds)
  t.same(bounds('http_client_request_duration_seconds'), seconds)
  const bytes = '0 5 10 25 50 75 100 250 500 750 1000 2500 5000 7500 10000 +Inf'.split(' ')
  t.same(bounds('http_server_request_body_size_bytes'), bytes)
  const sums = Object.fromEntries(
    [...text.matchAll(/^(\w+)_sum\{[^}]*\} (.*)$/gm)].map(([, name, sum]) => [name, Number(sum)]),
  )
  t.same(sums, {
    kn_serving_invocation_duration_seconds: 0.06,
    http_server_request_duration_seconds: 0.08,
    http_server_request_body_size_bytes: 30,
    http_server_response_body_size_bytes: 260,
    http_client_request_duration_seconds: 0.03,
    http_client_request_body_size_bytes: 30,
  })
})

t.test('what this is', async t => {
  t.same(linesOf(make().text(), 'target_info'), [
    'target_info{container_name="queue-proxy",k8s_namespace_name="shop",k8s_pod_name="cart-00001-x",' +
      'kn_configuration_name="cart-config",kn_revision_name="cart-00001",kn_service_name="cart",' +
      'service_instance_id="cart-00001-x",service_name="cart",service_version="0.1.0",telemetry_sdk_language="nodejs",' +
      'telemetry_sdk_name="postern",telemetry_sdk_version="0.1.0"} 1',
  ])
  const bare = make({ serving: { ...serving, service: '' } }).text()
  t.match(bare, 'service_name="cart-config"')
  t.notMatch(bare, 'kn_service_name')
})

t.test('the queue is told only where there is one', async t => {
  t.same(linesOf(make().text(), 'kn_serving_queue_depth').map(short), ['kn_serving_queue_depth{QUEUE} 3'])
  t.notMatch(make({ inFlight: undefined }).text(), 'queue_depth')
})

const rows: [name: string, over: Partial<Summary>, request: HeadOptions, expected: string[]][] = [
  [
    'turned away: no container',
    refused,
    {},
    [`${server}{http_request_method="GET",http_response_status_code="503",${off},${other}} 1`],
  ],
  [
    'a container that broke before its head: 502, and the code of the fault as its client',
    { end: 'upstream-failed', status: 502, responded: false, headMs: 0, fault: new Fault('upstream-reset', 'x') },
    {},
    [
      `${invocation}{http_response_status_code="502",QUEUE} 1`,
      `${server}{http_request_method="GET",http_response_status_code="502",${off},${other}} 1`,
      `${client}{error_type="upstream-reset",http_request_method="GET",${off},${upstream}} 1`,
    ],
  ],
  [
    'a response that broke off: 500 of the container, and the fault beside the status that was sent',
    { end: 'upstream-failed', fault: new Fault('upstream-closed', 'x') },
    {},
    [
      `${invocation}{http_response_status_code="500",QUEUE} 1`,
      `${server}{error_type="upstream-closed",http_request_method="GET",http_response_status_code="200",${off},${other}} 1`,
      `${client}{http_request_method="GET",http_response_status_code="200",${off},${upstream}} 1`,
    ],
  ],
  [
    'cut by a deadline after its head',
    { end: 'cut' },
    {},
    [
      `${invocation}{http_response_status_code="500",QUEUE} 1`,
      `${server}{error_type="cut",http_request_method="GET",http_response_status_code="200",${off},${other}} 1`,
      `${client}{http_request_method="GET",http_response_status_code="200",${off},${upstream}} 1`,
    ],
  ],
  [
    'out of time before its head',
    { end: 'answered', status: 504, responded: false },
    {},
    [
      `${invocation}{http_response_status_code="504",QUEUE} 1`,
      `${server}{http_request_method="GET",http_response_status_code="504",${off},${other}} 1`,
      `${client}{error_type="timeout",http_request_method="GET",${off},${upstream}} 1`,
    ],
  ],
  [
    'broken off before anything was sent: 500, and no status of a server that sent none',
    { end: 'cut', status: 0, responded: false },
    {},
    [
      `${invocation}{http_response_status_code="500",QUEUE} 1`,
      `${server}{http_request_method="GET",${off},${other}} 1`,
      `${client}{error_type="cut",http_request_method="GET",${off},${upstream}} 1`,
    ],
  ],
  [
    'a client that left is a 499',
    { end: 'client-left', status: 499, responded: false },
    {},
    [
      `${invocation}{http_response_status_code="499",QUEUE} 1`,
      `${server}{http_request_method="GET",http_response_status_code="499",${off},${other}} 1`,
      `${client}{error_type="client-left",http_request_method="GET",${off},${upstream}} 1`,
    ],
  ],
  [
    'a tunnel is a 101',
    { status: 101, end: 'cut' },
    { upgrade: true },
    [
      `${invocation}{http_response_status_code="101",QUEUE} 1`,
      `${server}{http_request_method="GET",http_response_status_code="101",${off},${other}} 1`,
      `${client}{http_request_method="GET",http_response_status_code="101",${off},${upstream}} 1`,
    ],
  ],
  [
    'a probe that was answered is in no series',
    { ...refused, status: 200 },
    { fields: ['K-Network-Probe', 'probe'] },
    [],
  ],
  [
    'a probe that passed is seen as its client only',
    { admitted: false, counted: false },
    { fields: ['K-Kubelet-Probe', 'x'] },
    [
      `${client}{http_request_method="GET",http_response_status_code="200",network_protocol_version="1.1",HTTP,${upstream}} 1`,
    ],
  ],
  [
    'other protocols, TLS, a tag, a name of ours',
    refused,
    {
      version: '2',
      secure: true,
      method: 'BREW',
      fields: ['Host', 'cart.shop', 'Knative-Serving-Tag', 'blue'],
    },
    [
      `${server}{http_request_method="_OTHER",http_response_status_code="503",kn_route_tag="blue",network_protocol_version="2.0",HTTP,server_address="cart.shop",url_scheme="https"} 1`,
    ],
  ],
  [
    'HTTP/1.0 is HTTP/1.1 to the container',
    {},
    { version: '1.0' },
    [
      `${invocation}{http_response_status_code="200",QUEUE} 1`,
      `${server}{http_request_method="GET",http_response_status_code="200",${off.replace('1.1', '1.0')},${other}} 1`,
      `${client}{http_request_method="GET",http_response_status_code="200",${off},${upstream}} 1`,
    ],
  ],
]
for (const [name, over, request, expected] of rows) {
  t.test(name, async t => t.same(counts([over, request]), expected))
}

t.test('different facts with the same labels are one series', async t => {
  t.same(
    counts([], [{}, { method: 'POST' }], [{ end: 'client-left' }]).filter(line => line.startsWith(invocation)),
    [`${invocation}{http_response_status_code="200",QUEUE} 3`],
  )
})

t.test('what the policy does not allow is no label and no series', async t => {
  const metrics = make({ may: field => field === 'status' || field === 'duration' })
  metrics.finished(summaryOf({}, { fields: ['Knative-Serving-Tag', 'blue', 'Host', 'evil'] }))
  const text = metrics.text()
  t.notMatch(text, /body_size|kn_route_tag|http_request_method|blue|evil/)
  t.match(text, 'http_response_status_code="200"')
  t.same(linesOf(make({ may: field => field === 'bytes' }).text(), 'kn_serving_invocation'), [])
  const bare = make({ may: field => field === 'bytes' })
  bare.finished(summaryOf())
  t.notMatch(bare.text(), /duration|status_code/)
})

t.test('with `route` a tag is known by its kind, with `*` by its name', async t => {
  const shown = (may: DialectOptions['may']) => {
    const metrics = make({ may })
    metrics.finished(summaryOf(refused, { fields: ['Knative-Serving-Tag', 'secret'] }))
    metrics.finished(summaryOf(refused))
    return [...new Set(metrics.text().match(/(?<=kn_route_tag=")[^"]*/g))].sort()
  }
  t.same(
    shown(field => field !== '*'),
    ['_other', 'kn:disabled'],
  )
  t.same(
    shown(() => true),
    ['kn:disabled', 'secret'],
  )
})

t.test('whatever clients and containers send, the page stays small', async t => {
  const metrics = make()
  for (let status = 100; status < 1000; status++) {
    for (const method of ['GET', 'PUT', 'POST', `M${status}`]) {
      const fields = ['Host', `h${status}`, 'Knative-Serving-Tag', `t${status}`]
      metrics.finished(summaryOf({ ...refused, status }, { method, fields }))
    }
  }
  const lines = linesOf(metrics.text(), server)
  t.equal(lines.length, 2001)
  t.match(
    lines.map(short)[0],
    `${server}{HTTP,otel_metric_overflow="true"} 1600`.replace(
      '{HTTP,otel_metric_overflow="true"}',
      '{otel_metric_overflow="true",HTTP}',
    ),
  )
})

t.test('names of errors have a bound', async t => {
  const metrics = make()
  for (let i = 0; i < 100; i++) {
    const fault = { code: `c${i}` } as unknown as Fault
    metrics.finished(summaryOf({ end: 'upstream-failed', status: 502, responded: false, fault }))
  }
  t.equal(new Set(metrics.text().match(/(?<=error_type=")[^"]*/g)).size, 63)
})
