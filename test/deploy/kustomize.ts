// Each variant as kubectl renders it, held by a golden file.

import { readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import t from 'tap'
import { golden, kubectlMissing, objects, output, pick, readObjects, variants } from '../support/deploy.ts'
import { repository } from '../support/process.ts'

for (const [name, folder] of Object.entries(variants)) {
  t.test(`${folder} renders as its golden file`, { skip: kubectlMissing }, async t => {
    const rendered = objects(output('kubectl', ['kustomize', folder]))
    t.same(rendered, readObjects(golden(name)), `stale: kubectl kustomize ${folder} > ${golden(name)}`)
  })
}

t.test('a kustomization of your own, as the page shows it', { skip: kubectlMissing }, async t => {
  const page = readFileSync(join(repository, 'deploy/README.md'), 'utf8')
  const [, shown = ''] = /```yaml\n(apiVersion: kustomize[\s\S]*?)```/.exec(page) ?? []
  const folder = t.testdir({ 'options.json': '{ "version": 1, "platform": "aks-legacy" }' })
  const own = shown.replaceAll(/- postern\//g, `- ${relative(folder, repository)}/`)
  writeFileSync(join(folder, 'kustomization.yaml'), own)
  const rendered = objects(output('kubectl', ['kustomize', folder]))
  t.match(pick(rendered, 'ConfigMap').data['options.json'], /aks-legacy/)
  const { template } = pick(rendered, 'Deployment').spec
  t.match(template.spec.containers[0].image, /^YOURS:/)
  t.equal(template.spec.volumes[0].configMap.name, pick(rendered, 'ConfigMap').metadata.name)
})
