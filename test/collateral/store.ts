import t from 'tap'
import type { Model } from '../../src/attest/verify.ts'
import { type Answer, nameOf, type Want, wantsOf } from '../../src/collateral/source.ts'
import { answerOf, away, setOf, storeTest, toldSource } from '../support/collateral-sources.ts'
import { day, makeWorld, month, otherFmspc } from '../support/collateral-world.ts'
import { fmspc } from '../support/pki-intel.ts'

const world = await makeWorld()
const start = Date.UTC(2026, 0, 15)
const model: Model = { fmspc, ca: 'platform' }
const other: Model = { fmspc: otherFmspc, ca: 'processor' }
const edition = (at = start, number = 18) => world.edition(at, number)
const from =
  (at = start, number = 18) =>
  (want: Want) => [answerOf(edition(at, number), want)]
const names = wantsOf(model).map(nameOf)

const setAt = (at: number, number = 18) => setOf(edition(at, number), model)

t.test('a model is learnt from the first peer: each thing asked once, whoever else waits for it', async t => {
  const source = toldSource('pcs x', from())
  const { store, told } = storeTest(world, [source], start)
  const [first, second, third] = await Promise.all([1, 2, 3].map(() => store.provide(model)))
  t.same(source.asked.toSorted(), names.toSorted())
  t.ok(first === second && second === third, 'the very same object, so that it is verified once')
  t.equal(first?.tcbInfo, edition().tcbInfo(fmspc))
  t.equal(store.generation, 0, 'nothing was replaced')
  t.same(told('in-force').toSorted(), names.toSorted())
  t.equal(await store.provide(model), first)
  t.equal(source.asked.length, 4)
  await store.provide(other)
  t.same(source.asked.slice(4).toSorted(), ['pck-crl processor', `tcb-info ${otherFmspc}`])
  t.equal(store.generation, 0)
})

t.test('what every model needs is asked for at the start', async t => {
  const source = toldSource('pcs x', from())
  const { store, pass } = storeTest(world, [source], start)
  store.start()
  await pass(0)
  t.same(source.asked.toSorted(), ['qe-identity', 'root-crl'])
  store.stop()
  t.equal(source.stopped, true)
})

t.test(
  'it is asked for again when a third of what is left has passed, and what is newer moves the number on',
  async t => {
    const source = toldSource('pcs x', from())
    const { store, pass, told } = storeTest(world, [source], start)
    store.start()
    await store.provide(model)
    await pass(10 * day - 60_000)
    t.equal(source.asked.length, 4)
    await pass(60_000)
    t.equal(source.asked.length, 8)
    t.equal(store.generation, 0, 'the same bytes again are no change')
    source.says = from(start + 10 * day)
    await pass(7 * day)
    t.equal(store.generation, 4)
    t.equal((await store.provide(model)).tcbInfo, edition(start + 10 * day).tcbInfo(fmspc))
    t.same(told('not-taken'), [])
    store.stop()
    await pass(365 * day)
    t.equal(store.generation, 4, 'nothing is asked for after the end')
  },
)

t.test('while nobody answers, what is in force stays to its own end and no further, and says so once', async t => {
  const source = toldSource('pcs x', from())
  const { store, pass, told, news } = storeTest(world, [source], start)
  store.start()
  await store.provide(model)
  source.says = away
  told('asked')
  for (let hours = 0; hours < 30 * 24; hours++) await pass(3_600_000)
  t.same(told('not-taken').toSorted(), names.toSorted(), 'once for each')
  t.match(news.at(-1), { news: 'asked', outcome: 'failed' })
  const failed = news.filter(each => each.news === 'not-taken')
  t.ok(
    failed.every(each => each.until !== undefined),
    'and until when all is well',
  )
  t.equal(store.standing.failing, 4)
  t.equal(store.standing.endsAt, start + month)
  t.ok(await store.provide(model), 'at its very end')
  await pass(1)
  await t.rejects(store.provide(model), {
    code: 'collateral-outdated',
    message:
      /^pck-crl platform: not valid at the given time \(2026-01-15.* to 2026-02-14.*\); pcs x: collateral-missing: away$/,
  })
  source.says = from(start + 30 * day)
  await pass(60_000)
  t.ok(await store.provide(model))
  t.equal(store.standing.failing, 1, "the root's list holds still, and waits for its turn")
  await pass(3_600_000)
  t.same(told('well-again').toSorted(), names.toSorted())
  t.equal(store.standing.failing, 0)
  store.stop()
})

