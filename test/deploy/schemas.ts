// What is rendered, and every pod that is patched, by Kubernetes' own published schemas of every version from the oldest that
// we support: kubectl-validate (sigs.k8s.io) brings them, where it is installed, as many as its release knew.

import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { writeYaml } from '../../src/cli/yaml.ts'
import { inject } from '../../src/inject/mutate.ts'
import { golden, readObjects, validatorMissing, variants } from '../support/deploy.ts'
import {
  askingPod,
  everyPlatform,
  options,
  pod,
  renderedMissing,
  renderedPods,
  sidecar,
  type Tree,
} from '../support/pods.ts'
import { repository } from '../support/process.ts'

/** The first is the oldest that deploy/README.md names; Knative supports those that Kubernetes does. */
const versions = ['1.30', '1.31', '1.32', '1.33', '1.34', '1.35', '1.36', '1.37']

/** Schemas that it does not bring it would ask a service on the network for, within that one's rate limit: not in a test. */
const offline = { ...process.env, HTTPS_PROXY: 'http://127.0.0.1:1' }

function validate(version: string, path: string): { status: number | null; text: string } {
  const args = ['--version', version, path]
  const { status, stdout, stderr } = spawnSync('kubectl-validate', args, {
    cwd: repository,
    encoding: 'utf8',
    env: offline,
  })
  return { status, text: stdout + stderr }
}

/** Why a version is not consulted; false where its schemas are there. */
function missing(version: string): string | false {
  if (validatorMissing) return validatorMissing
  const known = validate(version, 'deploy/base/namespace.yaml').status === 0
  return known ? false : `SKIPPED: this kubectl-validate does not bring the schemas of Kubernetes ${version}`
}

function valid(t: Test, version: string, path: string): void {
  const { status, text } = validate(version, path)
  t.equal(status, 0, text.slice(-2000))
}

/** Kinds of operators have no schema of Kubernetes'. */
const isServed = ({ apiVersion }: Tree): boolean => !/^(?:cert-manager\.io|monitoring\.coreos\.com)\//.test(apiVersion)

/** Writes what is rendered into a folder. */
function writeRendered(folder: string): void {
  for (const name of [...Object.keys(variants), 'chart']) {
    const objects = readObjects(golden(name)).filter(isServed)
    if (objects.length > 0) writeFileSync(join(folder, `${name}.yaml`), objects.map(writeYaml).join('---\n'))
  }
}

/** Writes every pod as every platform's injector makes it. */
function writePods(folder: string): void {
  const all = options({
    supplementalGroups: [121],
    policy: { configMap: 'policy' },
    mounts: [{ configMap: 'collateral', path: '/var/lib/postern/collateral' }],
  })
  const asking = askingPod({
    annotations: { 'postern.dev/policy': 'eyJ' },
    app: { readinessProbe: { tcpSocket: { port: 'web' } } },
  })
  const given = [['own', pod()], ['asking', asking], ...(renderedMissing ? [] : renderedPods())] as const
  for (const [scenario, each] of given) {
    for (const [platform, to] of [...everyPlatform, ['all', all] as const]) {
      const offered = { ...options({ sidecar: { ...sidecar, certificates: 'a' } }).sidecar } as NonNullable<
        typeof to.sidecar
      >
      const injection = inject(each, { ...to, sidecar: offered })
      if (injection.outcome !== 'patched') throw new Error(`${scenario}, ${platform}: ${injection.outcome}`)
      const wanted: Tree = injection.pod
      const metadata = { ...wanted.metadata, name: 'pod', namespace: 'default' }
      writeFileSync(join(folder, `${scenario}-${platform}.yaml`), writeYaml({ ...wanted, metadata }))
    }
  }
}

for (const version of versions) {
  t.test(`Kubernetes ${version}: rendered objects and patched pods`, { skip: missing(version) }, async t => {
    const folder = t.testdir({})
    for (const name of ['rendered', 'pods', 'bad']) mkdirSync(join(folder, name))
    writeRendered(join(folder, 'rendered'))
    valid(t, version, join(folder, 'rendered'))
    writePods(join(folder, 'pods'))
    valid(t, version, join(folder, 'pods'))
    writeFileSync(join(folder, 'bad/bad.yaml'), writeYaml({ ...readObjects(golden('network'))[0], specs: {} }))
    t.equal(validate(version, join(folder, 'bad')).status, 1, 'and what is wrong is found')
  })
}
