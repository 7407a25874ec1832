// A long run of random and spoilt evidence against the verifier, by hand: node test/fuzz/attest.ts [--seconds N]
// [--seed N]. It must never throw anything but a Fault, never accept what says something else than the golden evidence,
// and never take long for one input. What it finds is printed with its seed.

import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { decodeClaims } from '../../src/attest/bind.ts'
import { readCertificate } from '../../src/attest/certificate.ts'
import { makeAnswer, maxAnswerBytes, readChallenge, writeChallenge } from '../../src/attest/challenge.ts'
import { readCrl } from '../../src/attest/crl.ts'
import type { Claims, IntelCollateral, PeerJudgement } from '../../src/attest/evidence.ts'
import { judgeAnswer, judgePeer } from '../../src/attest/peer.ts'
import { readPemChain } from '../../src/attest/pem.ts'
import { readQeIdentity } from '../../src/attest/qe-identity.ts'
import { parseQuote } from '../../src/attest/quote.ts'
import { readEvidence } from '../../src/attest/ratls.ts'
import { readTcbInfo } from '../../src/attest/tcb-info.ts'
import { verifyQuote } from '../../src/attest/verify.ts'
import { Fault } from '../../src/base/errors.ts'
import { AnswerReader } from '../../src/engine/challenge.ts'
import { ecKeys } from '../support/certificates.ts'
import { anyReportData, makeClaims, makePeer, makeRule, makeTee, spkiOf } from '../support/evidence.ts'
import { makeIntel, now, tdReportOf, tdxWorld } from '../support/pki-intel.ts'

const flag = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(name)
  return at < 0 ? fallback : Number(process.argv[at + 1])
}
const seconds = flag('--seconds', 60)
const seed = flag('--seed', Date.now())
/** Of CPU, far beyond what any input may take; the clock on the wall would measure the machine. */
const slowMs = 500

/** Something genuine, and what it says. */
interface Golden {
  readonly quote: Uint8Array
  readonly collateral: IntelCollateral
  readonly root: Uint8Array
  readonly claims: Claims
}

const intel = await makeIntel()
const intelTdx = await makeIntel(tdxWorld)
async function golden({ platform, collateral, root }: typeof intel, options: object): Promise<Golden> {
  const quote = await makeTee({ platform, ...options }).quote(anyReportData(new Uint8Array(64)))
  return { quote, collateral, root, claims: verifyQuote(parseQuote(quote), collateral, now, root) }
}
const tdReport = tdReportOf([4, 2, ...Array(14).fill(1)])
const goldens = [
  await golden(intel, { version: 3 }),
  await golden(intel, { version: 4 }),
  await golden(intel, { version: 5 }),
  await golden(intelTdx, { version: 4, tdReport }),
  await golden(intelTdx, { version: 5, tdReport }),
]
const trust = { root: intel.root, collateral: intel.collateral }
const keys = ecKeys()
const leaf = await makePeer({ keys, tee: makeTee({ platform: intel.platform }) })
const goldenPeer = judgePeer(leaf, makeRule(), trust, now)
const channel = new Uint8Array(32).fill(7)
const answer = await makeAnswer(makeTee({ platform: intel.platform }), {
  spki: spkiOf(keys),
  role: 'workload',
  policyDigest: new Uint8Array(32),
  service: undefined,
  channels: [channel],
})
const goldenAnswer = judgeAnswer(answer, { leaf, channel }, makeRule(), trust, now)

/** Some bytes changed, a stretch cut out, doubled or replaced by noise. */
const spoilt = (bytes: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(
      fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 }),
      fc.option(fc.tuple(fc.nat(bytes.length), fc.nat(64), fc.uint8Array({ maxLength: 64 })), { freq: 3 }),
    )
    .map(([changes, splice]) => {
      const copy = Buffer.from(bytes)
      for (const [at, byte] of changes) copy[at] = byte
      if (!splice) return new Uint8Array(copy)
      const [at, length, noise] = splice
      return new Uint8Array(Buffer.concat([copy.subarray(0, at), noise, copy.subarray(at + length)]))
    })

const noise = fc.uint8Array({ maxLength: 6000 })

type Parts = Omit<IntelCollateral, 'kind'>
const files = Object.keys(intel.collateral).filter((name): name is keyof Parts => name !== 'kind')
const quotes = fc
  .constantFrom(...goldens)
  .chain(each => fc.oneof(spoilt(each.quote), noise).map((quote): Golden => ({ ...each, quote })))
