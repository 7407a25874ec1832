// The command as an operator or a kubelet meets it: what starts, what does not, and in which words.

import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import {
  ask,
  choosePorts,
  environment,
  onBundle,
  portVariables,
  probe,
  start,
  startServing,
  stopAtOnce,
} from '../support/process.ts'
import { startContainer } from '../support/process-inside.ts'
import { listen } from '../support/sockets.ts'

t.jobs = 2

const renderedFile = new URL('../../../shared/contract/controller-rendered.json', import.meta.url)

t.test('whatever the controller renders, starts', { skip: renderedMissing() }, async t => {
  const rendered = JSON.parse(readFileSync(renderedFile, 'utf8')) as Record<string, { env: Record<string, string> }>
  t.ok(Object.keys(rendered).length >= 8)
  for (const [name, { env }] of Object.entries(rendered)) {
    t.test(name, async t => {
      const ports = await choosePorts()
      const variables = { ...fieldRefs(env), ...portVariables(ports) }
      // The probe names the port of the container; one of a second container needs that container.
      const probes = variables['SERVING_READINESS_PROBE'] ?? ''
      variables['SERVING_READINESS_PROBE'] = probes.replace(/"port":(8080|50051|9999)/g, `"port":${ports.user}`)
      const container = await startContainer(t, ports.user)
      const isGrpc = probes.includes('"grpc"')
      const proxy = isGrpc
        ? start(t, ['proxy', '--policy', 'compatible'], { env: variables })
        : await startServing(t, 'compatible', variables)
      if (isGrpc) await untilServing(ports.serving)
      const answer = await ask(ports.serving, { path: '/hello?a=b' })
      t.match(answer, { status: 200, body: 'hello' })
      t.equal(container.received.at(-1)?.url, '/hello?a=b')
      t.match(await probe(ports.serving), isGrpc ? { status: 503 } : { status: 200, body: 'queue' })
      if (isGrpc) t.match(proxy.stderr(), /^health rpc /)
      t.match(await stopAtOnce(proxy), { code: 1, signal: null })
      if (!isGrpc) t.equal(proxy.stderr(), '')
    })
  }
})

function renderedMissing(): string | false {
  return existsSync(renderedFile) ? false : 'NOT TESTED: no controller-rendered.json beside this checkout'
}

function fieldRefs(env: Record<string, string>): Record<string, string> {
  const values: Record<string, string> = {
    '<fieldRef metadata.name>': 'hello-00001-deployment-5f7c-abcde',
    '<fieldRef status.podIP>': '10.244.1.7',
    '<fieldRef status.hostIP>': '172.18.0.3',
  }
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, values[value] ?? value]))
}

