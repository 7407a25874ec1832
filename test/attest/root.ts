import { createHash } from 'node:crypto'
import t from 'tap'
import { readCertificate } from '../../src/attest/certificate.ts'
import { requireRoot } from '../../src/attest/chain.ts'
import { intelRoot, intelRootPem, intelRootSha256, rootOf } from '../../src/attest/root.ts'
import { toHex } from '../../src/base/bytes.ts'
import { syntheticRootPem } from '../../src/demo/tee.ts'
import { realBytes, realEvidenceMissing } from '../support/evidence.ts'
import { outcome } from '../support/outcome.ts'

t.test("Intel's root is the certificate of this hash, and a root", async t => {
  const root = readCertificate(intelRoot())
  t.equal(createHash('sha256').update(intelRoot()).digest('hex'), intelRootSha256)
  t.equal(intelRootSha256, '44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3')
  t.equal(
    createHash('sha256').update(root.spki).digest('hex'),
    'a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e',
  )
  t.equal(root.commonName, 'Intel SGX Root CA')
  t.same([root.notBefore, root.notAfter], [Date.UTC(2018, 4, 21, 10, 45, 10), Date.UTC(2049, 11, 31, 23, 59, 59)])
  requireRoot(root)
})

t.test('each call gives a copy that may be changed', async t => {
  intelRoot().fill(0)
  t.equal(toHex(intelRoot()), toHex(rootOf(intelRootPem)))
})

t.test('another certificate is never taken for it', async t => {
  t.equal(
    outcome(() => rootOf(syntheticRootPem)),
    'internal',
  )
  t.equal(
    outcome(() => rootOf('')),
    'internal',
  )
})

t.test('it is the root that Intel publishes', { skip: realEvidenceMissing }, async t => {
  t.equal(toHex(intelRoot()), toHex(realBytes('roots/intel-sgx-root-ca.der')))
})
