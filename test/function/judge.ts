import { writeFileSync } from 'node:fs'
import t from 'tap'
import { collateralFiles } from '../../src/attest/directory.ts'
import { toHex } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { syntheticRoot } from '../../src/demo/tee.ts'
import { evidenceJudge, intelAnchor, textOf } from '../../src/function/judge.ts'
import type { FunctionEvent } from '../../src/function/options.ts'
import { makePeer, makeRule, mrenclave } from '../support/evidence.ts'
import { makeIntel, now } from '../support/pki-intel.ts'

t.test('by evidence, and by what it is asked for', async t => {
  const anchor = { root: syntheticRoot, collateral: undefined }
  const { judge, generation } = evidenceJudge(makeRule({ role: 'provision' }), anchor, systemClock)
  t.match(judge(await makePeer({ claims: { role: 'provision' } })), { accepted: true, until: Number })
  t.match(judge(await makePeer()), { accepted: false, reasons: [{ rule: 'role' }] })
  t.match(judge(new Uint8Array()), { accepted: false, reasons: [{ rule: 'certificate-malformed' }] })
  t.equal(generation(), 0, 'nothing that could change')
})

t.test('whatever breaks accepts nobody', async t => {
  const collateral = {
    generation: () => 1,
    collateral: () => {
      throw new TypeError('broken')
    },
  }
  const { judge } = evidenceJudge(makeRule(), { root: syntheticRoot, collateral }, systemClock)
  t.match(judge(await makePeer()), { accepted: false, reasons: [{ rule: 'internal' }] })
})

t.test("collateral under another root than Intel's is not taken, and it is told at the start", async t => {
  const folder = t.testdir()
  const { collateral } = await makeIntel()
  for (const [member, file] of Object.entries(collateralFiles)) {
    writeFileSync(`${folder}/${file}`, collateral[member as keyof typeof collateralFiles])
  }
  const events: FunctionEvent[] = []
  const anchor = intelAnchor([folder], event => events.push(event))
  evidenceJudge(makeRule({ enclaves: [{ mrenclave: toHex(mrenclave) }] }), anchor, { ...systemClock, now: () => now })
  t.match(events, [{ event: 'collateral-failed', reason: /^collateral-unverified: / }])
})

t.test('reasons are for people', async t => {
  const reasons = [
    { rule: 'a', want: 'b', got: 'c' },
    { rule: 'd', want: 'e', got: 'f' },
  ]
  t.equal(textOf(reasons), 'a: want b, got c; d: want e, got f')
})
