// The examples, each as the process that its reader would start, behind the real proxy with SYNTHETIC evidence: served
// where it shows evidence, refused where the same server shows an ordinary certificate. What is not installed is skipped,
// and says so.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { demo } from '../../src/config/policies.ts'
import { demoFunction } from '../../src/demo/enclaves.ts'
import { callerCredential, dialled, get, saidTo } from '../support/function.ts'
import { writeGramineRatls } from '../support/gramine-ratls.ts'
import { installPacked } from '../support/packed.ts'
import {
  ask,
  choosePorts,
  environment,
  repository,
  start,
  startServing,
  stopAtOnce,
  until,
} from '../support/process.ts'

const example = (path: string): string => join(repository, 'examples', path)

/** Starts a program until the test is over; waits until it accepts connections. */
async function run(t: Test, command: readonly string[], port: number, cwd: string): Promise<void> {
  const [file = '', ...args] = command
  const env = { PATH: process.env['PATH'], PORT: String(port) }
  const child: ChildProcess = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', text => (said += text))
  const gone = new Promise<void>(resolve => child.on('close', () => resolve()))
  t.teardown(() => {
    child.kill('SIGKILL')
    return gone
  })
  await until(`${file} listens`, async () => {
    if (child.exitCode !== null) throw new Error(`${file} has ended: ${said}`)
    const socket = await dialled(t, port, undefined)
    return !socket.destroyed
  })
}

/** The policy `demo` with this freshness, in a file. */
function policyFile(folder: string, freshness: 'none' | 'challenge'): string {
  const file = join(folder, 'demo.json')
  writeFileSync(file, demo.replace('"freshness": "none"', `"freshness": "${freshness}"`))
  return file
}

/** Two requests through the proxy. */
async function served(t: Test, port: number): Promise<void> {
  for (const path of ['/a', '/b']) {
    t.match(await ask(port, { path, tls: true }), { status: 200, body: `hello, you asked for ${path}\n` })
  }
}

function missing(command: string, args: readonly string[]): string | false {
  return spawnSync(command, args).status === 0 ? false : `NOT TESTED: no ${command} on this machine`
}

const refusals = (lines: Record<string, unknown>[]): string =>
  JSON.stringify(lines.filter(({ code }) => code === 'upstream-untrusted'))

t.test('Node', async t => {
  const folder = t.testdir()
  installPacked(folder)
  cpSync(example('node'), join(folder, 'app'), { recursive: true })
  writeFileSync(join(folder, 'app/package.json'), '{ "type": "module" }')
  const command = [process.execPath, join(folder, 'app/server.js')]

  t.test('the example serves behind the proxy, also one that asks for fresh evidence, and nobody else', async t => {
    const ports = await choosePorts()
    await run(t, [...command, '--synthetic'], ports.user, folder)
    for (const freshness of ['none', 'challenge'] as const) {
      const proxy = await startServing(t, policyFile(folder, freshness), environment(ports))
      await served(t, ports.tls)
      t.equal(refusals(proxy.lines()), '[]', freshness)
      await stopAtOnce(proxy)
    }
    t.equal(await saidTo(await dialled(t, ports.user, undefined), get), '', 'who shows nothing hears nothing')
    const stranger = await callerCredential({ source: demoFunction() })
    t.equal(await saidTo(await dialled(t, ports.user, stranger), get), '')
  })

  t.test('without SGX and without --synthetic it does not start, and says what to do', async t => {
    const { status, stderr } = spawnSync(command[0] ?? '', command.slice(1), { cwd: folder, encoding: 'utf8' })
    t.equal(status, 1)
    t.match(stderr, /want an SGX enclave .*; to develop without one: dangerSynthetic/)
  })

  t.test('its types are there for a project in TypeScript', async t => {
    const text = [
      "import { createSecureServer } from 'node:http2'",
      "import { attest, type Attestation } from 'postern/function'",
      "import { synthetic, syntheticProxy } from 'postern/function/synthetic'",
      'const attestation: Attestation = await attest({ clients: { enclaves: [syntheticProxy] }, dangerSynthetic: synthetic() })',
      'export const server = attestation.protect(createSecureServer(attestation.tls, (_, response) => response.end()))',
      '// @ts-expect-error nobody said who may call',
      'await attest({})',
    ]
    const project = join(folder, 'types')
    mkdirSync(project)
    writeFileSync(join(project, 'types.mts'), text.join('\n'))
    const typeRoots = [join(repository, 'node_modules/@types')]
    const compilerOptions = {
      noEmit: true,
      strict: true,
      module: 'nodenext',
      target: 'es2024',
      types: ['node'],
      typeRoots,
    }
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
    // The compiler does not run with what the test runner has its children load.
    const tsc = ['-u', 'NODE_OPTIONS', process.execPath, join(repository, 'node_modules/typescript/bin/tsc')]
    const { status, stdout, stderr } = spawnSync('env', [...tsc, '-p', project], { encoding: 'utf8' })
    t.equal(status, 0, stdout + stderr)
  })
})

const written: [name: string, skip: string | false, command: (folder: string, port: number) => string[]][] = [
  [
    'Python',
    missing('python3', ['-c', 'import ssl; ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).num_tickets']),
    folder => ['python3', example('python/server.py'), join(folder, 'cert.pem'), join(folder, 'key.pem')],
  ],
  [
    'nginx',
    missing('nginx', ['-v']),
    (folder, port) => {
      const text = readFileSync(example('nginx/nginx.conf'), 'utf8')
      const file = join(folder, 'nginx.conf')
      writeFileSync(file, text.replaceAll('/run/tls', folder).replace('listen 8080', `listen 127.0.0.1:${port}`))
      return ['nginx', '-p', folder, '-c', file]
    },
  ],
]
for (const [name, skip, command] of written) {
  t.test(`${name}, with what gramine-ratls writes`, { skip }, async t => {
    t.test('serves behind the proxy', async t => {
      const ports = await choosePorts()
      const folder = t.testdir()
      await writeGramineRatls(folder, demoFunction())
      await run(t, command(folder, ports.user), ports.user, folder)
      const proxy = await startServing(t, policyFile(folder, 'none'), environment(ports))
      await served(t, ports.tls)
      t.equal(refusals(proxy.lines()), '[]')
    })

    t.test('with an ordinary certificate it is refused, and no request reaches it', async t => {
      const ports = await choosePorts()
      const folder = t.testdir()
      await writeGramineRatls(folder, undefined)
      await run(t, command(folder, ports.user), ports.user, folder)
      const policy = policyFile(folder, 'none')
      const proxy = start(t, ['proxy', '--policy', policy], { env: environment(ports) })
      await until(
        'the proxy listens',
        async () => (await ask(ports.tls, { tls: true }).catch(() => undefined)) !== undefined,
      )
      t.match(await ask(ports.tls, { tls: true }), { status: 502, body: /evidence-missing/ })
      t.match(refusals(proxy.lines()), /evidence-missing/)
    })
  })
}