async function untilServing(port: number): Promise<void> {
  for (const end = Date.now() + 15_000; Date.now() < end; ) {
    if ((await ask(port).catch(() => undefined))?.status === 200) return
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  throw new Error('the proxy does not serve')
}

t.test('a variable that is missing or malformed ends the start with the words of the Go proxy', async t => {
  const int = (name: string, field: string, value: string) =>
    `envconfig.Process: assigning ${name} to ${field}: converting '${value}' to type int. details: strconv.ParseInt: parsing "${value}": invalid syntax`
  const bool = (name: string, field: string, value: string) =>
    `envconfig.Process: assigning ${name} to ${field}: converting '${value}' to type bool. details: strconv.ParseBool: parsing "${value}": invalid syntax`
  const required = [
    'CONTAINER_CONCURRENCY',
    'QUEUE_SERVING_PORT',
    'QUEUE_SERVING_TLS_PORT',
    'USER_PORT',
    'REVISION_TIMEOUT_SECONDS',
    'SERVING_LOGGING_CONFIG',
    'SERVING_LOGGING_LEVEL',
    'SERVING_NAMESPACE',
    'SERVING_CONFIGURATION',
    'SERVING_REVISION',
    'SERVING_POD',
    'SERVING_POD_IP',
  ]
  const cases: [name: string, changes: Record<string, string | undefined>, line: string][] = [
    ...required.map((name): [string, Record<string, undefined>, string] => [
      `${name} is missing`,
      { [name]: undefined },
      `required key ${name} missing value`,
    ]),
    [
      'of two mistakes the first in the order of the Go struct comes first',
      { SERVING_POD: undefined, USER_PORT: undefined },
      'required key USER_PORT missing value',
    ],
    [
      'a concurrency in words',
      { CONTAINER_CONCURRENCY: 'ten' },
      int('CONTAINER_CONCURRENCY', 'ContainerConcurrency', 'ten'),
    ],
    [
      'an empty timeout',
      { REVISION_TIMEOUT_SECONDS: '' },
      int('REVISION_TIMEOUT_SECONDS', 'RevisionTimeoutSeconds', ''),
    ],
    [
      'a fraction of a second',
      { REVISION_IDLE_TIMEOUT_SECONDS: '1.5' },
      int('REVISION_IDLE_TIMEOUT_SECONDS', 'RevisionIdleTimeoutSeconds', '1.5'),
    ],
    [
      'yes is no bool',
      { ENABLE_HTTP_FULL_DUPLEX: 'yes' },
      bool('ENABLE_HTTP_FULL_DUPLEX', 'EnableHTTPFullDuplex', 'yes'),
    ],
  ]
  const ports = await choosePorts()
  t.jobs = 2
  for (const [name, changes, line] of cases) {
    t.test(name, async t => {
      const proxy = start(t, ['proxy', '--policy', 'compatible'], { env: environment(ports, changes) })
      t.match(await proxy.exit, { code: 1, signal: null })
      t.equal(proxy.stderr().split('\n')[0], line)
      t.equal(proxy.stdout(), '')
    })
  }
})

t.test('what the Go proxy finds later ends the start with one fatal line of the log', async t => {
  const cases: [name: string, changes: Record<string, string>, said: string][] = [
    ['a port beyond ports', { QUEUE_SERVING_PORT: '70000' }, 'QUEUE_SERVING_PORT: want a number from 1 to 65535, got'],
    [
      'two ports that are one',
      { POSTERN_ADMIN_PORT: '2000', USER_PORT: '2000' },
      'ports admin and user: both are 2000',
    ],
    ['a probe that is no JSON', { SERVING_READINESS_PROBE: '{' }, 'Queue container failed to parse readiness probe: '],
    ['an observability that is no JSON', { OBSERVABILITY_CONFIG: '{' }, 'failed to parse OBSERVABILITY_CONFIG: '],
    ['a misspelt variable of ours', { POSTERN_ADMIN_PRT: '1' }, 'did you mean POSTERN_ADMIN_PORT?'],
  ]
  for (const [name, changes, said] of cases) {
    t.test(name, async t => {
      const proxy = start(t, ['proxy', '--policy', 'compatible'], { env: environment(await choosePorts(), changes) })
      t.match(await proxy.exit, { code: 1, signal: null })
      t.equal(proxy.stderr(), '')
      const [line, ...more] = proxy.lines()
      t.match(line, { severity: 'fatal', code: 'environment-invalid' })
      t.ok(`${line?.['message']}: ${line?.['error']}`.includes(said), `${line?.['message']}: ${line?.['error']}`)
      t.same(more, [])
    })
  }
})

const plain = { version: 1, name: 'mine', upstream: { mode: 'plaintext' } }
const attested = {
  version: 1,
  name: 'mine',
  upstream: { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' },
  peers: { app: { enclaves: [{ mrenclave: 'ab'.repeat(32) }] } },
}

t.test('a policy that cannot be kept is refused in one message', async t => {
  const folder = t.testdir({
    'unknown.json': JSON.stringify({ ...plain, inbond: {} }),
    'broken.json': '{"version": 1,',
    'tee.json': JSON.stringify(plain),
    'attested.json': JSON.stringify(attested),
  })
  const cases: [name: string, policy: string, message: RegExp][] = [
    ['a key that nobody knows', join(folder, 'unknown.json'), /^policy .*unknown\.json: .*inbond/],
    ['not JSON', join(folder, 'broken.json'), /^policy .*broken\.json: not JSON: /],
    [
      'no such file',
      join(folder, 'none.json'),
      /^policy .*none\.json: (neither shipped .* nor a|no) readable file \(ENOENT\)$/,
    ],
    ['a folder', folder, /^policy .*: (neither shipped .* nor a|no) readable file \(EISDIR\)$/],
    ['confidential as shipped', 'confidential', /^policy .*: it accepts nobody: copy it, add measurements/],
    [
      'evidence where there is no TEE',
      join(folder, 'attested.json'),
      /^policy mine needs an SGX enclave .*postern demo/,
    ],
    [
      'a certificate with evidence where there is no TEE',
      join(folder, 'tee.json'),
      /^policy mine needs an SGX enclave/,
    ],
  ]
  for (const [name, policy, message] of cases) {
    t.test(name, async t => {
      const proxy = start(t, ['proxy', '--policy', policy], { env: environment(await choosePorts()) })
      t.match(await proxy.exit, { code: 1, signal: null })
      t.match(proxy.stderr().trimEnd(), message)
      t.equal(proxy.stderr().split('\n').length, 2, 'one line')
      t.equal(proxy.stdout(), '')
    })
  }
})

t.test('a taken port is named, with the way out', async t => {
  for (const name of ['serving', 'admin', 'autoscaler'] as const) {
    t.test(name, async t => {
      const ports = await choosePorts()
      const taken = await listen(t, createServer())
      const proxy = start(t, ['proxy', '--policy', 'compatible'], { env: environment({ ...ports, [name]: taken }) })
      t.match(await proxy.exit, { code: 1, signal: null })
      const [line, ...rest] = proxy.stderr().split('\n')
      t.match(line, `listen tcp :${taken}: bind: address already in use (`)
      t.match(line, 'stop it or move the port')
      t.same(rest, [''])
      t.match(proxy.lines().at(-1), {
        severity: 'error',
        message: 'Failed to bring up queue-proxy, shutting down.',
        code: 'bind-failed',
      })
    })
  }
})

/** What only the command has. */
const command = { skip: onBundle && 'the bundle has no verbs' }

t.test('the command line', command, async t => {
  const cases: [args: string[], code: number, out: RegExp, err: RegExp][] = [
    [['serve'], 64, /^$/, /^postern: no command "serve"; see postern --help\n$/],
    [['__proto__'], 64, /^$/, /no command "__proto__"/],
    [['proxy'], 64, /^$/, /^postern proxy: --policy NAME\|FILE is missing; see postern proxy --help\n$/],
    [['proxy', '--polcy', 'demo'], 64, /^$/, /^postern proxy: .*--polcy.*; see postern proxy --help\n$/],
    [['proxy', '--policy', 'demo', 'more'], 64, /^$/, /^postern proxy: .*more.*; see postern proxy --help\n$/],
    [
      ['proxy', '--policy', 'demo', '--engine', 'warp'],
      64,
      /^$/,
      /no engine "warp"; there are bytes, bytes-streams, undici\n$/,
    ],
    [['demo', '--port-base', 'x'], 64, /^$/, /--port-base: want a number from 1024 to \d+, got "x"/],
    [[], 0, /usage: postern COMMAND/, /^$/],
    [['--help'], 0, /usage: postern COMMAND/, /^$/],
    [['help', 'proxy'], 0, /usage: postern proxy --policy/, /^$/],
    [['demo', '--help'], 0, /usage: postern demo .*--port-base/, /^$/],
    [['--version'], 0, /^postern \d+\.\d+\.\d+\n$/, /^$/],
    [['-v'], 0, /^postern \d+\.\d+\.\d+\n$/, /^$/],
  ]
  for (const [args, code, out, err] of cases) {
    t.test(`postern ${args.join(' ')}`, async t => {
      const command = start(t, args)
      t.match(await command.exit, { code, signal: null })
      t.match(command.stdout(), out)
      t.match(command.stderr(), err)
    })
  }
})

t.test('a Node that is too old is told so in a sentence', command, async t => {
  const pretend = (version: string) =>
    `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '${version}' })`
  for (const version of ['18.20.4', '22.22.0', '24.16.9']) {
    t.test(version, async t => {
      const command = start(t, ['--version'], { node: ['--import', pretend(version)] })
      t.match(await command.exit, { code: 1, signal: null })
      t.match(command.stderr(), new RegExp(`^postern needs Node >= 24\\.17, found ${version} \\(/.*npm ci.*\\n$`))
      t.equal(command.stdout(), '')
    })
  }
  for (const version of ['24.17.0', '26.0.0']) {
    t.test(`${version} is not too old`, async t => {
      const command = start(t, ['--version'], { node: ['--import', pretend(version)] })
      t.match(await command.exit, { code: 0, signal: null })
    })
  }
})

t.test("the image starts Node with the enclave's flags, and the command with those that cost less", async t => {
  const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const enclave: string[] = JSON.parse(read('build/node-flags.json'))
  const image: string[] = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(read('Dockerfile'))?.[1] ?? '')
  const unbounded = enclave.filter(flag => !flag.startsWith('--max-old-space-size='))
  t.same(image.slice(1, image.indexOf('/app/proxy.js')), unbounded)
  const command = /^#!.*\bnode((?: --\S+)*)$/m.exec(read('src/postern.js'))?.[1]?.trim().split(' ') ?? []
  t.same(command, enclave.slice(0, command.length))
  t.ok(command.length > 0)
})
