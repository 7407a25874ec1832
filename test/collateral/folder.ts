import t from 'tap'
import type { IntelCollateral } from '../../src/attest/evidence.ts'
import { answersOf, folderSource } from '../../src/collateral/folder.ts'
import { nameOf } from '../../src/collateral/source.ts'
import { LabClock } from '../support/lab-clock.ts'
import { fmspc, makeIntel, qeIdentity, signDocument, tcbInfo, tdxWorld } from '../support/pki-intel.ts'

const intel = await makeIntel()
const set = intel.collateral
const other: IntelCollateral = {
  ...set,
  tcbInfo: signDocument('tcbInfo', tcbInfo({ fmspc: '000000000001' }), intel.keys.signing),
}
const guest: IntelCollateral = {
  ...set,
  tcbInfo: signDocument('tcbInfo', tcbInfo({ ...tdxWorld.tcbInfo }), intel.keys.signing),
  qeIdentity: signDocument('enclaveIdentity', qeIdentity({ ...tdxWorld.qeIdentity }), intel.keys.signing),
}
const namesOf = (of: IntelCollateral) => answersOf(of).answers.map(([want]) => nameOf(want))

t.test('a set answers for its model, its CA, and what belongs to all', async t => {
  t.same(namesOf(set), ['root-crl', 'pck-crl platform', `tcb-info ${fmspc}`, 'qe-identity'])
  t.same(namesOf(guest), ['root-crl', 'pck-crl platform'], 'a set for guests has nothing of its own for enclaves')
  const broken = answersOf({ ...set, tcbInfo: Buffer.from('{}') })
  t.same(
    broken.answers.map(([want]) => want.kind),
    ['root-crl', 'pck-crl'],
  )
  t.match(broken.trouble, /^collateral-malformed: tcbInfo: want an object/)
})

function source(sets: () => readonly IntelCollateral[]) {
  const clock = new LabClock(0)
  let reads = 0
  const made = folderSource('/c', clock, () => {
    reads++
    return sets()
  })
  return { ...made, clock, reads: () => reads }
}

t.test('one look answers what is asked in one go', async t => {
  const one = source(() => [set, other, guest])
  t.equal((await one.ask({ kind: 'tcb-info', fmspc })).length, 1)
  t.same(await one.ask({ kind: 'tcb-info', fmspc: '000000000001' }), [
    { body: other.tcbInfo, chain: set.tcbInfoIssuerChain },
  ])
  t.equal((await one.ask({ kind: 'pck-crl', ca: 'platform' })).length, 3)
  t.same(await one.ask({ kind: 'pck-crl', ca: 'processor' }), [])
  t.equal(one.reads(), 1)
  one.clock.advance(1_000)
  await one.ask({ kind: 'root-crl' })
  t.equal(one.reads(), 2)
  t.match(one, { name: 'directory /c', local: true })
  one.stop()
})

t.test('what is broken in one set does not hide the others, and is told to who finds nothing', async t => {
  const one = source(() => [{ ...other, tcbInfo: Buffer.from('{}') }, set])
  t.equal((await one.ask({ kind: 'tcb-info', fmspc })).length, 1)
  await t.rejects(one.ask({ kind: 'tcb-info', fmspc: '000000000001' }), {
    code: 'collateral-malformed',
    message: /tcbInfo/,
  })
})

t.test('a directory that is not there says so, each time that it is looked at', async t => {
  const one = folderSource(`${t.testdir()}/none`, new LabClock(0))
  await t.rejects(one.ask({ kind: 'root-crl' }), { code: 'collateral-missing', message: /none: ENOENT/ })
  await t.rejects(one.ask({ kind: 'root-crl' }), { code: 'collateral-missing', message: /none: ENOENT/ })
})