t.test('a peer waits eight seconds for a source that does not answer, and what comes later is kept', async t => {
  let answer = (): void => {}
  const gate = new Promise<void>(resolve => {
    answer = resolve
  })
  const source = toldSource('pcs x', want => gate.then(() => from()(want)))
  const { store, clock, pass } = storeTest(world, [source], start)
  const waiting = store.provide(model)
  await pass(0)
  clock.advance(8_000)
  await t.rejects(waiting, { code: 'collateral-missing', message: 'root-crl: still being asked for' })
  answer()
  await pass(0)
  t.ok(await store.provide(model))
  t.equal(source.asked.length, 4)
})

t.test('a source that fails is not asked again with every peer', async t => {
  const source = toldSource('pcs x', away)
  const { store, pass } = storeTest(world, [source], start)
  const refused = { code: 'collateral-missing', message: 'root-crl: pcs x: collateral-missing: away' }
  await t.rejects(store.provide(model), refused)
  await t.rejects(store.provide(model), refused)
  t.equal(source.asked.length, 4)
  await pass(1_000)
  await t.rejects(store.provide(model), refused)
  t.equal(source.asked.length, 8)
  source.says = from()
  await pass(10_000)
  t.ok(await store.provide(model))
})

t.test('sources are asked in their order, and the next one where one has nothing newer', async t => {
  const first = toldSource('pccs x', away)
  const second = toldSource('pcs y', from())
  const { store, pass, told, clock } = storeTest(world, [first, second], start)
  store.start()
  await store.provide(model)
  t.same(told('not-taken'), [])
  first.says = from()
  second.says = from(start + 5 * day)
  await pass(10 * day)
  t.equal((await store.provide(model)).qeIdentity, edition(start + 5 * day).qeIdentity, 'the first has the same still')
  first.says = from(start + 12 * day)
  const before = second.asked.length
  await pass(10 * day)
  t.equal((await store.provide(model)).qeIdentity, edition(start + 12 * day).qeIdentity)
  t.equal(second.asked.length, before, 'the first has something newer')
  t.equal(clock.now(), start + 20 * day)
  store.stop()
})

const backwards: [name: string, says: (want: Want) => readonly Answer[], what: string][] = [
  ['older documents and lists, that still hold', from(start - 10 * day), names.join()],
  [
    'evaluation data of a lower number',
    want => from(start + day, want.kind === 'pck-crl' || want.kind === 'root-crl' ? 18 : 17)(want),
    `tcb-info ${fmspc},qe-identity`,
  ],
]
for (const [name, says, what] of backwards) {
  t.test(`${name}: what is in force stays`, async t => {
    const source = toldSource('pcs x', from())
    const { store, pass, told, news } = storeTest(world, [source], start)
    store.start()
    const before = await store.provide(model)
    source.says = says
    await pass(10 * day)
    t.same(told('not-taken').toSorted(), what.split(',').toSorted())
    const reasons = news.flatMap(each => (each.news === 'not-taken' ? [each.reason] : []))
    t.ok(reasons.every(reason => /^pcs x: collateral-outdated: .* is older than what is in force/.test(reason)))
    const after = await store.provide(model)
    t.equal(after.tcbInfo, before.tcbInfo)
    t.equal(after.qeIdentity, before.qeIdentity)
    store.stop()
  })
}

t.test('two numbers at once: the higher is taken when it is seen, and the lower never again', async t => {
  let turn = 0
  const source = toldSource('lb x', want => from(start + turn * day, turn++ % 2 === 0 ? 18 : 19)(want))
  const { store, pass, news } = storeTest(world, [source], start)
  store.start()
  await store.provide(model)
  for (let days = 0; days < 60; days++) await pass(day)
  const taken = news.flatMap(each => (each.news === 'in-force' && each.what.startsWith('tcb') ? [each.number] : []))
  t.ok(taken.includes('19'))
  t.same(taken, taken.toSorted())
  store.stop()
})

t.test('a list that is withheld: nobody of that CA is accepted, and the reason names it', async t => {
  const source = toldSource('pccs x', want => (want.kind === 'pck-crl' ? away() : from()(want)))
  const { store } = storeTest(world, [source], start)
  await t.rejects(store.provide(model), { code: 'collateral-missing', message: /^pck-crl platform: pccs x: .*away$/ })
  const rootless = toldSource('pccs x', want => (want.kind === 'root-crl' ? away() : from()(want)))
  await t.rejects(storeTest(world, [rootless], start).store.provide(model), { message: /^root-crl: / })
})

const bad: [name: string, says: (want: Want) => readonly Answer[], code: string, message: RegExp][] = [
  [
    'garbage',
    () => [{ body: Buffer.from('<html>'), chain: Buffer.from('') }],
    'collateral-malformed',
    /^root-crl: pcs x/,
  ],
  ['nothing', () => [], 'collateral-missing', /^root-crl: pcs x: collateral-missing: has nothing of it$/],
  ['what is over', from(start - 40 * day), 'collateral-outdated', /^pck-crl platform: .*not valid at the given time/],
]
for (const [name, says, code, message] of bad) {
  t.test(`${name}: nothing is in force, with the reason and its code`, async t => {
    await t.rejects(storeTest(world, [toldSource('pcs x', says)], start).store.provide(model), { code, message })
  })
}

