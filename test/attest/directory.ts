import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  type CollateralNews,
  collateralFiles,
  directorySource,
  readCollateral,
  readCollaterals,
} from '../../src/attest/directory.ts'
import type { IntelCollateral } from '../../src/attest/evidence.ts'
import { Fault } from '../../src/base/errors.ts'
import { complaint, outcome } from '../support/outcome.ts'
import { issued, makeCrl, makeIntel, qeIdentity, signDocument, tcbInfo, tdxWorld } from '../support/pki-intel.ts'

const intel = await makeIntel()
const strange = await makeIntel()
const elsewhere = signDocument('tcbInfo', tcbInfo({ fmspc: '000000000001' }), intel.keys.signing)
const other = { collateral: { ...intel.collateral, tcbInfo: elsewhere } }

function write(folder: string, collateral: IntelCollateral): string {
  mkdirSync(folder, { recursive: true })
  for (const [member, file] of Object.entries(collateralFiles)) {
    writeFileSync(join(folder, file), collateral[member as keyof typeof collateralFiles])
  }
  return folder
}

t.test('a directory comes back as its bytes', async t => {
  t.same(readCollateral(write(t.testdir(), intel.collateral)), intel.collateral)
})

for (const file of Object.values(collateralFiles)) {
  t.test(`without ${file} it is refused by name`, async t => {
    const folder = write(t.testdir(), intel.collateral)
    rmSync(join(folder, file))
    t.match(
      complaint(() => readCollateral(folder)),
      `${file}: ENOENT`,
    )
    t.equal(
      outcome(() => readCollateral(folder)),
      'collateral-missing',
    )
  })
}

t.test('sub-directories are platforms of their own; what holds no TCB info is skipped', async t => {
  const folder = t.testdir({ notes: { 'a.txt': '' }, 'a.txt': '' })
  write(join(folder, 'b'), other.collateral)
  symlinkSync('b', join(folder, 'a'))
  symlinkSync('nowhere', join(folder, 'c'))
  t.same(readCollaterals(folder), [other.collateral, other.collateral])
  write(folder, intel.collateral)
  t.same(readCollaterals(folder), [intel.collateral, other.collateral, other.collateral])
  rmSync(join(folder, 'b', collateralFiles.pckCrl))
  t.match(
    complaint(() => readCollaterals(folder)),
    'pck_crl.der',
  )
})

t.test('a directory with nothing in it, none at all, or too much', async t => {
  const folder = t.testdir()
  t.match(
    complaint(() => readCollaterals(folder)),
    'no tcb_info.json in it',
  )
  t.match(
    complaint(() => readCollaterals(join(folder, 'x'))),
    'ENOENT',
  )
  for (let i = 0; i < 65; i++) {
    t.notMatch(
      complaint(() => readCollaterals(folder)),
      'at most 64',
    )
    mkdirSync(join(folder, `${i}`))
    writeFileSync(join(folder, `${i}`, collateralFiles.tcbInfo), '')
  }
  t.match(
    complaint(() => readCollaterals(folder)),
    'want at most 64 platforms, got 65',
  )
})

function source(first: () => readonly IntelCollateral[]) {
  let reads = 0
  let give = first
  const news: CollateralNews[] = []
  const made = directorySource(['x'], intel.root, {
    report: each => news.push(each),
    read: () => {
      reads++
      return give()
    },
  })
  return {
    ...made,
    news,
    reads: () => reads,
    next: (next: typeof first) => {
      give = next
    },
  }
}

t.test('collateral is looked at again once a minute, and its number goes up only when it is another', async t => {
  const one = source(() => [intel.collateral])
  t.equal(one.generation(1000), 1)
  t.same(one.collateral(1000), [intel.collateral])
  t.equal(one.generation(60_999), 1)
  t.equal(one.reads(), 1)
  t.equal(one.generation(61_000), 1)
  t.equal(one.reads(), 2)
  one.next(() => [{ ...intel.collateral }])
  const before = one.collateral(121_000)
  t.equal(one.generation(121_000), 1)
  t.equal(one.collateral(121_000), before)
  one.next(() => [intel.collateral, other.collateral])
  t.equal(one.generation(181_000), 2)
  t.same(one.collateral(181_000), [intel.collateral, other.collateral])
})

t.test('what cannot be read or verified leaves the last good collateral in force', async t => {
  const one = source(() => [intel.collateral])
  one.generation(0)
  for (const bad of [
    () => {
      throw new Fault('collateral-missing', 'gone')
    },
    () => [{ ...intel.collateral, pckCrl: new Uint8Array() }],
  ]) {
    one.next(bad)
    t.equal(one.generation(1e6), 1)
    t.same(one.collateral(1e6), [intel.collateral])
  }
})

