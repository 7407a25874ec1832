// Each variant as kubectl renders it, held by a golden file.

import t from 'tap'
import { golden, kubectlMissing, objects, output, readObjects, variants } from '../support/deploy.ts'

for (const [name, folder] of Object.entries(variants)) {
  t.test(`${folder} renders as its golden file`, { skip: kubectlMissing }, async t => {
    const rendered = objects(output('kubectl', ['kustomize', folder]))
    t.same(rendered, readObjects(golden(name)), `stale: kubectl kustomize ${folder} > ${golden(name)}`)
  })
}
