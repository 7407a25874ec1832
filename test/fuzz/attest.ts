// A long run of random and spoilt evidence against the verifier, by hand: node test/fuzz/attest.ts [--seconds N]
// [--seed N]. It must never throw anything but a Fault, never accept what says something else than the golden evidence,
// and never take long for one input. What it finds is printed with its seed.

import fc from 'fast-check'
import type { IntelCollateral } from '../../src/attest/evidence.ts'
import { judgePeer } from '../../src/attest/peer.ts'
import { parseQuote } from '../../src/attest/quote.ts'
import { verifyQuote } from '../../src/attest/verify.ts'
import { toHex } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/errors.ts'
import { anyReportData, makePeer, makeRule, makeTee, mrenclave } from '../support/evidence.ts'
import { makeIntel, now } from '../support/pki-intel.ts'

const flag = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(name)
  return at < 0 ? fallback : Number(process.argv[at + 1])
}
const seconds = flag('--seconds', 60)
const seed = flag('--seed', Date.now())
/** Far beyond what any input may take, far above what a busy machine adds. */
const slowMs = 500

const intel = await makeIntel()
const tee = makeTee({ platform: intel.platform })
const quotes = await Promise.all(
  ([3, 4, 5] as const).map(version =>
    makeTee({ platform: intel.platform, version }).quote(anyReportData(new Uint8Array(64))),
  ),
)
const leaf = await makePeer({ tee })
const files = Object.entries(intel.collateral).filter(
  (entry): entry is [string, Uint8Array] => typeof entry[1] !== 'string',
)

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
const golden = quotes[0] ?? new Uint8Array()
const inputs = fc.oneof(
  fc.record({ quote: fc.oneof(...quotes.map(spoilt), noise), collateral: fc.constant(intel.collateral) }),
  fc.record({
    quote: fc.constant(golden),
    collateral: fc
      .constantFrom(...files)
      .chain(([name, bytes]) =>
        fc.oneof(spoilt(bytes), noise).map((changed): IntelCollateral => ({ ...intel.collateral, [name]: changed })),
      ),
  }),
)

let [runs, accepted, slowest] = [0, 0, 0]
function timed(run: () => void): boolean {
  const before = performance.now()
  run()
  slowest = Math.max(slowest, performance.now() - before)
  runs++
  return slowest < slowMs
}

function verifies(quote: Uint8Array, collateral: IntelCollateral): boolean {
  try {
    const { tee: kind, body } = verifyQuote(parseQuote(quote), collateral, now, intel.root)
    accepted++
    return kind === 'sgx' && toHex(body.mrenclave) === toHex(mrenclave)
  } catch (error) {
    return error instanceof Fault && error.code !== 'internal'
  }
}

const end = Date.now() + seconds * 1000
for (let round = 0; Date.now() < end; round++) {
  fc.assert(
    fc.property(inputs, ({ quote, collateral }) => {
      let good = false
      return (
        timed(() => {
          good = verifies(quote, collateral)
        }) && good
      )
    }),
    { numRuns: 500, seed: seed + round },
  )
  fc.assert(
    fc.property(fc.oneof(spoilt(leaf), noise), bytes => {
      let good = false
      return (
        timed(() => {
          const judgement = judgePeer(bytes, makeRule(), { root: intel.root, collateral: intel.collateral }, now)
          good = judgement.accepted
            ? toHex(judgement.claims.body.mrenclave) === toHex(mrenclave)
            : judgement.reasons[0].rule !== 'internal'
        }) && good
      )
    }),
    { numRuns: 200, seed: seed + round },
  )
}
process.stdout.write(
  `${runs} inputs, seed ${seed}: ${accepted} accepted as golden, slowest ${slowest.toFixed(1)} ms, nothing found\n`,
)