const { root, ca, signing } = intel.keys
const [, caDer, rootDer] = intel.platform.chain
const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z')
const tcb = (differs: object) => ({ tcbInfo: signDocument('tcbInfo', tcbInfo({ ...differs }), signing) })
const qe = (differs: object) => ({ qeIdentity: signDocument('enclaveIdentity', qeIdentity({ ...differs }), signing) })
const changes: [name: string, change: Partial<IntelCollateral>, taken: boolean][] = [
  ['newer TCB info', tcb({ issueDate: iso(issued + 9000) }), true],
  ['older TCB info', tcb({ issueDate: iso(issued - 9000) }), false],
  ['TCB info of a lower number', tcb({ tcbEvaluationDataNumber: 19 }), false],
  ['an older QE identity', qe({ issueDate: iso(issued - 9000) }), false],
  ['a QE identity of a lower number', qe({ tcbEvaluationDataNumber: 20 }), false],
  ['an older root CRL', { rootCaCrl: makeCrl(rootDer, root, { thisUpdate: issued - 9000 }) }, false],
  ['a root CRL of a lower number', { rootCaCrl: makeCrl(rootDer, root, { number: 4 }) }, false],
  ['an older PCK CRL', { pckCrl: makeCrl(caDer, ca, { thisUpdate: issued - 9000 }) }, false],
  ['a PCK CRL of a lower number', { pckCrl: makeCrl(caDer, ca, { number: 4 }) }, false],
  ['the same, signed again', { pckCrl: makeCrl(caDer, ca) }, true],
  ['older TCB info of another model', tcb({ issueDate: iso(issued - 9000), fmspc: '000000000002' }), true],
]
for (const [name, change, taken] of changes) {
  t.test(`${name}: ${taken ? 'taken' : 'what is in force stays'}`, async t => {
    const one = source(() => [other.collateral, intel.collateral])
    one.generation(0)
    const changed = { ...intel.collateral, ...change }
    one.next(() => [other.collateral, changed])
    t.equal(one.generation(60_000), taken ? 2 : 1)
    t.equal(one.collateral(60_000)[1], taken ? changed : intel.collateral)
    const older =
      /^collateral-outdated: (TCB info|QE identity|root CRL|PCK CRL)( number)?: older than what is in force$/
    t.match(one.news.at(-1), taken ? { generation: 2, complaint: undefined } : { generation: 1, complaint: older })
  })
}

t.test("a guest's collateral is not held against an enclave's, nor the other way round", async t => {
  const guest: IntelCollateral = {
    ...intel.collateral,
    ...tcb({ ...tdxWorld.tcbInfo, issueDate: iso(issued - 9000) }),
    ...qe({ ...tdxWorld.qeIdentity }),
  }
  const one = source(() => [intel.collateral, guest])
  t.equal(one.generation(0), 1)
  one.next(() => [{ ...intel.collateral, ...tcb({ issueDate: iso(issued + 9000) }) }, guest])
  t.equal(one.generation(60_000), 2)
})

t.test('each change of how a look ends is told once, whoever asks how often', async t => {
  const gone = () => {
    throw new Fault('collateral-missing', 'gone')
  }
  const one = source(gone)
  let at = 0
  const look = (next?: () => readonly IntelCollateral[]): unknown[] => {
    const before = one.news.length
    if (next) one.next(next)
    at += 60_000
    for (let i = 0; i < 3; i++) one.generation(at)
    return one.news.slice(before).map(({ generation, complaint }) => [generation, complaint])
  }
  t.same(look(), [[0, 'collateral-missing: gone']])
  t.same(look(), [], 'still gone')
  t.same(
    look(() => [intel.collateral]),
    [[1, undefined]],
  )
  t.same(look(), [], 'still well')
  t.same(look(gone), [[1, 'collateral-missing: gone']])
  const empty = () => [{ ...intel.collateral, pckCrl: new Uint8Array() }]
  t.match(look(empty), [[1, /^collateral-malformed: PCK CRL/]], 'something else is wrong')
  t.same(
    look(() => [intel.collateral]),
    [[1, undefined]],
    'as it was',
  )
  t.same(
    look(() => [other.collateral]),
    [[2, undefined]],
  )
})

t.test('where there never was any, each call says why, and the next look comes sooner', async t => {
  const one = source(() => {
    throw new Fault('collateral-missing', 'gone')
  })
  t.equal(one.generation(0), 0)
  t.match(
    complaint(() => one.collateral(0)),
    'gone',
  )
  one.next(() => [intel.collateral])
  t.equal(one.generation(4999), 0)
  t.equal(one.generation(5000), 1)
})

t.test('a Fault is told with its own code', async t => {
  const one = source(() => [{ ...intel.collateral, pckCrl: new Uint8Array() }])
  t.equal(
    outcome(() => one.collateral(0)),
    'collateral-malformed',
  )
})

t.test('a failure that is no Fault is told by its name only', async t => {
  const one = source(() => {
    throw new TypeError('secret')
  })
  t.match(
    complaint(() => one.collateral(0)),
    /^collateral: TypeError$/,
  )
})

t.test('a clock that is set back does not stop the looking', async t => {
  const one = source(() => [intel.collateral])
  one.generation(1e9)
  one.next(() => [other.collateral])
  t.equal(one.generation(0), 2)
})

t.test('the real reader', async t => {
  const folder = write(t.testdir(), intel.collateral)
  const made = directorySource([folder], intel.root)
  t.same(made.collateral(0), [intel.collateral])
  t.match(
    complaint(() => directorySource([folder], strange.platform.chain[1]).collateral(0)),
    'root: want SGX Root CA',
  )
})
