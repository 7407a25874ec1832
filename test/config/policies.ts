import t from 'tap'
import { readJson } from '../../src/base/json.ts'
import { compatible, confidential, demo, shipped } from '../../src/config/policies.ts'
import { measurement, syntheticRootPem } from '../../src/demo/tee.ts'

t.test('each shipped policy is JSON that carries its own name', async t => {
  t.same(Object.keys(shipped), ['confidential', 'compatible', 'demo'])
  for (const [name, text] of Object.entries(shipped)) {
    t.match(readJson(text), { version: 1, name })
    t.ok(text.endsWith('}\n') && /^[\x20-\x7e\n]+$/.test(text))
  }
})

t.test('demo trusts the synthetic root and the sample function, and only they', async t => {
  const { dangerSyntheticRoot, peers } = JSON.parse(demo)
  t.equal(dangerSyntheticRoot, syntheticRootPem)
  const mrenclave = Buffer.from(measurement('postern demo function')).toString('hex')
  t.same(peers, { app: { enclaves: [{ mrenclave }] } })
})

t.test('confidential accepts nobody and has no danger in it', async t => {
  t.same(JSON.parse(confidential).peers, { app: { enclaves: [] } })
  t.notMatch(confidential, /danger/)
  t.notMatch(compatible, /Root/)
})
