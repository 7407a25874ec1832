import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import { confidential } from '../../src/config/policies.ts'
import { loadPolicy, type Policy, readPolicy } from '../../src/config/policy.ts'
import { type ProxyConfig, readProxyConfig } from '../../src/config/proxy.ts'
import { widenedBy } from '../support/confined.ts'
import { base, environments, hostile, type Values } from '../support/environments.ts'

const noFile = (): Uint8Array => {
  throw new Error('no file')
}
const policyOf = (document: unknown): Policy => readPolicy(new TextEncoder().encode(JSON.stringify(document)), 'test')
const compatible = loadPolicy('compatible', noFile).policy
const demo = loadPolicy('demo', noFile).policy
const enclaves = [{ mrenclave: 'ab'.repeat(32) }]
const strict = policyOf({ ...JSON.parse(confidential), peers: { app: { enclaves } } })
const cart = policyOf({
  version: 1,
  name: 'cart',
  service: 'spiffe://c1/ns/shop/svc/cart',
  limits: { concurrency: 3 },
  upstream: { mode: 'pinned', pins: [`sha256/${Buffer.alloc(32).toString('base64')}`], probe: { path: '/ready?deep' } },
  observe: { allow: ['status'] },
})

function read(values: Values, policy = compatible): ProxyConfig {
  const own = (name: string) => (Object.hasOwn(values, name) ? values[name] : undefined)
  return readProxyConfig(own, policy, Object.keys(values))
}

function complaints(values: Values, policy = compatible): readonly string[] {
  try {
    read(values, policy)
    return []
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'environment-invalid') throw error
    return error.message.split('\n')
  }
}

const without = (name: string): Values => Object.fromEntries(Object.entries(base).filter(([key]) => key !== name))

