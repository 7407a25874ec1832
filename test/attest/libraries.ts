import t from 'tap'
import type { IntelCollateral } from '../../src/attest/evidence.ts'
import { parseQuote } from '../../src/attest/quote.ts'
import { intelRoot } from '../../src/attest/root.ts'
import { verifyQuote } from '../../src/attest/verify.ts'
import { Fault } from '../../src/base/errors.ts'
import type { SyntheticTeeOptions } from '../../src/demo/tee.ts'
import { ecKeys, names } from '../support/certificates.ts'
import { anyReportData, makeTee, realBytes, realEvidenceMissing } from '../support/evidence.ts'
import { askJavaScript, askWasm, type Opinion } from '../support/libraries.ts'
import { isvLevel, makeIntel, now, platformLevel, serials, type World } from '../support/pki-intel.ts'
import { applied, type Files, readFiles, realCases, realMutations, toCollateral } from '../support/pki-real.ts'

function ask(quote: Uint8Array, collateral: IntelCollateral, at: number, root: Uint8Array): Opinion {
  try {
    const { tcbStatus, tcb } = verifyQuote(parseQuote(quote), collateral, at, root)
    return { accepts: true, status: tcbStatus, advisoryIds: tcb?.advisoryIds ?? [] }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return { accepts: false, why: error.message }
  }
}

const word = (opinion: Opinion): string => (opinion.accepts ? 'accepts' : 'refuses')

const debug =
  "a debug enclave is genuine; whether one is wanted is the policy's to say, and no policy wants one by default"
const crl = 'a revocation list counts only with its issuer, its signature and its dates; else the host chooses the list'

/** Where we and the two libraries differ on real evidence; ours, JavaScript's, the wasm's; and why we are right. */
const real: Readonly<Record<string, readonly [ours: string, javaScript: string, wasm: string, why: string]>> = {
  'sgx-v3-gramine-ratls-legacy-00606a': ['accepts', 'refuses', 'refuses', debug],
  'sgx-v3-gramine-ratls-tagged-00606a': ['accepts', 'refuses', 'refuses', debug],
  'sgx-v3-occlum-trustee-00606a': ['accepts', 'refuses', 'refuses', debug],
  'sgx-v3-openenclave-00906ed5-eval19': ['accepts', 'refuses', 'refuses', debug],
  'trailing-garbage': [
    'refuses',
    'accepts',
    'accepts',
    'bytes behind the signature data are signed by nobody; only zero padding is',
  ],
  'qe-identity-tamper': [
    'refuses',
    'refuses',
    'accepts',
    'a QE identity that was changed is none; the wasm reads none',
  ],
  'qe-identity-td': [
    'refuses',
    'refuses',
    'accepts',
    "a TDX guest's QE identity says nothing about SGX; the wasm reads none",
  ],
  'pck-crl-is-root-crl': ['refuses', 'accepts', 'refuses', crl],
  'root-crl-is-pck-crl': ['refuses', 'accepts', 'refuses', crl],
  'pck-crl-wrong-ca': ['refuses', 'accepts', 'refuses', crl],
  'pck-crl-sig': ['refuses', 'accepts', 'refuses', crl],
  'pck-crl-entry-removed': ['refuses', 'accepts', 'refuses', crl],
  'pck-crl-garbage': ['refuses', 'accepts', 'refuses', crl],
  'crl-empty': ['refuses', 'accepts', 'refuses', crl],
  'root-crl-sig': ['refuses', 'accepts', 'refuses', crl],
  'time-before-issue': [
    'refuses',
    'refuses',
    'accepts',
    'what was not issued yet is of another time than the clock says',
  ],
}

t.test(
  'on real evidence both libraries agree with us, but where the table says why not',
  { skip: realEvidenceMissing },
  async t => {
    const text = (name: string) => JSON.parse(Buffer.from(realBytes(`${name}/expected.json`)).toString('utf8'))
    const rows: [id: string, files: Files, at: number][] = [
      ...realCases().map((name): [string, Files, number] => [name, readFiles(name), Date.parse(text(name).verify_at)]),
      ...realMutations().map((mutation): [string, Files, number] => {
        const { files, time } = applied(mutation)
        return [mutation.id, files, Date.parse(time ?? text(mutation.base).verify_at)]
      }),
    ]
    let both = 0
    for (const [id, files, at] of rows) {
      const quote = files['quote.bin'] ?? new Uint8Array()
      const collateral = toCollateral(files)
      const ours = ask(quote, collateral, at, intelRoot())
      const [javaScript, wasm] = [askJavaScript(quote, collateral, at, intelRoot()), askWasm(quote, collateral, at)]
      const words = [word(ours), word(javaScript), word(wasm)]
      const [a, b, c] = real[id] ?? [words[0], words[0], words[0]]
      t.same(words, [a, b, c], id)
      if (!javaScript.accepts || !wasm.accepts || !ours.accepts) continue
      both++
      t.same([javaScript, wasm], [ours, ours], `${id}: the same status and advisories`)
    }
    t.ok(both >= 4)
  },
)

const old = 'the library takes version 4 and 5 for TDX only; Intel defines both for SGX too'
const dates = 'a list holds from its date to its date'

