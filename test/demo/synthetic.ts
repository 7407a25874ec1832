import t from 'tap'
import { toHex } from '../../src/base/bytes.ts'
import { shipped } from '../../src/config/policies.ts'
import { demoProxy } from '../../src/demo/enclaves.ts'
import { synthetic, syntheticProxy } from '../../src/demo/synthetic.ts'
import { measurement, syntheticRoot } from '../../src/demo/tee.ts'

t.test('evidence of an enclave that does not exist, under the synthetic root', async t => {
  const { source, root } = synthetic()
  t.equal(source.synthetic, true)
  t.same(root, syntheticRoot)
  t.match(shipped['demo'], toHex(source.mrenclave), 'the one that the policy demo accepts')
  t.same(synthetic('mine').source.mrenclave, measurement('mine'))
  t.equal(syntheticProxy.mrenclave, toHex(demoProxy().mrenclave))
})
