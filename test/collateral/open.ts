import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { collateralFiles } from '../../src/attest/directory.ts'
import { floorClock } from '../../src/base/floor.ts'
import type { News } from '../../src/collateral/news.ts'
import { type CollateralRules, openStore } from '../../src/collateral/open.ts'
import { pcs, startService } from '../support/collateral-services.ts'
import { makeWorld } from '../support/collateral-world.ts'
import { LabClock } from '../support/lab-clock.ts'
import { fmspc, issued, makeIntel, now } from '../support/pki-intel.ts'

const common: CollateralRules = {
  sources: [],
  evaluation: 'standard',
  maxAgeMs: undefined,
  dangerPastNextUpdateSeconds: 0,
}
const model = { fmspc, ca: 'platform' } as const

t.test('services and directories, in the order of the policy', async t => {
  const intel = await makeIntel()
  const folder = `${t.testdir()}/c`
  mkdirSync(folder)
  for (const [member, file] of Object.entries(collateralFiles)) {
    writeFileSync(`${folder}/${file}`, intel.collateral[member as keyof typeof collateralFiles])
  }
  const news: News[] = []
  const sources = [
    { kind: 'pccs', at: 'http://127.0.0.1:1', rootCrlAt: undefined },
    { kind: 'stapled' },
    { kind: 'directory', at: folder },
  ] as const
  const store = openStore({ ...common, sources }, intel.root, floorClock(new LabClock(now), 0), each => news.push(each))
  t.same(await store.provide(model), intel.collateral)
  const asked = news.flatMap(each => (each.news === 'asked' ? [`${each.source} ${each.outcome}`] : []))
  t.same(new Set(asked), new Set(['pccs http://127.0.0.1:1 failed', `directory ${folder} newer`]))
})

t.test('a number that the policy wants is asked for, and dates are the policy’s', async t => {
  const world = await makeWorld()
  const clock = new LabClock(issued)
  const service = await startService(
    pcs(
      world,
      () => clock.now(),
      () => ({ standard: 18, early: 19 }),
    ),
  )
  t.teardown(() => service.close())
  const sources = [{ kind: 'pcs', at: service.url, rootCrlAt: `${service.url}/IntelSGXRootCA.der` }] as const
  const rules = { ...common, sources, evaluation: 19, maxAgeMs: 60_000 }
  const store = openStore(rules, world.root, floorClock(clock, 0), () => undefined)
  t.ok(await store.provide(model))
  t.ok(service.requests.includes(`/sgx/certification/v4/tcb?fmspc=${fmspc}&tcbEvaluationDataNumber=19`))
  clock.set(issued + 60_001)
  await t.rejects(store.provide(model), { message: /older than the policy's maxAgeSeconds/ })
})
