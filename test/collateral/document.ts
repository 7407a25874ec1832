import t from 'tap'
import { readAnchor } from '../../src/attest/collateral.ts'
import type { IntelCollateral } from '../../src/attest/evidence.ts'
import {
  type Document,
  requireHolds,
  requireNotOlder,
  sameAnswer,
  verifyAnswer,
} from '../../src/collateral/document.ts'
import { answersOf } from '../../src/collateral/folder.ts'
import type { Answer, Want } from '../../src/collateral/source.ts'
import { complaint, outcome } from '../support/outcome.ts'
import { fmspc, issued, makeCrl, makeIntel, nextUpdate, now, serials, tdxWorld } from '../support/pki-intel.ts'

const intel = await makeIntel()
const anchor = readAnchor(intel.root)
const answers = new Map(
  answersOf(intel.collateral).answers.map(([want, answer]) => [want.kind, [want, answer] as const]),
)
const of = (kind: Want['kind']): readonly [Want, Answer] => {
  const found = answers.get(kind)
  if (!found) throw new Error(kind)
  return found
}
const list = verifyAnswer(...of('root-crl'), anchor, undefined)
const verify = (kind: Want['kind']): Document => verifyAnswer(...of(kind), anchor, list.rootCrl)

t.test('each kind says when it was issued, when it ends, and its number', async t => {
  const rows: [Want['kind'], from: number, until: number, number: bigint][] = [
    ['root-crl', issued + 2000, nextUpdate + 2000, 5n],
    ['pck-crl', issued + 2000, nextUpdate + 2000, 5n],
    ['tcb-info', issued, nextUpdate, 20n],
    ['qe-identity', issued + 1000, nextUpdate + 1000, 21n],
  ]
  for (const [kind, from, until, number] of rows) t.match(verify(kind), { from, until, number })
  t.ok(list.rootCrl)
  t.equal(verify('pck-crl').rootCrl, undefined)
})

const strange = await makeIntel()
const guest = await makeIntel({ ...tdxWorld, root: { keys: intel.keys.root }, signing: { keys: intel.keys.signing } })
const revoked = verifyAnswer(
  { kind: 'root-crl' },
  { body: makeCrl(intel.root, intel.keys.root, { revoked: [serials.signing] }), chain: new Uint8Array() },
  anchor,
  undefined,
).rootCrl

const answerOf = (set: IntelCollateral, body: 'tcbInfo' | 'qeIdentity' | 'pckCrl') => ({
  body: set[body],
  chain: set[`${body}IssuerChain`],
})
const refused: [name: string, run: () => unknown, message: string | RegExp][] = [
  ['without the list', () => verifyAnswer(...of('tcb-info'), anchor, undefined), 'no root CRL to judge it by'],
  ['a revoked signer', () => verifyAnswer(...of('tcb-info'), anchor, revoked), 'TCB signing certificate: revoked'],
  [
    'another model',
    () => verifyAnswer({ kind: 'tcb-info', fmspc: '000000000001' }, of('tcb-info')[1], anchor, list.rootCrl),
    `TCB info: for sgx ${fmspc}, want sgx 000000000001`,
  ],
  [
    "another CA's list",
    () => verifyAnswer({ kind: 'pck-crl', ca: 'processor' }, of('pck-crl')[1], anchor, list.rootCrl),
    "PCK CRL: of the platform CA, want the processor CA's",
  ],
  [
    'TCB info for guests',
    () => verifyAnswer(of('tcb-info')[0], answerOf(guest.collateral, 'tcbInfo'), readAnchor(guest.root), guestList()),
    /TCB info: for tdx/,
  ],
  [
    'a QE identity for guests',
    () =>
      verifyAnswer(of('qe-identity')[0], answerOf(guest.collateral, 'qeIdentity'), readAnchor(guest.root), guestList()),
    'QE identity: for tdx, want sgx',
  ],
  [
    'of another root',
    () => verifyAnswer(of('tcb-info')[0], answerOf(strange.collateral, 'tcbInfo'), anchor, list.rootCrl),
    /root/,
  ],
]
function guestList() {
  const answer = { body: guest.collateral.rootCaCrl, chain: new Uint8Array() }
  return verifyAnswer({ kind: 'root-crl' }, answer, readAnchor(guest.root), undefined).rootCrl
}
for (const [name, run, message] of refused) t.test(`${name}: refused`, async t => t.match(complaint(run), message))

t.test('it holds from its issue to its next update, and as much longer as a policy says', async t => {
  const document = verify('tcb-info')
  const holds = (at: number, past = 0) => outcome(() => requireHolds(document, at, past))
  t.equal(holds(issued - 1), 'collateral-outdated')
  t.equal(holds(issued), 'ok')
  t.equal(holds(nextUpdate), 'ok')
  t.equal(holds(nextUpdate + 1), 'collateral-outdated')
  t.equal(holds(nextUpdate + 1000, 1000), 'ok')
  t.equal(holds(nextUpdate + 1001, 1000), 'collateral-outdated')
  t.equal(holds(Number.NaN), 'collateral-outdated')
})

t.test('its signer has to hold too, whatever a policy says', async t => {
  const short = await makeIntel({ signing: { notAfter: new Date(now) } })
  const root = readAnchor(short.root)
  const { rootCrl } = verifyAnswer(
    { kind: 'root-crl' },
    { body: short.collateral.rootCaCrl, chain: new Uint8Array() },
    root,
    undefined,
  )
  const document = verifyAnswer(of('tcb-info')[0], answerOf(short.collateral, 'tcbInfo'), root, rootCrl)
  t.equal(
    outcome(() => requireHolds(document, now, 0)),
    'ok',
  )
  t.match(
    complaint(() => requireHolds(document, now + 1000, 1e9)),
    'its signer: not valid',
  )
})

t.test('nothing goes back: neither date nor number', async t => {
  const document = verify('tcb-info')
  const next = (change: Partial<Document>) => outcome(() => requireNotOlder(document, { ...document, ...change }))
  t.equal(next({}), 'ok')
  t.equal(next({ from: issued + 1, number: 21n }), 'ok')
  t.equal(next({ from: issued - 1, number: 21n }), 'collateral-outdated')
  t.equal(next({ from: issued + 1, number: 19n }), 'collateral-outdated')
  t.equal(
    complaint(() => requireNotOlder(document, { ...document, number: 19n })),
    `tcb-info ${fmspc}: number 19 of 2026-01-01T00:00:00.000Z is older than what is in force, number 20 of 2026-01-01T00:00:00.000Z`,
  )
})

t.test('the same is the same bytes', async t => {
  const [, answer] = of('tcb-info')
  t.ok(sameAnswer(answer, { body: new Uint8Array(answer.body), chain: new Uint8Array(answer.chain) }))
  t.notOk(sameAnswer(answer, { ...answer, chain: new Uint8Array() }))
})
