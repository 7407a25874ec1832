import t from 'tap'
import { importMeasurements } from '../../../src/cli/import/measurements.ts'

const hex = 'ab'.repeat(32)
const other = 'cd'.repeat(32)
const tdx = 'ee'.repeat(48)
const read = (...entries: unknown[]) => importMeasurements(Buffer.from(JSON.stringify(entries)))
const sgx = (mrenclave: object, more: object = {}) => ({
  measurement_id: 'app 1.2',
  attestation_type: 'dcap-sgx',
  measurements: { mrenclave, ...more },
})

t.test('TDX guests are listed one by one, and nobody is accepted', async t => {
  const { peers, notCarried } = read(
    { measurement_id: 'builder 3', attestation_type: 'azure-tdx', measurements: { 4: { expected: hex } } },
    { attestation_type: 'dcap-tdx', measurements: { 0: { expected_any: [tdx] } } },
    { attestation_type: 'none' },
  )
  t.same(peers, {})
  t.match(notCarried, [
    { what: 'builder 3 (azure-tdx)', why: /another TEE/ },
    { what: 'entry 1 (dcap-tdx)', why: /another TEE/ },
    { what: 'entry 2 (none)', why: /without evidence is not accepted/ },
  ])
})

t.test('measurements of SGX enclaves, each once', async t => {
  const { peers, notCarried } = read(
    sgx({ expected: hex.toUpperCase() }),
    sgx({ expected_any: [hex, other] }, { isv_svn: { expected: '3' } }),
    { attestation_type: 'sgx', measurements: { mrenclave: { expected: other } } },
  )
  t.same(peers, { app: { enclaves: [{ mrenclave: hex }, { mrenclave: other }] } })
  t.match(notCarried, [{ what: 'app 1.2 (dcap-sgx): isv_svn', why: /compares a measurement alone/ }])
})

t.test('an SGX entry without a measurement is left out', async t => {
  const rows: [entry: object, why: RegExp][] = [
    [{ attestation_type: 'sgx' }, /any enclave would do/],
    [{ attestation_type: 'sgx', measurements: {} }, /names no mrenclave/],
    [{ attestation_type: 'sgx', measurements: { mrsigner: { expected: hex } } }, /write mrsigner, isvProdId/],
    [sgx({ expected: 'ab' }), /names no mrenclave of 64 hex digits/],
    [sgx({ expected_any: [hex, 'ab'] }), /names no mrenclave of 64 hex digits/],
    [sgx({}), /names no mrenclave/],
    [{ ...sgx({}), measurements: { mrenclave: hex } }, /names no mrenclave/],
  ]
  for (const [entry, why] of rows) t.match(read(entry), { peers: {}, notCarried: [{ why }] })
})

t.test('what is no such file', async t => {
  t.throws(() => importMeasurements(Buffer.from('{}')), { code: 'usage', message: /^want a measurements\.json/ })
  for (const entry of [1, null, {}, { attestation_type: 1 }]) {
    t.throws(() => read(entry), { code: 'usage', message: 'entry 0: want an object with attestation_type' })
  }
})
