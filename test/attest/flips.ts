// Byte-flip tables: each byte of golden evidence is changed, and whatever is still accepted afterwards must stand in this
// file with the reason why it says the same. In a file of their own because they are long; nothing else is.

import t from 'tap'
import { bindClaims } from '../../src/attest/bind.ts'
import { readCertificate } from '../../src/attest/certificate.ts'
import { collateralFiles, readCollateral } from '../../src/attest/directory.ts'
import type { Collateral } from '../../src/attest/evidence.ts'
import { judgePeer } from '../../src/attest/peer.ts'
import { parseSgxQuote } from '../../src/attest/quote.ts'
import { intelRoot } from '../../src/attest/root.ts'
import { verifyQuote } from '../../src/attest/verify.ts'
import { syntheticRoot } from '../../src/demo/tee.ts'
import {
  at,
  makePeer,
  makeRule,
  makeTee,
  realBytes,
  realEvidenceMissing,
  realPath,
  trust,
} from '../support/evidence.ts'
import { outcome } from '../support/outcome.ts'
import { makeIntel, now, pem } from '../support/pki-intel.ts'

t.setTimeout(240_000)

const [lineFeed, carriageReturn] = [0x0a, 0x0d]

/** The lowest bit and the highest; in text those that make another line end, and upper case of lower case. */
const masksOf = (byte: number) =>
  byte === lineFeed || (byte >= 0x20 && byte < 0x7f) ? [0x01, 0x07, 0x20] : [0x01, 0x80]

interface Flip {
  readonly i: number
  readonly was: number
  readonly is: number
}

/** Every flip that is accepted and has no excuse, in words; none is what a test wants. */
function accepted(golden: Uint8Array, accepts: (bytes: Uint8Array) => boolean, excused: (flip: Flip) => boolean) {
  const found: string[] = []
  golden.forEach((was, i) => {
    for (const mask of masksOf(was)) {
      const bytes = new Uint8Array(golden)
      const is = was ^ mask
      bytes[i] = is
      if (accepts(bytes) && !excused({ i, was, is })) found.push(`byte ${i}: ${was} became ${is}`)
    }
  })
  return found
}

/** In PEM a line may end in LF or CR; the certificates are the same. */
const lineEnd = ({ was, is }: Flip): boolean => was === lineFeed && is === carriageReturn

const verifies = (quote: Uint8Array, collateral: Collateral, when: number, root: Uint8Array): boolean =>
  outcome(() => verifyQuote(parseSgxQuote(quote), collateral, when, root)) === 'ok'

const data = bindClaims(Uint8Array.of(1))
const intel = await makeIntel()

t.test('a quote with synthetic collateral', async t => {
  const golden = await makeTee().quote(data)
  const accepts = (bytes: Uint8Array) => verifies(bytes, { kind: 'synthetic' }, at, syntheticRoot)
  t.ok(accepts(golden))
  t.same(
    accepted(golden, accepts, flip => flip.i >= 1052 && lineEnd(flip)),
    [],
  )
})

for (const version of [3, 4, 5] as const) {
  t.test(`a quote of version ${version} with Intel's kind of collateral`, async t => {
    const golden = await makeTee({ platform: intel.platform, version }).quote(data)
    const pemFrom = golden.length - 1 - pem(...intel.platform.chain).length
    const accepts = (bytes: Uint8Array) => verifies(bytes, intel.collateral, now, intel.root)
    t.ok(accepts(golden))
    t.same(
      accepted(golden, accepts, flip => flip.i >= pemFrom && lineEnd(flip)),
      [],
    )
  })
}

for (const file of Object.keys(collateralFiles) as (keyof typeof collateralFiles)[]) {
  t.test(`collateral: ${file}`, async t => {
    const golden = intel.collateral[file]
    const signatureFrom = Buffer.from(golden).toString('latin1').lastIndexOf('"signature":"') + '"signature":"'.length
    // Hex digits of the signature have two spellings.
    const spelling = ({ i, was, is }: Flip) =>
      golden[0] === 0x7b && i >= signatureFrom && (was ^ is) === 0x20 && /[a-f]/i.test(String.fromCharCode(is))
    const golden3 = await makeTee({ platform: intel.platform }).quote(data)
    const accepts = (bytes: Uint8Array) => verifies(golden3, { ...intel.collateral, [file]: bytes }, now, intel.root)
    t.ok(accepts(golden))
    t.same(
      accepted(golden, accepts, flip => spelling(flip) || (file.endsWith('Chain') && lineEnd(flip))),
      [],
    )
  })
}

t.test('a certificate with evidence', async t => {
  const golden = await makePeer()
  const rule = makeRule()
  // A byte changed in one of the two names makes it look issued by an authority; then its signature is for those to
  // judge who know that authority.
  const accepts = (bytes: Uint8Array) => judgePeer(bytes, rule, trust, at).accepted && readCertificate(bytes).selfIssued
  t.ok(accepts(golden))
  t.same(
    accepted(golden, accepts, () => false),
    [],
  )
})

t.test("a real quote with Intel's own collateral", { skip: realEvidenceMissing }, async t => {
  const name = 'sgx-v3-gramine-ratls-tagged-00606a'
  const golden = realBytes(`${name}/quote.bin`)
  const collateral = readCollateral(realPath(name))
  const when = Date.parse('2025-08-20T00:00:00Z')
  const accepts = (bytes: Uint8Array) => verifies(bytes, collateral, when, intelRoot())
  t.ok(accepts(golden))
  t.same(
    accepted(golden, accepts, flip => flip.i >= 1052 && lineEnd(flip)),
    [],
  )
})
