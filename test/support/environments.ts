// Environments of the queue-proxy: the smallest that starts, and those that somebody who owns the host would try.

import fc from 'fast-check'

export type Values = Readonly<Record<string, string>>

/** Every variable that the contract requires, and the service's name. */
export const base: Values = {
  CONTAINER_CONCURRENCY: '0',
  QUEUE_SERVING_PORT: '8012',
  QUEUE_SERVING_TLS_PORT: '8112',
  USER_PORT: '8080',
  REVISION_TIMEOUT_SECONDS: '300',
  SERVING_LOGGING_CONFIG: '',
  SERVING_LOGGING_LEVEL: '',
  SERVING_NAMESPACE: 'shop',
  SERVING_SERVICE: 'cart',
  SERVING_CONFIGURATION: 'cart',
  SERVING_REVISION: 'cart-00001',
  SERVING_POD: 'cart-00001-x',
  SERVING_POD_IP: '10.0.0.1',
}

const hostileProbes = fc.constantFrom(
  '{"httpGet":{"path":"/steal","host":"10.0.0.1","port":1,"httpHeaders":[{"name":"Cookie","value":"x"}]},"periodSeconds":5}',
  '{"__proto__":{"httpGet":{"path":"/x"}},"tcpSocket":{"host":"evil","port":22}}',
  '{"tcpSocket":{"host":"evil","port":22},"timeoutSeconds":9}',
  '{"constructor":{"prototype":{"verified":false}},"exec":{}}',
  'null',
)
const hostileObservability = fc.constantFrom(
  '{"requestMetrics":{"protocol":"grpc","endpoint":"evil:1"},"tracing":{"protocol":"http/protobuf","endpoint":"http://evil"}}',
  '{"enableRequestLog":true,"requestLogTemplate":"{{.Request.Header}}","__proto__":{"fields":["*"]}}',
)
/** Values that somebody who owns the host would try. */
export const hostile = fc.oneof(
  fc.constantFrom(
    '',
    '0',
    '1',
    '-1',
    '2',
    '9223372036854775807',
    '0x7fffffff',
    '1.2',
    '1.3',
    '1.1',
    'true',
    'false',
    '443',
  ),
  fc.constantFrom('{}', '[]', '{"__proto__":{"port":1}}', '[{"constructor":{"prototype":{"verified":false}}}]'),
  hostileProbes,
  hostileObservability,
  fc.json(),
  fc.string(),
)
const known = [
  ...Object.keys(base),
  'REVISION_RESPONSE_START_TIMEOUT_SECONDS',
  'REVISION_IDLE_TIMEOUT_SECONDS',
  'SERVING_READINESS_PROBE',
  'ENABLE_HTTP_FULL_DUPLEX',
  'ENABLE_HTTP2_AUTO_DETECTION',
  'ENABLE_MULTI_CONTAINER_PROBES',
  'OBSERVABILITY_CONFIG',
  'QUEUE_PROXY_TLS_MIN_VERSION',
  'QUEUE_PROXY_TLS_MAX_VERSION',
  'QUEUE_PROXY_TLS_CIPHER_SUITES',
  'QUEUE_PROXY_TLS_CURVE_PREFERENCES',
  'SERVING_ENABLE_REQUEST_LOG',
  'SERVING_REQUEST_LOG_TEMPLATE',
  'SERVING_ENABLE_PROBE_REQUEST_LOG',
  'SERVING_REQUEST_METRICS_BACKEND',
  'TRACING_CONFIG_BACKEND',
  'ROOT_CA',
  'POD_NAME',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_TRACES_SAMPLER',
  'METRICS_PROMETHEUS_HOST',
  'POSTERN_ADMIN_PORT',
  'POSTERN_METRICS_PORT',
  'POSTERN_MAX_CONNECTIONS',
  'POSTERN_IDLE_CONNECTION_SECONDS',
  'NODE_OPTIONS',
  'RA_TLS_ALLOW_DEBUG_ENCLAVE_INSECURE',
  'RA_TLS_ALLOW_OUTDATED_TCB_INSECURE',
  'RA_TLS_MRENCLAVE',
  'SSL_CERT_FILE',
  '__proto__',
  'constructor',
] as const
const names = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...known) },
  { weight: 1, arbitrary: fc.string().map(tail => `RA_TLS_${tail}`) },
)
/** Mostly well-formed and still hostile, so that many environments start and the property says something. */
const seconds = fc.integer({ min: -1, max: 1e9 }).map(String)
const bool = fc.constantFrom('true', 'false', '1', 'F')
const tlsVersion = fc.constantFrom('1.2', '1.3', '')
const sane = new Map<string, fc.Arbitrary<string>>([
  ['CONTAINER_CONCURRENCY', fc.integer().map(String)],
  ['REVISION_TIMEOUT_SECONDS', seconds],
  ['REVISION_RESPONSE_START_TIMEOUT_SECONDS', seconds],
  ['REVISION_IDLE_TIMEOUT_SECONDS', seconds],
  ['USER_PORT', fc.integer({ min: 10_000, max: 65_535 }).map(String)],
  ['QUEUE_SERVING_PORT', fc.constantFrom('8012', '8013', '443')],
  ['QUEUE_SERVING_TLS_PORT', fc.constantFrom('8112', '444')],
  ['SERVING_READINESS_PROBE', hostileProbes],
  ['ENABLE_HTTP_FULL_DUPLEX', bool],
  ['ENABLE_HTTP2_AUTO_DETECTION', bool],
  ['OBSERVABILITY_CONFIG', hostileObservability],
  ['SERVING_ENABLE_REQUEST_LOG', bool],
  ['SERVING_REQUEST_LOG_TEMPLATE', fc.constantFrom('{{.Request.Header}}', '')],
  ['SERVING_ENABLE_PROBE_REQUEST_LOG', bool],
  ['QUEUE_PROXY_TLS_MIN_VERSION', tlsVersion],
  ['QUEUE_PROXY_TLS_MAX_VERSION', tlsVersion],
  ['QUEUE_PROXY_TLS_CIPHER_SUITES', fc.constantFrom('TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', 'TLS_AES_256_GCM_SHA384')],
  ['QUEUE_PROXY_TLS_CURVE_PREFERENCES', fc.constantFrom('X25519', 'P-256,X25519MLKEM768')],
  ['POSTERN_ADMIN_PORT', fc.constantFrom('1', '9999')],
  ['POSTERN_METRICS_PORT', fc.constantFrom('2', '9998')],
  ['POSTERN_MAX_CONNECTIONS', fc.constantFrom('1', '1000000')],
  ['POSTERN_IDLE_CONNECTION_SECONDS', fc.constantFrom('0', '86400')],
])
/** Whole environments; the objects have no prototype, so that a variable called __proto__ is one. */
export const environments = fc
  .array(
    names.chain(name => {
      const valued = fc.oneof({ weight: 9, arbitrary: sane.get(name) ?? hostile }, { weight: 1, arbitrary: hostile })
      return fc.tuple(fc.constant(name), valued)
    }),
    { maxLength: 8, size: 'max' },
  )
  .map(pairs => {
    const values: Record<string, string> = Object.assign(Object.create(null), base)
    for (const [name, value] of pairs) values[name] = value
    return values
  })
