import t from 'tap'
import { Environment } from '../../src/config/env.ts'
import { confinedTemplate, defaultTemplate, readObservability } from '../../src/config/observability.ts'
import type { Observed } from '../../src/config/policy-shape.ts'

const free: readonly Observed[] = ['*']
const none = {
  requestMetrics: 'none',
  dialect: 'opentelemetry',
  metricsPort: undefined,
  enableRequestLog: false,
  enableProbeRequestLog: false,
  requestLogTemplate: defaultTemplate,
  fields: free,
  tracing: 'none',
  declined: [],
}

function read(values: Record<string, string>, fields = free) {
  const environment = new Environment(name => values[name])
  return { ...readObservability(environment, fields), complaints: environment.complaints }
}
const config = (value: unknown, fields = free) => read({ OBSERVABILITY_CONFIG: JSON.stringify(value) }, fields)

t.test('an empty configuration is everything off', async t => {
  t.same(config({}), { ...none, complaints: [] })
  t.same(config(null), { ...none, complaints: [] })
  t.same(read({}), { ...none, requestLogTemplate: '', complaints: [] })
})

t.test('what the controller renders', async t => {
  const rendered = {
    tracing: { protocol: 'http/protobuf', endpoint: 'http://jaeger:4318/v1/traces', samplingRate: 0.1 },
    metrics: { protocol: 'prometheus' },
    runtime: { profiling: 'enabled', exportInterval: 15000000000 },
    requestMetrics: { protocol: 'prometheus', exportInterval: 30000000000 },
    enableRequestLog: true,
    requestLogTemplate: '{{.Request.Method}}',
    enableProbeRequestLog: true,
  }
  t.match(config(rendered), {
    requestMetrics: 'prometheus',
    metricsPort: undefined,
    enableRequestLog: true,
    enableProbeRequestLog: true,
    requestLogTemplate: '{{.Request.Method}}',
    tracing: 'none',
    declined: ['tracing.protocol=http/protobuf', 'runtime.profiling'],
  })
})

t.test('a destination of the host is declined', async t => {
  const { requestMetrics, declined } = config({ requestMetrics: { protocol: 'grpc', endpoint: 'evil:4317' } })
  t.same([requestMetrics, declined], ['none', ['requestMetrics.protocol=grpc']])
})

t.test('the port of the metrics may move, in bounds', async t => {
  const at = (endpoint: string) => config({ requestMetrics: { protocol: 'prometheus', endpoint } }).metricsPort
  t.equal(at('0.0.0.0:9999'), 9999)
  t.equal(at(':1024'), 1024)
  for (const endpoint of [':80', 'x', ':99999'])
    t.throws(() => at(endpoint), { message: /want a port from 1024 to 65535/ })
})

t.test('a confined template holds the fields of the policy, whatever the host wrote', async t => {
  const evil = { enableRequestLog: true, requestLogTemplate: '{{.Request.Header}}' }
  t.equal(config(evil).requestLogTemplate, '{{.Request.Header}}')
  const confined = config(evil, ['method', 'status', 'route', 'bytes', 'duration', 'traceId'])
  t.equal(
    confined.requestLogTemplate,
    '{"httpRequest": {"requestMethod": "{{js .Request.Method}}", "status": {{.Response.Code}}, ' +
      '"requestSize": "{{.Request.ContentLength}}", "responseSize": "{{.Response.Size}}", ' +
      '"latency": "{{.Response.Latency}}s"}, "traceId": "{{js .TraceID}}"}',
  )
  t.equal(confined.enableRequestLog, true)
  t.equal(config({ requestLogTemplate: '' }, ['method']).requestLogTemplate, '')
  t.equal(confinedTemplate([]), '{"httpRequest": {}}')
})

t.test('releases up to 1.18 have variables of their own', async t => {
  const old = {
    SERVING_ENABLE_REQUEST_LOG: 'true',
    SERVING_ENABLE_PROBE_REQUEST_LOG: '1',
    SERVING_REQUEST_LOG_TEMPLATE: '{{.TraceID}}',
    SERVING_REQUEST_METRICS_BACKEND: 'prometheus',
  }
  t.match(read(old), {
    requestMetrics: 'prometheus',
    dialect: 'opencensus',
    enableRequestLog: true,
    enableProbeRequestLog: true,
    requestLogTemplate: '{{.TraceID}}',
    declined: [],
  })
  t.match(read({ SERVING_REQUEST_METRICS_BACKEND: 'opencensus', TRACING_CONFIG_BACKEND: 'zipkin' }), {
    requestMetrics: 'none',
    declined: ['SERVING_REQUEST_METRICS_BACKEND', 'TRACING_CONFIG_BACKEND'],
  })
  const both = { ...old, OBSERVABILITY_CONFIG: '{}' }
  t.match(read(both), { enableRequestLog: false, requestMetrics: 'none', dialect: 'opentelemetry' })
  t.match(read({ SERVING_ENABLE_REQUEST_LOG: 'maybe' }).complaints, [/^envconfig.Process: assigning/])
})

const refused: [name: string, config: string, message: string][] = [
  ['bad JSON', '{', 'failed to parse OBSERVABILITY_CONFIG: unexpected end of JSON input'],
  [
    'an array',
    '[]',
    'failed to parse OBSERVABILITY_CONFIG: json: cannot unmarshal array into Go value of type observability.Config',
  ],
  [
    'an unknown metrics protocol',
    '{"requestMetrics":{"protocol":"foo"}}',
    'Failed to setup meter provider: error creating reader: unsupported metric exporter: "foo"',
  ],
  [
    'an unknown tracing protocol',
    '{"tracing":{"protocol":"foo"}}',
    'Failed to setup trace provider: error creating tracer exporter: unsupported metric exporter: "foo"',
  ],
]
for (const [name, text, message] of refused) {
  t.test(`${name} stops the start in the contract's words`, async t => {
    t.throws(() => read({ OBSERVABILITY_CONFIG: text }), { message, code: 'environment-invalid' })
  })
}