t.test('what is over never comes into force, and the next source is asked', async t => {
  const stale = toldSource('pccs x', from(start - 40 * day))
  const good = toldSource('pcs y', from())
  const { store, news } = storeTest(world, [stale, good], start)
  t.equal((await store.provide(model)).tcbInfo, edition().tcbInfo(fmspc))
  const taken = news.flatMap(each => (each.news === 'in-force' && each.what !== 'root-crl' ? [each.source] : []))
  t.same(taken, ['pcs y', 'pcs y', 'pcs y'])
})

t.test('without a source that could be asked', async t => {
  const { store, told } = storeTest(world, [], start)
  store.start()
  await t.rejects(store.provide(model), { message: 'root-crl: there is no source that could be asked' })
  t.equal(told('asked').length, 0)
  store.stop()
})

t.test('past its next update only where the policy says so, as long as it says, and never in silence', async t => {
  const old = from(start - 40 * day)
  const { store, news, pass } = storeTest(world, [toldSource('azure x', old)], start, { pastNextUpdateMs: 20 * day })
  t.ok(await store.provide(model))
  const taken = news.filter(each => each.news === 'in-force')
  t.same(
    taken.filter(each => each.past).map(({ what }) => what),
    names.filter(name => name !== 'root-crl'),
    'the yearly list holds by itself',
  )
  t.ok((store.standing.endsAt ?? 0) < start)
  await pass(10 * day)
  t.ok(await store.provide(model))
  await pass(1)
  await t.rejects(store.provide(model), { code: 'collateral-outdated' })
})

t.test('a policy that wants it younger: asked for before that, refused from then on', async t => {
  const source = toldSource('pcs x', from())
  const { store, pass } = storeTest(world, [source], start, { maxAgeMs: 3 * day })
  store.start()
  await store.provide(model)
  await pass(day)
  t.equal(source.asked.length, 8, 'a third of three days')
  await pass(2 * day)
  t.ok(await store.provide(model))
  await pass(1)
  const message = /^pck-crl platform: issued 2026-01-15.*, older than the policy's maxAgeSeconds/
  await t.rejects(store.provide(model), { code: 'collateral-outdated', message })
  store.stop()
})

t.test('one number and no other, where the policy says so', async t => {
  const ignorant = toldSource('pccs x', from(start, 18))
  const good = toldSource('pcs y', from(start, 19))
  const want = { code: 'collateral-outdated', message: /want number 19, got 18/ }
  await t.rejects(storeTest(world, [ignorant], start, { evaluationDataNumber: 19 }).store.provide(model), want)
  const { store } = storeTest(world, [ignorant, good], start, { evaluationDataNumber: 19 })
  t.equal((await store.provide(model)).tcbInfo, edition(start, 19).tcbInfo(fmspc))
})

t.test('a clock that is set back: what Intel signed today says what day it is', async t => {
  const source = toldSource('pcs x', from())
  const { store, clock, floored } = storeTest(world, [source], start)
  clock.set(start - 200 * day)
  t.ok(await store.provide(model), 'it holds from today, whatever the host says')
  t.equal(floored.now(), start)
  t.equal(floored.behind(), 200 * day)
  const recorded = toldSource('pcs x', from(start - 190 * day))
  const back = storeTest(world, [recorded], start - 180 * day)
  back.floored.raise(start)
  const message = /^pck-crl platform: .*not valid at the given time/
  await t.rejects(back.store.provide(model), { code: 'collateral-outdated', message }, 'and what held then does not')
})

t.test('a clock set back in mid-life revives nothing', async t => {
  const source = toldSource('pcs x', from())
  const { store, clock, pass } = storeTest(world, [source], start)
  store.start()
  await store.provide(model)
  source.says = from(start + 20 * day)
  await pass(20 * day)
  clock.set(start + 21 * day)
  source.says = from(start)
  t.equal((await store.provide(model)).tcbInfo, edition(start + 20 * day).tcbInfo(fmspc))
  clock.set(start)
  await pass(15 * day)
  t.equal((await store.provide(model)).tcbInfo, edition(start + 20 * day).tcbInfo(fmspc), 'asked again, not taken')
  await pass(16 * day)
  await t.rejects(store.provide(model), { code: 'collateral-outdated' }, 'ends with the time that passed')
  store.stop()
})

t.test('a leap forward refuses everybody for as long as it lasts, and leaves nothing behind', async t => {
  const { store, clock } = storeTest(world, [toldSource('pcs x', from())], start)
  await store.provide(model)
  clock.set(start + 400 * day)
  await t.rejects(store.provide(model), { code: 'collateral-outdated' })
  clock.set(start + day)
  t.ok(await store.provide(model))
})