/** Under a test root, where the wasm cannot follow: ours, JavaScript's, and why we are right where they differ. */
const synthetic: [
  name: string,
  world: World,
  ours: string,
  javaScript: string,
  why?: string | undefined,
  tee?: Partial<SyntheticTeeOptions>,
][] = [
  ['up to date', {}, 'UpToDate', 'UpToDate'],
  [
    'an old platform',
    { sgx: { pceSvn: 12, components: [...Array(8).fill(6), ...Array(8).fill(0)] } },
    'OutOfDate',
    'OutOfDate',
  ],
  ['an old QE', {}, 'OutOfDate', 'OutOfDate', undefined, { qe: { isvSvn: 7 } }],
  [
    'configuration',
    { tcbInfo: { tcbLevels: [platformLevel('ConfigurationNeeded')] } },
    'ConfigurationNeeded',
    'ConfigurationNeeded',
  ],
  [
    'configuration, and an old QE',
    { tcbInfo: { tcbLevels: [platformLevel('ConfigurationNeeded')] } },
    'OutOfDateConfigurationNeeded',
    'OutOfDate',
    "Intel's own library converges the two so (QuoteVerifier.cpp); the other forgets the configuration",
    { qe: { isvSvn: 7 } },
  ],
  [
    'hardening',
    { tcbInfo: { tcbLevels: [platformLevel('SWHardeningNeeded', 7, 13, ['INTEL-SA-00001'])] } },
    'SWHardeningNeeded',
    'SWHardeningNeeded',
  ],
  ['a revoked level', { tcbInfo: { tcbLevels: [platformLevel('Revoked')] } }, 'refuses', 'refuses'],
  ['a revoked QE', { qeIdentity: { tcbLevels: [isvLevel('Revoked', 1)] } }, 'refuses', 'refuses'],
  ['a platform below all levels', { sgx: { pceSvn: 1 } }, 'refuses', 'refuses'],
  ['another FMSPC', { tcbInfo: { fmspc: '000000000000' } }, 'refuses', 'refuses'],
  ['another PCE', { tcbInfo: { pceId: '0001' } }, 'refuses', 'UpToDate', 'TCB levels are those of one PCE'],
  ['a revoked PCK leaf', { pckCrl: { revoked: [serials.leaf] } }, 'refuses', 'refuses'],
  ['a revoked PCK CA', { rootCrl: { revoked: [serials.ca] } }, 'refuses', 'refuses'],
  ['a revoked PCK leaf, the list unsigned', { pckCrl: { key: ecKeys() } }, 'refuses', 'UpToDate', crl],
  ['a PCK CRL that has ended', { pckCrl: { nextUpdate: now - 1000 } }, 'refuses', 'UpToDate', dates],
  ['a PCK CRL that is to come', { pckCrl: { thisUpdate: now + 1000 } }, 'refuses', 'UpToDate', dates],
  ['a root CRL that has ended', { rootCrl: { nextUpdate: now - 1000 } }, 'refuses', 'UpToDate', dates],
  ['a root CRL of an unknown key', { rootCrl: { key: ecKeys() } }, 'refuses', 'UpToDate', crl],
  ['TCB info that has ended', { tcbInfo: { nextUpdate: '2026-01-10T00:00:00Z' } }, 'refuses', 'refuses'],
  ['a QE identity that has ended', { qeIdentity: { nextUpdate: '2026-01-10T00:00:00Z' } }, 'refuses', 'refuses'],
  ['a leaf of another issuer name', { leaf: { issuer: { name: 'x', keys: ecKeys() } } }, 'refuses', 'refuses'],
  ['a CA that is none', { ca: { ca: false } }, 'refuses', 'UpToDate', 'RFC 5280: who is no CA issues nothing'],
  [
    'documents signed by a certificate of another name',
    { signing: { name: names.leaf } },
    'refuses',
    'UpToDate',
    'documents are signed by the TCB signing certificate and by no other',
  ],
  ['SGX, version 4', {}, 'UpToDate', 'refuses', old, { version: 4 }],
  ['SGX, version 5', {}, 'UpToDate', 'refuses', old, { version: 5 }],
  ['a debug enclave', {}, 'UpToDate', 'refuses', debug, { debug: true }],
]
for (const [name, world, ours, javaScript, why, tee] of synthetic) {
  t.test(`${name}: ${ours}, and @phala/dcap-qvl ${javaScript}${why ? `: ${why}` : ''}`, async t => {
    const made = await makeIntel(world)
    const quote = await makeTee({ platform: made.platform, ...tee }).quote(anyReportData(new Uint8Array(64)))
    const say = (opinion: Opinion) => (opinion.accepts ? opinion.status : 'refuses')
    const mine = ask(quote, made.collateral, now, made.root)
    const theirs = askJavaScript(quote, made.collateral, now, made.root)
    t.equal(say(mine), ours)
    t.equal(say(theirs), javaScript, theirs.accepts ? 'it accepts' : theirs.why)
    t.equal(ours === javaScript, why === undefined, 'a disagreement has its reason')
    if (mine.accepts && theirs.accepts && why === undefined) t.same(mine, theirs)
  })
}
