import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { collateralFiles } from '../../src/attest/directory.ts'
import { verifyQuoteFile } from '../../src/cli/quote-verify.ts'
import { demoDebugFunction, demoFunction, demoStranger } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { syntheticRootPem } from '../../src/demo/tee.ts'
import { command } from '../support/cli.ts'
import { anyReportData, makePeer, makeTee, realEvidenceMissing, realPath } from '../support/evidence.ts'
import { makeIntel } from '../support/pki-intel.ts'

const data = anyReportData(new Uint8Array(64))
const intel = await makeIntel()
const at = '2026-01-15T00:00:00Z'

/** A folder with a quote, its root and its collateral. */
async function files(folder: string, quote?: Uint8Array): Promise<(name: string) => string> {
  const of = (name: string): string => `${folder}/${name}`
  mkdirSync(of('collateral'))
  for (const [member, file] of Object.entries(collateralFiles)) {
    writeFileSync(of(`collateral/${file}`), intel.collateral[member as keyof typeof collateralFiles])
  }
  writeFileSync(of('root'), intel.root)
  writeFileSync(of('synthetic.pem'), syntheticRootPem)
  writeFileSync(of('quote'), quote ?? (await makeTee({ platform: intel.platform }).quote(data)))
  return of
}

t.test('a quote under a given root', async t => {
  const of = await files(t.testdir())
  const line = [
    'quote',
    'verify',
    '--quote',
    of('quote'),
    '--collateral',
    of('collateral'),
    '--root',
    of('root'),
    '--at',
  ]
  const good = await command([...line, at])
  t.equal(good.code, 0)
  t.match(good.text, /TCB status: {7}UpToDate[\s\S]*\nVerified, SYNTHETIC\. No policy was asked\.\n$/)
  t.match(JSON.parse((await command([...line, at, '--json'])).text), { verified: true, accepted: null, reasons: [] })
  const late = await command([...line, '2026-03-01T00:00:00Z', '--json'])
  t.equal(late.code, 1)
  t.match(JSON.parse(late.text), { verified: false, mrenclave: null, reasons: [{ rule: 'collateral-outdated' }] })
  t.match(await command([...line, 'yesterday']), { code: 64, text: /^--at yesterday: want a time/ })
})

t.test("without --root it is Intel's, and then a test root is none", async t => {
  const of = await files(t.testdir())
  const line = ['quote', 'verify', '--quote', of('quote'), '--collateral', of('collateral'), '--at', at, '--json']
  const answer = await command(line)
  t.equal(answer.code, 1)
  t.equal(JSON.parse(answer.text).verified, false)
})

t.test('collateral that is not there, and none at all', async t => {
  const of = await files(t.testdir())
  const line = ['quote', 'verify', '--quote', of('quote'), '--at', at, '--json']
  const missing = await command([...line, '--collateral', of('nowhere')])
  t.match([missing.code, JSON.parse(missing.text).reasons[0].rule], [1, 'collateral-missing'])
  t.match(await command(line), {
    code: 64,
    text: /^postern quote verify: --collateral DIR is missing, and Intel's root/,
  })
})

t.test('synthetic evidence and the policy that accepts it', async t => {
  const [leaf] = (await demoCredential(demoFunction())).chain
  const rows: [name: string, quote: Uint8Array, code: number, rules: string[]][] = [
    ["the policy's enclave", await demoFunction().quote(data), 0, []],
    ['its certificate', leaf, 0, []],
    ['another enclave', await demoStranger().quote(data), 1, ['mrenclave']],
    ['a debug enclave', await demoDebugFunction().quote(data), 1, ['debug']],
    [
      'evidence for other report data',
      await makePeer({ tee: demoFunction(), reportData: data }),
      1,
      ['evidence-unbound'],
    ],
    ['no quote', Buffer.from('hello'), 1, ['quote-malformed']],
  ]
  for (const [name, quote, code, rules] of rows) {
    t.test(`${name}: ${code}`, async t => {
      const of = await files(t.testdir(), quote)
      const answer = await command(
        ['quote', 'verify', '--quote', of('quote'), '--at', 'now', '--policy', 'demo', '--json'],
        Date.now(),
      )
      t.equal(answer.code, code)
      const told = JSON.parse(answer.text)
      t.same(
        told.reasons.map((reason: { rule: string }) => reason.rule),
        rules,
      )
      t.equal(told.accepted, code === 0)
    })
  }
})

t.test('a policy that judges no evidence, one that is none', async t => {
  const of = await files(t.testdir())
  const line = ['quote', 'verify', '--quote', of('quote'), '--at', at, '--policy']
  t.match(await command([...line, 'compatible']), { code: 64, text: /judges no evidence/ })
  t.match(await command([...line, 'nowhere']), { code: 1, text: /neither shipped/ })
})

t.test('an error of ours is no refusal', async t => {
  const io = { readFile: () => undefined as unknown as Uint8Array, write: () => {}, warn: () => {}, now: () => 0 }
  t.throws(
    () => verifyQuoteFile({ verb: '', values: { at: 'now', quote: 'x', collateral: 'y' }, positionals: [] }, io),
    TypeError,
  )
})

t.test('real evidence', { skip: realEvidenceMissing }, async t => {
  const real = realPath('sgx-v3-automata-00606a-eval17-aug2025')
  const line = ['quote', 'verify', '--quote', `${real}/quote.bin`, '--collateral', real, '--at', '2025-08-20T00:00:00Z']
  const { code, text } = await command([...line, '--json'])
  t.equal(code, 0)
  t.match(JSON.parse(text), {
    verified: true,
    synthetic: false,
    tcbStatus: 'SWHardeningNeeded',
    advisoryIds: ['INTEL-SA-00615'],
  })
  t.match((await command(line)).text, /\nVerified\. No policy was asked\.\n$/)
  t.equal((await command([...line, '--root', realPath('roots/intel-sgx-root-ca.pem')])).code, 0)
  const policy = {
    version: 1,
    name: 'mine',
    upstream: { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' },
    peers: { app: { enclaves: [{ mrenclave: JSON.parse(text).mrenclave }], tcb: {} } },
  }
  const file = `${t.testdir()}/policy.json`
  writeFileSync(file, JSON.stringify(policy))
  const strict = await command([...line, '--policy', file, '--json'])
  t.match([strict.code, JSON.parse(strict.text).reasons], [1, [{ rule: 'tcb-status', got: 'SWHardeningNeeded' }]])
  policy.peers.app.tcb = { profile: 'swHardeningOk', advisories: ['INTEL-SA-00615'] }
  writeFileSync(file, JSON.stringify(policy))
  t.match(await command([...line, '--policy', file]), { code: 0, text: /Verified and accepted\.\n$/ })
})
