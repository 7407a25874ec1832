import t from 'tap'
import { intelRoot } from '../../src/attest/root.ts'
import { systemClock } from '../../src/base/clock.ts'
import { floorClock } from '../../src/base/floor.ts'
import { syntheticRoot } from '../../src/demo/tee.ts'
import { trustIn } from '../../src/provision/trust.ts'
import { realBytes, realEvidenceMissing, realPath } from '../support/evidence.ts'
import { makeOptions } from '../support/provision.ts'

const clock = floorClock({ ...systemClock, now: () => Date.UTC(2025, 7, 20) }, 0)
const name = 'sgx-v3-automata-00606a-eval17-aug2025'
const real = (at: string) =>
  makeOptions({ name: 'acme', dangerSyntheticRoot: undefined, collateral: { sources: [{ kind: 'directory', at }] } })

t.test('synthetic evidence is judged by the root that the options name', async t => {
  const trustFor = trustIn(makeOptions(), clock, () => t.fail('nothing is asked for'))
  t.same(await trustFor(new Uint8Array()), { root: syntheticRoot, collateral: { kind: 'synthetic' } })
})

t.test('what is no quote of a machine of Intel is told', async t => {
  await t.rejects(trustIn(real('/none'), clock, () => {})(new Uint8Array(10)), { code: 'quote-malformed' })
})

t.test("hardware's by Intel's, with collateral for its model", { skip: realEvidenceMissing }, async t => {
  const quote = realBytes(`${name}/quote.bin`)
  const trust = await trustIn(real(realPath(name)), clock, () => {})(quote)
  t.same(trust.root, intelRoot())
  t.match(trust.collateral, { kind: 'intel' })
})
