import t from 'tap'
import { toHex } from '../../src/base/bytes.ts'
import { loadPolicy } from '../../src/config/policy.ts'
import { demoDebugFunction, demoFunction, demoProxy, demoStranger } from '../../src/demo/enclaves.ts'

t.test('none of them exists, and each says so', async t => {
  for (const enclave of [demoFunction(), demoDebugFunction(), demoStranger(), demoProxy()]) {
    t.match(enclave, { tee: 'sgx', synthetic: true })
  }
})

t.test('the policy demo accepts the function by its measurement, and nobody else', async t => {
  const { policy } = loadPolicy('demo', () => new Uint8Array())
  const [entry, ...more] = policy.peers['app']?.enclaves ?? []
  t.same(more, [])
  t.match(entry, { mrenclave: toHex(demoFunction().mrenclave) })
  for (const other of [demoStranger(), demoProxy()]) t.notMatch(entry, { mrenclave: toHex(other.mrenclave) })
})

t.test('the debug function is the same code', async t => {
  t.same(demoDebugFunction().mrenclave, demoFunction().mrenclave)
})
