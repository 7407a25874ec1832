import t from 'tap'
import { freeze } from '../../src/config/freeze.ts'

t.test('what is frozen is frozen all the way down, byte arrays aside', async t => {
  const value = freeze({ a: [{ b: 1 }], bytes: new Uint8Array(2), n: null, f: () => 1 })
  t.ok(Object.isFrozen(value) && Object.isFrozen(value.a) && Object.isFrozen(value.a[0]))
  t.equal(value.f(), 1)
  t.equal(value.bytes.length, 2)
})
