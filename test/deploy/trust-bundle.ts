// The guide's commands that make a trust bundle of the attesting CA's certificate, and the activator's own check, by Go, of what
// the CA issues under that bundle.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readYaml } from '../../src/cli/yaml.ts'
import { chainPem } from '../../src/identity/credential.ts'
import { readAnswer } from '../../src/identity/issuance.ts'
import { kubectlMissing, readObjects } from '../support/deploy.ts'
import type { Tree } from '../support/pods.ts'
import { repository } from '../support/process.ts'
import { ask, call, makeAsked, startCa, unlock } from '../support/provision.ts'

const installed = '/usr/local/go/bin/go'
const go = existsSync(installed) ? installed : 'go'
const goMissing = spawnSync(go, ['version']).error ? 'SKIPPED: Go is not installed, so the check is not run' : false

/** The guide's commands that need no cluster. */
const commands = (): string[] =>
  [
    ...readFileSync(join(repository, 'docs/provision.md'), 'utf8').matchAll(
      /^kubectl (?:create configmap|label --local) .*$/gm,
    ),
  ].map(([line]) => line)

t.test("the activator's check of the CA's certificates", { skip: kubectlMissing || goMissing }, async t => {
  const folder = t.testdir({})
  const env = { ...process.env, GO111MODULE: 'off' }
  const program = join(folder, 'activator')
  const built = spawnSync(go, ['build', '-o', program, join(repository, 'test/identity/activator.go')], {
    encoding: 'utf8',
    env,
  })
  if (built.status !== 0) throw new Error(built.stderr)

  const ca = await startCa()
  t.teardown(() => ca.drain())
  t.equal((await unlock(ca.port)).status, 204)
  const asked = await makeAsked()
  const said = await call(ca.port, { body: exported => ask(asked, exported) })
  const { chain } = readAnswer(said.body)
  writeFileSync(join(folder, 'chain.pem'), chainPem(chain))
  writeFileSync(join(folder, 'ca.crt'), (await call(ca.port, { method: 'GET', path: '/v1/bundle' })).body)

  t.equal(commands().length, 2)
  for (const command of commands()) {
    const { status, stderr } = spawnSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' })
    t.equal(status, 0, stderr)
  }
  const [made] = readYaml(readFileSync(join(folder, 'labelled.yaml')), 'labelled') as Tree[]
  const [shipped] = readObjects('deploy/knative/confidential/trust-bundle.yaml')
  t.match(made, { kind: 'ConfigMap', metadata: shipped.metadata })
  t.same(Object.keys(made.data), Object.keys(shipped.data))

  writeFileSync(join(folder, 'roots.pem'), made.data['ca.crt'])
  const check = (namespace: string): string =>
    spawnSync(program, [join(folder, 'roots.pem'), join(folder, 'chain.pem'), namespace], { encoding: 'utf8' }).stdout
  t.match(check('shop'), /^accepted /)
  t.match(check('other'), /no name of the namespace/)
})
