import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import { type ReadinessRule, readReadiness } from '../../src/config/readiness.ts'

const plain: ReadinessRule = { multiple: false, port: 8080, verified: false, probePath: undefined }
const aggressive = { periodSeconds: 0, timeoutSeconds: 0, successThreshold: 1 }

t.test('the probes that the controller writes', async t => {
  const http = {
    httpGet: {
      path: '/healthz',
      port: 8080,
      host: '127.0.0.1',
      scheme: 'HTTP',
      httpHeaders: [{ name: 'X-A', value: 'y' }],
    },
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  }
  t.same(readReadiness(JSON.stringify(http), plain), [
    {
      check: { kind: 'http', scheme: 'http', host: '127.0.0.1', port: 8080, path: 'healthz', headers: [['X-A', 'y']] },
      periodSeconds: 10,
      timeoutSeconds: 1,
      successThreshold: 1,
    },
  ])
  const tcp = '{"tcpSocket":{"port":8081,"host":"127.0.0.1"},"successThreshold":3}'
  t.same(readReadiness(tcp, plain), [
    { check: { kind: 'tcp', host: '127.0.0.1', port: 8081 }, ...aggressive, successThreshold: 3 },
  ])
  const grpc = '{"grpc":{"port":50051,"service":"svc"},"timeoutSeconds":1,"periodSeconds":5,"successThreshold":1}'
  t.same(readReadiness(grpc, plain), [
    { check: { kind: 'grpc', port: 50051, service: 'svc' }, periodSeconds: 5, timeoutSeconds: 1, successThreshold: 1 },
  ])
})

const checks: [name: string, probe: unknown, check: unknown][] = [
  ['defaults are loopback and USER_PORT', { tcpSocket: {} }, { kind: 'tcp', host: '127.0.0.1', port: 8080 }],
  ['port 0 is USER_PORT', { grpc: { port: 0 } }, { kind: 'grpc', port: 8080, service: '' }],
  ['a port may be text', { tcpSocket: { port: '99', host: '' } }, { kind: 'tcp', host: '127.0.0.1', port: 99 }],
  [
    'a path is encoded where it must be, and loses one leading slash',
    { httpGet: { path: '//a b/%41?c=é', scheme: 'https' } },
    { kind: 'http', scheme: 'https', host: '127.0.0.1', port: 8080, path: '/a%20b/%41?c=%C3%A9', headers: [] },
  ],
  [
    'a path without a slash is one from the top; its fragment is not sent',
    { httpGet: { path: 'a?b#c\n#d' } },
    { kind: 'http', path: 'a?b' },
  ],
  ['exec is known and not supported', { exec: { command: ['x'] } }, { kind: 'exec' }],
  ['no handler is a probe that fails', {}, { kind: 'none' }],
  ['null is a probe without a handler', null, { kind: 'none' }],
  ['http wins over the others', { tcpSocket: {}, httpGet: {}, exec: {} }, { kind: 'http' }],
]
for (const [name, probe, check] of checks) {
  t.test(name, async t => t.match(readReadiness(JSON.stringify(probe), plain), [{ check }]))
}

t.test('no probe is always ready', async t => {
  for (const text of ['', undefined]) t.same(readReadiness(text, plain), [])
  for (const text of ['', '[]', '[null]', 'null']) t.same(readReadiness(text, { ...plain, multiple: true }), [])
})

t.test('several probes are an array, and only then', async t => {
  const multiple = { ...plain, multiple: true }
  t.match(readReadiness('[{"tcpSocket":{"port":1}},null,{"grpc":{"port":2}}]', multiple), [
    { check: { kind: 'tcp', port: 1 } },
    { check: { kind: 'grpc', port: 2 } },
  ])
  t.throws(() => readReadiness('{}', multiple), {
    message: 'json: cannot unmarshal object into Go value of type []*v1.Probe',
  })
  t.throws(() => readReadiness('[]', plain), { message: 'json: cannot unmarshal array into Go value of type v1.Probe' })
  t.throws(() => readReadiness(`[${Array(65).fill('{}')}]`, multiple), { message: 'want at most 64 probes, got 65' })
})

t.test('negative numbers are none', async t => {
  const text = '{"periodSeconds":-1,"timeoutSeconds":-1,"successThreshold":-1}'
  t.same(readReadiness(text, plain), [{ check: { kind: 'none' }, ...aggressive }])
})

const refused: [name: string, text: string, message: string | RegExp][] = [
  ['an early end', '{', 'unexpected end of JSON input'],
  ['another scheme', '{"httpGet":{"scheme":"ftp"}}', 'scheme: want HTTP or HTTPS, got "ftp"'],
  ['a named port', '{"httpGet":{"port":"http"}}', /cannot unmarshal string into Go struct field v1.HTTPGetAction.port/],
  ['a host that is more', '{"tcpSocket":{"host":"a b"}}', 'host: want a name or an address, got "a b"'],
  ['a header name that is more', '{"httpGet":{"httpHeaders":[{"name":"a: b\\r\\nc"}]}}', /^httpHeaders: not a header/],
  ['a header value that is more', '{"httpGet":{"httpHeaders":[{"name":"a","value":"\\r\\n"}]}}', /not a header/],
  ['half a character in a path', '{"httpGet":{"path":"\\ud800"}}', 'path: not valid Unicode'],
]
for (const [name, text, message] of refused) {
  t.test(`${name} is refused`, async t => {
    t.throws(() => readReadiness(text, plain), { message })
    t.throws(() => readReadiness(text, plain), Fault)
  })
}

t.test('of a verified container the text gives timing and nothing else', async t => {
  const hostile = {
    httpGet: {
      path: '/delete',
      port: 1,
      host: '10.0.0.1',
      scheme: 'HTTP',
      httpHeaders: [{ name: 'Cookie', value: 'x' }],
    },
    periodSeconds: 2,
    timeoutSeconds: 3,
    successThreshold: 4,
  }
  const timing = { periodSeconds: 2, timeoutSeconds: 3, successThreshold: 4 }
  const handshake = { kind: 'tcp', host: '127.0.0.1', port: 8080 }
  const verified = { ...plain, verified: true }
  t.same(readReadiness(JSON.stringify(hostile), verified), [{ check: handshake, ...timing }])
  t.same(readReadiness(JSON.stringify([null, hostile, {}]), { ...verified, multiple: true }), [
    { check: handshake, ...timing },
  ])
  t.same(readReadiness(undefined, verified), [{ check: handshake, ...aggressive }])
  const path = { ...verified, probePath: '/ready?x' }
  const check = { kind: 'http', scheme: 'https', host: '127.0.0.1', port: 8080, path: 'ready?x', headers: [] }
  t.same(readReadiness(JSON.stringify(hostile), path), [{ check, ...timing }])
  t.same(readReadiness('', path), [{ check, ...aggressive }])
  t.throws(() => readReadiness('{', path), Fault)
})