t.test('the smallest environment has the contract’s defaults', async t => {
  const config = read(base)
  t.match(config, {
    ports: { serving: 8012, tls: 8112, admin: 8022, autoscaler: 9090, metrics: 9091, user: 8080 },
    concurrency: 0,
    timeouts: { requestMs: 300_000, responseStartMs: 0, idleMs: 0 },
    fullDuplex: false,
    http2AutoDetection: false,
    readiness: [],
    logging: { level: 'info', unparsable: false },
    serving: { namespace: 'shop', service: 'cart', revision: 'cart-00001', pod: 'cart-00001-x', podIp: '10.0.0.1' },
    observability: { requestMetrics: 'none', enableRequestLog: false, tracing: 'none' },
    tls: { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' },
    maxConnections: 10_000,
    idleConnectionMs: 0,
  })
  t.ok(Object.isFrozen(config) && Object.isFrozen(config.ports) && Object.isFrozen(config.origins))
})

for (const name of Object.keys(base).filter(name => name !== 'SERVING_SERVICE')) {
  t.test(`without ${name} the start stops in the contract's words`, async t => {
    t.same(complaints(without(name)), [`required key ${name} missing value`])
  })
}
t.test('without SERVING_SERVICE there is a start', async t => t.same(complaints(without('SERVING_SERVICE')), []))

const malformed: [name: string, value: string, field: string, type: 'int' | 'bool'][] = [
  ['CONTAINER_CONCURRENCY', 'x', 'ContainerConcurrency', 'int'],
  ['CONTAINER_CONCURRENCY', '', 'ContainerConcurrency', 'int'],
  ['REVISION_TIMEOUT_SECONDS', '1.5', 'RevisionTimeoutSeconds', 'int'],
  ['REVISION_RESPONSE_START_TIMEOUT_SECONDS', '', 'RevisionResponseStartTimeoutSeconds', 'int'],
  ['REVISION_IDLE_TIMEOUT_SECONDS', '1s', 'RevisionIdleTimeoutSeconds', 'int'],
  ['ENABLE_HTTP_FULL_DUPLEX', 'yes', 'EnableHTTPFullDuplex', 'bool'],
  ['ENABLE_HTTP2_AUTO_DETECTION', '', 'EnableHTTP2AutoDetection', 'bool'],
  ['ENABLE_MULTI_CONTAINER_PROBES', 'on', 'EnableMultiContainerProbes', 'bool'],
]
for (const [name, value, field, type] of malformed) {
  t.test(`${name}=${JSON.stringify(value)} stops the start in the contract's words`, async t => {
    const parser = type === 'int' ? 'ParseInt' : 'ParseBool'
    t.same(complaints({ ...base, [name]: value }), [
      `envconfig.Process: assigning ${name} to ${field}: converting '${value}' to type ${type}. details: strconv.${parser}: parsing "${value}": invalid syntax`,
    ])
  })
}

const refused: [name: string, values: Values, complaint: string | RegExp][] = [
  [
    'a port out of range',
    { QUEUE_SERVING_PORT: '99999' },
    'QUEUE_SERVING_PORT: want a number from 1 to 65535, got "99999"',
  ],
  ['an empty port', { QUEUE_SERVING_TLS_PORT: '' }, 'QUEUE_SERVING_TLS_PORT: want a number from 1 to 65535, got ""'],
  ['a named port', { USER_PORT: 'abc' }, 'USER_PORT: want a number from 1 to 65535, got "abc"'],
  ['a port of ours as the container’s', { USER_PORT: '8112' }, 'ports tls and user: both are 8112'],
  ['too many connections', { POSTERN_MAX_CONNECTIONS: '1e9' }, /^POSTERN_MAX_CONNECTIONS: want a number from 1/],
  [
    'a misspelt variable of ours',
    { POSTERN_ADMIN_PROT: '1' },
    'POSTERN_ADMIN_PROT: no such variable; did you mean POSTERN_ADMIN_PORT?',
  ],
  [
    'an invented variable of ours',
    { POSTERN_ACCEPT_EVERYBODY: '1' },
    /^POSTERN_ACCEPT_EVERYBODY: no such variable; known are/,
  ],
  ['an odd variable of ours', { 'POSTERN_\n': '1' }, /^"POSTERN_\\n": no such variable/],
  [
    'a bad probe',
    { SERVING_READINESS_PROBE: '{' },
    'Queue container failed to parse readiness probe: unexpected end of JSON input',
  ],
  [
    'one probe where several are announced',
    { SERVING_READINESS_PROBE: '{}', ENABLE_MULTI_CONTAINER_PROBES: 'true' },
    'Queue container failed to parse readiness probe: json: cannot unmarshal object into Go value of type []*v1.Probe',
  ],
  [
    'bad observability',
    { OBSERVABILITY_CONFIG: '{' },
    'failed to parse OBSERVABILITY_CONFIG: unexpected end of JSON input',
  ],
  [
    'another TLS version',
    { QUEUE_PROXY_TLS_MIN_VERSION: '1.1' },
    /^Failed to read TLS configuration from environment: invalid/,
  ],
]
for (const [name, values, complaint] of refused) {
  t.test(`${name} is refused`, async t => {
    const found = complaints({ ...base, ...values })
    t.equal(found.length, 1)
    t.match(found, [complaint])
  })
}

t.test('all complaints come at once, the contract’s first one first and alone on its line', async t => {
  const found = complaints({ POSTERN_X: '1', SERVING_READINESS_PROBE: '{', ENABLE_HTTP_FULL_DUPLEX: 'x\ny' })
  t.equal(found[0], 'required key CONTAINER_CONCURRENCY missing value')
  t.equal(found.length, 15)
})

t.test('an unreadable logging configuration is no reason to stop', async t => {
  t.equal(read({ ...base, SERVING_LOGGING_CONFIG: '{' }).logging.unparsable, true)
})

t.test('numbers as Go reads them, times as timers take them', async t => {
  const times = { REVISION_TIMEOUT_SECONDS: '9223372036854775807', REVISION_IDLE_TIMEOUT_SECONDS: '-1' }
  const config = read({
    ...base,
    ...times,
    CONTAINER_CONCURRENCY: '0x2',
    REVISION_RESPONSE_START_TIMEOUT_SECONDS: '010',
  })
  t.equal(config.concurrency, 2)
  t.same(config.timeouts, { requestMs: 2 ** 31 - 1, responseStartMs: 8_000, idleMs: 0 })
  t.equal(read({ ...base, CONTAINER_CONCURRENCY: '-1' }).concurrency, 0)
  t.equal(read({ ...base, CONTAINER_CONCURRENCY: '9223372036854775807' }).concurrency, 1_000_000)
})

const ceilings: [asked: string, effective: number][] = [
  ['0', 3],
  ['-5', 3],
  ['1', 1],
  ['3', 3],
  ['4', 3],
  ['9223372036854775807', 3],
]
for (const [asked, effective] of ceilings) {
  t.test(`below a ceiling of 3, ${asked} is ${effective}`, async t => {
    t.equal(read({ ...base, CONTAINER_CONCURRENCY: asked }, cart).concurrency, effective)
  })
}

t.test('a service of another name than the policy’s does not start', async t => {
  t.same(complaints(base, cart), [])
  t.same(complaints({ ...without('SERVING_SERVICE'), SERVING_NAMESPACE: 'bank' }, cart), [
    'SERVING_NAMESPACE: the policy is for spiffe://c1/ns/shop/svc/cart: want "shop", got "bank"',
    'SERVING_SERVICE: the policy is for spiffe://c1/ns/shop/svc/cart: want "cart", got nothing',
  ])
})

t.test('ports move, those of the metrics by either variable', async t => {
  const observed = { OBSERVABILITY_CONFIG: '{"requestMetrics":{"protocol":"prometheus","endpoint":":9999"}}' }
  t.equal(read({ ...base, ...observed }).ports.metrics, 9999)
  t.equal(read({ ...base, ...observed, POSTERN_METRICS_PORT: '9998' }).ports.metrics, 9998)
  const moved = { POSTERN_ADMIN_PORT: '1', POSTERN_AUTOSCALER_PORT: '2', POSTERN_IDLE_CONNECTION_SECONDS: '60' }
  t.match(read({ ...base, ...moved }), { ports: { admin: 1, autoscaler: 2 }, idleConnectionMs: 60_000 })
})

t.test('every effective value says who decided it', async t => {
  const values = {
    ...base,
    CONTAINER_CONCURRENCY: '1',
    QUEUE_PROXY_TLS_MIN_VERSION: '1.2',
    POSTERN_MAX_CONNECTIONS: '7',
  }
  const { origins, describe } = read(values, cart)
  t.match(origins, {
    concurrency: 'host',
    'tls.minVersion': 'policy',
    'readiness.checks': 'policy',
    'readiness.timing': 'default',
    http2AutoDetection: 'policy',
    'ports.serving': 'host',
    'ports.admin': 'default',
    maxConnections: 'host',
    'observability.fields': 'policy',
  })
  t.match(describe(), { concurrency: '1 (host)', 'tls.minVersion': 'TLSv1.3 (policy)', maxConnections: '7 (host)' })
  t.equal(read(base, cart).origins['concurrency'], 'policy')
  t.match(read(base).describe(), { 'readiness.checks': 'none (default)' })
  t.same(Object.keys(origins), Object.keys(describe()))
})

const rendered = new URL('../../../shared/contract/controller-rendered.json', import.meta.url)
t.test(
  'what the controller renders',
  { skip: !existsSync(rendered) && `SKIPPED: no ${rendered.pathname}` },
  async t => {
    const scenarios: Record<string, { env: Record<string, string> }> = JSON.parse(readFileSync(rendered, 'utf8'))
    const expected: Record<string, object> = {
      'cc0-tcp-default': {
        concurrency: 0,
        readiness: [{ check: { kind: 'tcp', host: '127.0.0.1', port: 8080 }, periodSeconds: 0 }],
        logging: { level: 'info', output: 'stdout', levelEncoder: 'lower', timeEncoder: 'iso8601', unparsable: false },
      },
      'cc10-http': { concurrency: 10, readiness: [{ check: { kind: 'http', path: 'healthz' }, periodSeconds: 10 }] },
      'grpc-h2c': { ports: { serving: 8013, user: 50051 }, readiness: [{ check: { kind: 'grpc', service: 'svc' } }] },
      exec: { readiness: [{ check: { kind: 'tcp' }, timeoutSeconds: 1 }] },
      noprobe: { readiness: [] },
      everything: {
        fullDuplex: true,
        http2AutoDetection: true,
        readiness: [{ check: { kind: 'http' } }, { check: { port: 9999 } }],
      },
      obs: { observability: { requestMetrics: 'prometheus', enableRequestLog: true, enableProbeRequestLog: true } },
      tls: { tls: { minVersion: 'TLSv1.3' } },
    }
    t.same(Object.keys(scenarios).sort(), Object.keys(expected).sort())
    for (const [name, { env }] of Object.entries(scenarios)) {
      const values = Object.fromEntries(
        Object.entries(env).map(([key, value]) => [key, value.replace(/^<fieldRef .*>$/, 'x')]),
      )
      t.match(read(values), expected[name] ?? {}, name)
      t.same(complaints(values, strict), [], name)
    }
  },
)

const generated = fc
  .record({
    version: fc.constant(1),
    name: fc.constantFrom('a', 'compatible'),
    limits: fc.record({ concurrency: fc.option(fc.integer({ min: 1, max: 5 })) }),
    upstream: fc.oneof(
      fc.constant({ mode: 'plaintext' }),
      fc.record({
        mode: fc.constant('attested'),
        trust: fc.constant('measurement'),
        freshness: fc.constant('none'),
        accept: fc.constant('app'),
        probe: fc.constantFrom({ path: '/' }, { path: '/ready' }),
      }),
      fc.constant({ mode: 'pinned', pins: [`sha256/${Buffer.alloc(32).toString('base64')}`] }),
    ),
    inbound: fc.record({ plaintext: fc.constantFrom('serve', 'probes-only') }),
    observe: fc.record({ allow: fc.constantFrom<string[]>([], ['*'], ['status', 'traceId']) }),
    peers: fc.constant({ app: { enclaves } }),
  })
  .map(policyOf)

t.test('no environment widens trust', async t => {
  let started = 0
  const run = (values: Values, policy: Policy): void => {
    const found = widenedBy(values, policy)
    if (found === 'stopped') return
    started++
    if (found.length > 0) throw new Error(`wider: ${found.join(', ')}`)
  }
  const policies = fc.oneof(fc.constantFrom(compatible, demo, strict, cart), generated)
  fc.assert(fc.property(environments, policies, run), { numRuns: 5_000 })
  t.ok(started > 1_500, `${started} environments of 5000 started`)
  t.comment(`${started} environments of 5000 started`)
})

t.test('a misspelt or invented variable of ours never starts', async () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Z_]{1,12}$/).map(tail => `POSTERN_X${tail}`),
      hostile,
      (name, value) => complaints({ ...base, [name]: value }).length === 1,
    ),
  )
})
