import t from 'tap'
import { unfit } from '../../src/config/shape.ts'
import { vaultShape } from '../../src/config/vault-shape.ts'

// What it reads is test/config/vault.ts's.
t.test('it describes itself, and refuses what is no object', async t => {
  const { schema } = vaultShape
  t.match(schema, { type: 'object', required: ['url', 'server', 'login', 'pki'], additionalProperties: false })
  t.equal(vaultShape.read('vault', '', []), unfit)
})
