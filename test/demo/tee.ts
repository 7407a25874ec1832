import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import t from 'tap'
import { bindClaims } from '../../src/attest/bind.ts'
import { parseSgxQuote } from '../../src/attest/quote.ts'
import { verifyQuote } from '../../src/attest/verify.ts'
import { toHex } from '../../src/base/bytes.ts'
import {
  makeSyntheticTee,
  measurement,
  syntheticPlatform,
  syntheticRoot,
  syntheticRootKeyPem,
  syntheticRootPem,
} from '../../src/demo/tee.ts'
import { at, makeTee } from '../support/evidence.ts'

const data = bindClaims(Uint8Array.of(1))
const verify = (bytes: Uint8Array) => verifyQuote(parseSgxQuote(bytes), { kind: 'synthetic' }, at, syntheticRoot)

t.test('its quotes verify, and say what was asked for', async t => {
  const source = makeSyntheticTee({
    mrenclave: measurement('a'),
    mrsigner: measurement('b'),
    isvProdId: 300,
    isvSvn: 301,
    debug: true,
  })
  t.match(source, { tee: 'sgx', synthetic: true })
  t.same(source.mrenclave, measurement('a'))
  const { body } = verify(await source.quote(data))
  t.match(body, { isvProdId: 300, isvSvn: 301, attributes: { flags: 7n } })
  t.equal(toHex(body.mrenclave), toHex(measurement('a')))
  t.equal(toHex(body.mrsigner), toHex(measurement('b')))
  t.equal(toHex(body.reportData), toHex(data))
})

t.test('the knobs turn', async t => {
  t.equal(verify(await makeTee({ flags: 0x20n }).quote(data)).body.attributes.flags, 0x20n)
  t.equal(parseSgxQuote(await makeTee({ qeAuthData: new Uint8Array(5) }).quote(data)).qeAuthData.length, 5)
  const plain = await makeTee().quote(data)
  t.equal((await makeTee({ padding: 70 }).quote(data)).length, plain.length + 70)
  t.throws(() => verify(Buffer.concat([plain.subarray(0, 100), Buffer.of(9), plain.subarray(101)])))
})

t.test('two machines of one root have different attestation keys', async t => {
  const [a, b] = [parseSgxQuote(await makeTee().quote(data)), parseSgxQuote(await makeTee().quote(data))]
  t.notSame(a.attestationKey, b.attestationKey)
  t.same(a.pckChain, b.pckChain)
})

t.test('every name in its chain says SYNTHETIC, and its keys fit', async t => {
  const platform = syntheticPlatform()
  for (const der of platform.chain) {
    const pem = `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`
    const certificate = new X509Certificate(pem)
    t.match(certificate.subject, /CN=SYNTHETIC SGX .* \(not Intel\)/)
    t.match(certificate.issuer, /CN=SYNTHETIC SGX .* \(not Intel\)/)
  }
  const root = new X509Certificate(syntheticRootPem)
  t.ok(root.raw.equals(syntheticRoot))
  t.ok(root.publicKey.equals(createPublicKey(createPrivateKey(syntheticRootKeyPem))))
})

t.test('a measurement is the hash of its name, so a policy can name it', async t => {
  // What the built-in policy `demo` accepts.
  const want = '47b4d6d4b64423ce2d36c18c61fd8fd9dded1ae05de12fbba2a46041042f0b06'
  t.equal(toHex(measurement('postern demo function')), want)
})
