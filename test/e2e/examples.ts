// The examples, each as the process that its reader would start, behind the real proxy with SYNTHETIC evidence: served
// where it shows evidence, refused where the same server shows an ordinary certificate. What is not installed is skipped,
// and says so.

import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { demoFunction } from '../../src/demo/enclaves.ts'
import { installNodeExample, policyFile, run, written } from '../support/examples.ts'
import { callerCredential, dialled, get, saidTo } from '../support/function.ts'
import { writeGramineRatls } from '../support/gramine-ratls.ts'
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

/** Two requests through the proxy. */
async function served(t: Test, port: number): Promise<void> {
  for (const path of ['/a', '/b']) {
    t.match(await ask(port, { path, tls: true }), { status: 200, body: `hello, you asked for ${path}\n` })
  }
}

const refusals = (lines: Record<string, unknown>[]): string =>
  JSON.stringify(lines.filter(({ code }) => code === 'upstream-untrusted'))

t.test('Node', async t => {
  const folder = t.testdir()
  const command = installNodeExample(folder)

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
