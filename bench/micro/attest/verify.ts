// CPU of one full verification of a quote (parse, chain, lists, TCB, signatures), with warm collateral and with cold, and
// the same by @phala/dcap-qvl in the same run. Run from the sources: node bench/micro/attest/verify.ts [--json]
//
// Evidence is made on the spot under a test root, so that everybody measures the same; rounds alternate, A B then B A, and
// the ratio is taken per round. CPU is the process's own user and system time, not the clock on the wall.

import { QuoteVerifier } from '@phala/dcap-qvl'
import type { IntelCollateral } from '../../../src/attest/evidence.ts'
import { judgePeer } from '../../../src/attest/peer.ts'
import { parseQuote } from '../../../src/attest/quote.ts'
import { Verdicts } from '../../../src/attest/verdicts.ts'
import { verifyQuote } from '../../../src/attest/verify.ts'

const rounds = 9
const runsPerRound = 100
/** What a proxy may spend on a new container, and how much less than the library it should be. */
const mostMs = 3
const leastRatio = 4

interface Support {
  readonly makeIntel: () => Promise<{ root: Uint8Array; collateral: IntelCollateral; platform: object }>
  readonly makePeer: (options: object) => Promise<Uint8Array>
  readonly makeTee: (options: object) => { quote(data: Uint8Array): Promise<Uint8Array> }
  readonly makeRule: () => Parameters<typeof judgePeer>[1]
  readonly foreignCollateral: (collateral: IntelCollateral) => Parameters<QuoteVerifier['verify']>[1]
  readonly now: number
}

/** The tests' own makers of evidence; by URL, since they are no part of what is built. */
async function support(): Promise<Support> {
  const from = (name: string): Promise<object> =>
    import(new URL(`../../../test/support/${name}.ts`, import.meta.url).href)
  return Object.assign({}, ...(await Promise.all(['pki-intel', 'evidence', 'libraries'].map(from))))
}

function cpuMs(run: () => void): number {
  const before = process.cpuUsage()
  for (let i = 0; i < runsPerRound; i++) run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / runsPerRound
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

const { makeIntel, makePeer, makeTee, makeRule, foreignCollateral, now } = await support()
const { root, collateral, platform } = await makeIntel()
const tee = makeTee({ platform })
const quote = await tee.quote(new Uint8Array(64))
const leaf = await makePeer({ tee })
const foreign = foreignCollateral(collateral)
const verdicts = new Verdicts<ReturnType<typeof judgePeer>>()
const trust = { root, collateral }
const key = { leaf, policyDigest: '', collateralGeneration: 1 }

const contenders: Readonly<Record<string, () => unknown>> = {
  'postern, warm collateral': () => verifyQuote(parseQuote(quote), collateral, now, root),
  'postern, cold collateral': () => verifyQuote(parseQuote(quote), { ...collateral }, now, root),
  'postern, whole peer': () => judgePeer(leaf, makeRule(), trust, now),
  'postern, verdict kept': () => verdicts.find(key, now, () => judgePeer(leaf, makeRule(), trust, now)),
  '@phala/dcap-qvl': () =>
    QuoteVerifier.newWithRootCa(Buffer.from(root)).verify(Buffer.from(quote), foreign, now / 1000),
}

const samples = new Map(Object.keys(contenders).map(name => [name, [] as number[]]))
for (const run of Object.values(contenders)) cpuMs(run) // warm-up
for (let round = 0; round < rounds; round++) {
  const order = Object.entries(contenders)
  if (round % 2 === 1) order.reverse()
  for (const [name, run] of order) samples.get(name)?.push(cpuMs(run))
}

const of = (name: string): readonly number[] => samples.get(name) ?? []
const ratios = of('@phala/dcap-qvl').map((theirs, i) => theirs / (of('postern, warm collateral')[i] ?? Number.NaN))
const result = {
  node: process.version,
  cpuMs: Object.fromEntries([...samples].map(([name, all]) => [name, Number(median(all).toFixed(3))])),
  ratio: Number(median(ratios).toFixed(1)),
}
if (process.argv.includes('--json'))
  process.stdout.write(`${JSON.stringify({ ...result, samples: Object.fromEntries(samples) })}\n`)
else {
  for (const [name, ms] of Object.entries(result.cpuMs))
    process.stdout.write(`${name.padEnd(26)} ${ms.toFixed(3)} ms CPU\n`)
  process.stdout.write(`@phala/dcap-qvl takes ${result.ratio} times as much as postern with warm collateral\n`)
}
process.exitCode = median(of('postern, warm collateral')) <= mostMs && result.ratio >= leastRatio ? 0 : 1