const collaterals = fc
  .tuple(fc.constantFrom(...goldens), fc.constantFrom(...files))
  .chain(([each, file]) =>
    fc
      .oneof(spoilt(each.collateral[file]), noise)
      .map((bytes): Golden => ({ ...each, collateral: { ...each.collateral, [file]: bytes } })),
  )

/** As the dialer does, in two pieces. */
function readsAnswer(bytes: Uint8Array): void {
  const reader = new AnswerReader(maxAnswerBytes)
  const half = bytes.length >> 1
  reader.feed(bytes.subarray(0, half)) ?? reader.feed(bytes.subarray(half))
}

/** Each reader by itself, also those that verification reaches only behind a good signature. */
const readers: readonly (readonly [golden: Uint8Array, read: (bytes: Uint8Array) => unknown])[] = [
  [makeClaims(ecKeys()), decodeClaims],
  [leaf, bytes => readEvidence(readCertificate(bytes))],
  [writeChallenge(channel), readChallenge],
  [Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${answer.length}\r\n\r\n`), answer]), readsAnswer],
  [intel.collateral.pckCrl, bytes => readCrl(bytes, 'list')],
  [intelTdx.collateral.tcbInfo, readTcbInfo],
  [intel.collateral.qeIdentity, readQeIdentity],
  [intel.collateral.tcbInfoIssuerChain, bytes => readPemChain(bytes, 2, 'collateral-malformed', 'chain')],
]
const readings = fc
  .constantFrom(...readers)
  .chain(([bytes, read]) => fc.oneof(spoilt(bytes), noise).map(each => () => read(each)))

const counts = { runs: 0, accepted: 0, slowestMs: 0 }

/** Of CPU, the whole process's, so a collection of garbage counts too. */
function cpuMs(run: () => void): number {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** Runs one input; false where it took too long. Garbage is not collected twice, a slow input is slow again. */
function inTime(run: () => boolean): boolean {
  let good = false
  let ms = cpuMs(() => {
    good = run()
  })
  if (ms > slowMs / 10) ms = Math.min(ms, cpuMs(run))
  counts.slowestMs = Math.max(counts.slowestMs, ms)
  counts.runs++
  return good && ms < slowMs
}

/** A Fault, or the same as before. */
function refusedOr(run: () => boolean): boolean {
  try {
    return run()
  } catch (error) {
    return error instanceof Fault && error.code !== 'internal'
  }
}

const verifies = ({ quote, collateral, root, claims }: Golden): boolean =>
  refusedOr(() => {
    const found = verifyQuote(parseQuote(quote), collateral, now, root)
    counts.accepted++
    return isDeepStrictEqual(found, claims)
  })

function judges(judgement: PeerJudgement, golden: PeerJudgement): boolean {
  if (!judgement.accepted) return judgement.reasons[0].rule !== 'internal'
  counts.accepted++
  return golden.accepted && isDeepStrictEqual(judgement.claims, golden.claims)
}

const judgesPeer = (bytes: Uint8Array): boolean => judges(judgePeer(bytes, makeRule(), trust, now), goldenPeer)
const judgesAnswer = (bytes: Uint8Array): boolean =>
  judges(judgeAnswer(bytes, { leaf, channel }, makeRule(), trust, now), goldenAnswer)

const end = Date.now() + seconds * 1000
for (let round = 0; Date.now() < end; round++) {
  const assert = <T>(input: fc.Arbitrary<T>, holds: (value: T) => boolean, numRuns: number): void =>
    fc.assert(
      fc.property(input, value => inTime(() => holds(value))),
      { numRuns, seed: seed + round },
    )
  assert(fc.oneof(quotes, collaterals), verifies, 500)
  assert(fc.oneof(spoilt(leaf), noise), judgesPeer, 200)
  assert(fc.oneof(spoilt(answer), noise), judgesAnswer, 200)
  assert(
    readings,
    read =>
      refusedOr(() => {
        read()
        return true
      }),
    500,
  )
}
const { runs, accepted, slowestMs } = counts
process.stdout.write(
  `${runs} inputs, seed ${seed}: ${accepted} accepted as golden, slowest ${slowestMs.toFixed(1)} ms, nothing found\n`,
)
