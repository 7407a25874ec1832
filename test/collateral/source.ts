import t from 'tap'
import { maxBytes, nameOf, wantsOf } from '../../src/collateral/source.ts'

t.test('what a model needs, the list that judges the rest first', async t => {
  const wants = wantsOf({ fmspc: '00606a000000', ca: 'platform' })
  t.same(wants.map(nameOf), ['root-crl', 'pck-crl platform', 'tcb-info 00606a000000', 'qe-identity'])
  t.same(wantsOf({ fmspc: '00906ed50000', ca: 'processor' }).map(nameOf), [
    'root-crl',
    'pck-crl processor',
    'tcb-info 00906ed50000',
    'qe-identity',
  ])
  t.ok(wants.every(({ kind }) => maxBytes[kind] > 0))
})