t.test('a newer list of the root: everything else is asked for at once', async t => {
  const source = toldSource('pcs x', from())
  const { store, pass } = storeTest(world, [source], start)
  store.start()
  await store.provide(model)
  source.says = want => from(want.kind === 'root-crl' ? start + 10 * day : start)(want)
  await pass(10 * day)
  source.says = from(start + 10 * day)
  await pass(60_000)
  t.equal((await store.provide(model)).tcbInfo, edition(start + 10 * day).tcbInfo(fmspc))
  store.stop()
})

t.test('what a peer brings along', async t => {
  t.test('is enough, where nobody else can be asked', async t => {
    const { store, told } = storeTest(world, [], start)
    t.equal((await store.provide(model, setAt(start))).tcbInfo, edition().tcbInfo(fmspc))
    t.same(told('asked'), Array(4).fill('stapled newer'))
    await store.provide(model, setAt(start))
    t.same(told('asked'), Array(4).fill('stapled same'))
    t.equal(store.generation, 0)
    await store.provide(model, setAt(start, 19))
    t.equal(store.generation, 2, 'evaluation data of a higher number')
  })
  t.test('is not asked for then, and is renewed by whoever can be asked', async t => {
    const source = toldSource('pcs x', from(start))
    const { store, pass } = storeTest(world, [source], start)
    store.start()
    await pass(0)
    const before = source.asked.length
    await store.provide(model, setAt(start - 9 * day))
    t.equal(source.asked.length, before)
    await pass(10 * day)
    t.equal((await store.provide(model)).tcbInfo, edition().tcbInfo(fmspc))
    store.stop()
  })
  t.test('older, over, of another model or broken: as if it were not there', async t => {
    const { store, told, pass } = storeTest(world, [toldSource('pcs x', from())], start)
    const good = await store.provide(model)
    for (const stapled of [
      setAt(start - day),
      setAt(start - 100 * day),
      { ...setAt(start), tcbInfo: Buffer.from('{}'), rootCaCrl: Buffer.from('x'), pckCrl: Buffer.from('x') },
    ]) {
      told('asked')
      t.equal(await store.provide(model, stapled), good)
      t.ok(told('asked').every(each => each === 'stapled failed' || each === 'stapled same'))
    }
    await pass(0)
    t.same(told('not-taken'), [])
    t.equal((await store.provide(other, setAt(start))).tcbInfo, edition().tcbInfo(otherFmspc))
  })
})

t.test('directories are looked at every minute, alone or beside services', async t => {
  const folder = toldSource('directory /c', from(), true)
  t.test('alone', async t => {
    const { store, pass, told } = storeTest(world, [folder], start)
    store.start()
    await store.provide(model)
    const before = folder.asked.length
    await pass(60_000)
    t.equal(folder.asked.length, before + 4)
    folder.says = from(start, 19)
    await pass(60_000)
    t.equal(store.generation, 2)
    folder.says = away
    await pass(60_000)
    t.same(told('not-taken').toSorted(), names.toSorted())
    t.ok(await store.provide(model))
    folder.says = from(start, 19)
    await pass(120_000)
    t.same(told('well-again').toSorted(), names.toSorted())
    store.stop()
  })
  t.test('beside a service, without a word where it has nothing', async t => {
    const service = toldSource('pcs x', from())
    folder.says = away
    const { store, pass, told } = storeTest(world, [service, folder], start)
    store.start()
    await store.provide(model)
    const before = service.asked.length
    await pass(60_000)
    t.same(told('not-taken'), [])
    folder.says = from(start, 19)
    await pass(60_000)
    t.equal(store.generation, 2)
    t.equal(service.asked.length, before)
    store.stop()
  })
})

t.test('there is room for 64 models: those that nobody knows make way, those that are known stay', async t => {
  const name = (i: number) => i.toString(16).padStart(12, '0')
  const source = toldSource('pcs x', want =>
    want.kind === 'tcb-info' && Number.parseInt(want.fmspc, 16) % 2 ? away() : from()(want),
  )
  const { store } = storeTest(world, [source], start)
  for (let i = 1; i < 300; i += 2)
    await t.rejects(store.provide({ fmspc: name(i), ca: 'platform' }), { message: /away/ })
  for (let i = 0; i < 65; i++) await store.provide({ fmspc: name(i * 2), ca: 'platform' })
  await t.rejects(store.provide({ fmspc: name(1000), ca: 'platform' }), { message: /too many models/ })
  t.ok(await store.provide({ fmspc: name(0), ca: 'platform' }))
})

t.test('a root that is none', async t => {
  const [leaf] = world.platforms.platform.chain
  t.throws(() => storeTest({ root: leaf }, [], start), { code: 'quote-unverified' })
})
