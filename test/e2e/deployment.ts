// An ordinary Deployment as the guide shows it: the dry run's environment, and the proxy as a process with it, in front of each
// example with SYNTHETIC evidence, and in front of a plain server under the policy `compatible`.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readYaml } from '../../src/cli/yaml.ts'
import { demoFunction } from '../../src/demo/enclaves.ts'
import { installNodeExample, policyFile, run, written } from '../support/examples.ts'
import { writeGramineRatls } from '../support/gramine-ratls.ts'
import { proxyOf, type Tree } from '../support/pods.ts'
import {
  ask,
  choosePorts,
  type Ports,
  portVariables,
  postern,
  probe,
  repository,
  startServing,
} from '../support/process.ts'

/** What Kubernetes puts in the place of fields. */
const fields: Readonly<Record<string, string>> = {
  'metadata.namespace': 'shop',
  'metadata.name': 'cart-5f7c9-abcde',
  'status.podIP': '127.0.0.1',
}

/** The guide's Deployment with its container on a port that is free here, through the command. */
function injected(ports: Ports, config: readonly string[] = []): Tree {
  const given = readFileSync(join(repository, 'docs/deployment.yaml'), 'utf8')
  const input = given.replace('containerPort: 8443', `containerPort: ${ports.user}`)
  const { stdout, stderr, status } = spawnSync(process.execPath, [postern, 'inject', '--dry-run', ...config], {
    input,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return proxyOf((readYaml(Buffer.from(stdout), 'dry run')[0] as Tree).spec.template)
}

/** Its environment, with the proxy's own ports moved to where nobody is. */
function environmentOf(container: Tree, ports: Ports): Record<string, string> {
  const given = container.env.map(({ name, value, valueFrom }: Tree) => [
    name,
    value ?? fields[valueFrom.fieldRef.fieldPath],
  ])
  const { USER_PORT: user, ...own } = portVariables(ports)
  const values: Record<string, string> = Object.fromEntries(given)
  if (values['USER_PORT'] !== user) throw new Error(`USER_PORT ${values['USER_PORT']}`)
  return { ...values, ...own }
}

async function served(t: Test, ports: Ports): Promise<void> {
  t.equal((await probe(ports.serving)).status, 200, 'ready by the probe that moved')
  t.match(await ask(ports.tls, { path: '/a', tls: true }), { status: 200, body: 'hello, you asked for /a\n' })
  const plain = await ask(ports.serving, { path: '/a' })
  t.equal(plain.status, 421, 'the plain port answers probes only')
  const metrics = (await ask(ports.metrics, { path: '/metrics' })).body
  for (const label of ['cart', 'shop']) t.match(metrics, `"${label}"`)
}

t.test('Node', async t => {
  const folder = t.testdir()
  const ports = await choosePorts()
  await run(t, [...installNodeExample(folder), '--synthetic'], ports.user, folder)
  await startServing(t, policyFile(folder, 'challenge'), environmentOf(injected(ports), ports))
  await served(t, ports)
})

for (const [name, skip, command] of written) {
  t.test(name, { skip }, async t => {
    const folder = t.testdir()
    const ports = await choosePorts()
    await writeGramineRatls(folder, demoFunction())
    await run(t, command(folder, ports.user), ports.user, folder)
    await startServing(t, policyFile(folder, 'none'), environmentOf(injected(ports), ports))
    await served(t, ports)
  })
}

t.test('on nodes without SGX: the image without an enclave, the policy compatible', async t => {
  const ports = await choosePorts()
  const server = createServer((asked, answer) => answer.end(`hello, you asked for ${asked.url}\n`))
  await new Promise<void>(resolve => server.listen(ports.user, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const container = injected(ports, ['--config', 'deploy/components/plain/options.json'])
  t.same(Object.keys(container.resources.limits), ['memory'])
  const env = environmentOf(container, ports)
  // The guide's container speaks TLS, this one does not.
  env['SERVING_READINESS_PROBE'] = (env['SERVING_READINESS_PROBE'] ?? '').replace('"HTTPS"', '"HTTP"')
  await startServing(t, 'compatible', env)
  t.match(await ask(ports.serving, { path: '/a' }), { status: 200, body: 'hello, you asked for /a\n' })
})
