// What is rendered, and every pod that is patched, by Kubernetes' own published schemas for the oldest version supported:
// kubectl-validate (sigs.k8s.io) brings them, where it is installed.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { writeYaml } from '../../src/cli/yaml.ts'
import { inject } from '../../src/inject/mutate.ts'
import { golden, output, readObjects, validatorMissing, variants } from '../support/deploy.ts'
import { everyPlatform, options, pod, renderedMissing, renderedPods, type Tree } from '../support/pods.ts'

const oldest = '1.30'
const validate = (path: string): string => output('kubectl-validate', ['--version', oldest, path])

/** Kinds of operators have no schema of Kubernetes'. */
const isServed = ({ apiVersion }: Tree): boolean => !/^(?:cert-manager\.io|monitoring\.coreos\.com)\//.test(apiVersion)

t.test('rendered objects', { skip: validatorMissing }, async t => {
  const folder = t.testdir({})
  for (const name of [...Object.keys(variants), 'chart']) {
    const file = join(folder, `${name}.yaml`)
    writeFileSync(file, readObjects(golden(name)).filter(isServed).map(writeYaml).join('---\n'))
  }
  t.doesNotThrow(() => validate(folder))
  writeFileSync(join(folder, 'bad.yaml'), writeYaml({ ...readObjects(golden('network'))[0], specs: {} }))
  t.throws(() => validate(folder), 'and what is wrong is found')
})

t.test('patched pods', { skip: validatorMissing }, async t => {
  const folder = join(t.testdir({}), 'pods')
  mkdirSync(folder)
  const all = options({
    supplementalGroups: [121],
    policy: { configMap: 'policy' },
    mounts: [{ configMap: 'collateral', path: '/var/lib/postern/collateral' }],
  })
  for (const [scenario, given] of [['own', pod()] as const, ...(renderedMissing ? [] : renderedPods())]) {
    for (const [platform, to] of [...everyPlatform, ['all', all] as const]) {
      const injection = inject(given, to)
      if (injection.outcome !== 'patched') throw new Error(`${scenario}, ${platform}: ${injection.outcome}`)
      const wanted: Tree = injection.pod
      const metadata = { ...wanted.metadata, name: 'pod', namespace: 'default' }
      writeFileSync(join(folder, `${scenario}-${platform}.yaml`), writeYaml({ ...wanted, metadata }))
    }
  }
  t.doesNotThrow(() => validate(folder))
})
