import t from 'tap'
import { command, commandAndWarnings } from '../support/cli.ts'

const hex = 'ab'.repeat(32)
const files = {
  env: `RA_TLS_MRENCLAVE=${hex}\nRA_TLS_MRSIGNER=any\nRA_TLS_ISV_PROD_ID=any\nRA_TLS_ISV_SVN=any\nRA_TLS_X=1\n`,
  'manifest.json': JSON.stringify({
    Packages: { backend: { UniqueID: hex }, frontend: { SignerID: hex, ProductID: 1, SecurityVersion: 2 } },
    Marbles: {},
  }),
  'measurements.json': JSON.stringify([{ measurement_id: 'x', attestation_type: 'gcp-tdx' }]),
  'broken.json': '[',
}

t.test('a policy that can be used, and beside it what is not in it', async t => {
  const folder = t.testdir(files)
  const { code, text, warnings } = await commandAndWarnings(['policy', 'import', `${folder}/env`, '--from', 'gramine'])
  t.equal(code, 0)
  t.same(JSON.parse(text), {
    version: 1,
    name: 'imported',
    upstream: { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' },
    peers: { app: { enclaves: [{ mrenclave: hex }], tcb: { profile: 'strict' } } },
  })
  t.match(
    warnings,
    /^not carried over: RA_TLS_X: it has no counterpart in a policy\nnot carried over: collateral\.sources: name/,
  )
  const used = t.testdir({ 'mine.json': text })
  t.match(await command(['policy', 'check', `${used}/mine.json`]), { code: 0, text: /usable/ })
})

t.test('as JSON, with a name, for one of several', async t => {
  const folder = t.testdir(files)
  const line = ['policy', 'import', `${folder}/manifest.json`, '--from', 'marblerun', '--name', 'mesh', '--json']
  const { code, text, warnings } = await commandAndWarnings([...line, '--accept', 'frontend'])
  t.equal(code, 0)
  t.match(JSON.parse(text), {
    policy: { name: 'mesh', upstream: { accept: 'frontend' }, peers: { backend: {}, frontend: {} } },
    notCarried: [
      { what: 'Marbles' },
      { what: 'Packages.backend.AcceptedTCBStatuses' },
      {},
      { what: 'collateral.sources' },
    ],
  })
  t.equal(warnings, '')
  for (const more of [[], ['--accept', 'middle'], ['--accept', '__proto__']]) {
    t.match(await command([...line, ...more]), {
      code: 64,
      text: '--accept: which of backend, frontend is the container?',
    })
  }
})

t.test('nothing of it: exit 1, and why', async t => {
  const folder = t.testdir(files)
  const line = ['policy', 'import', `${folder}/measurements.json`, '--from', 'measurements']
  const { code, text, warnings } = await commandAndWarnings(line)
  t.same([code, text], [1, ''])
  t.match(
    warnings,
    /^not carried over: x \(gcp-tdx\): a policy names SGX enclaves.*\n.*measurements\.json: nothing in it can be carried over\n$/,
  )
  const asJson = await command([...line, '--json'])
  t.match([asJson.code, JSON.parse(asJson.text)], [1, { policy: null, notCarried: [{ what: 'x (gcp-tdx)' }] }])
})

t.test('called with the wrong thing', async t => {
  const folder = t.testdir(files)
  const rows: [line: string[], code: number, message: RegExp][] = [
    [[`${folder}/env`], 64, /--from FORMAT is missing/],
    [[`${folder}/env`, '--from', 'sconify'], 64, /^--from sconify: want one of gramine, marblerun, measurements/],
    [[`${folder}/env`, '--from', 'constructor'], 64, /^--from constructor: want one of/],
    [[`${folder}/none`, '--from', 'gramine'], 64, /none: ENOENT$/],
    [[`${folder}/broken.json`, '--from', 'measurements'], 64, /broken\.json: not JSON: line 1/],
    [[`${folder}/manifest.json`, '--from', 'gramine'], 64, /manifest\.json: no RA_TLS_ variable in it/],
    [[`${folder}/env`, '--from', 'gramine', '--name', 'Not A Name'], 1, /^policy as imported: \/name: want a name/],
  ]
  for (const [line, code, text] of rows) t.match(await command(['policy', 'import', ...line]), { code, text })
})
