import t from 'tap'
import { readCrl } from '../../src/attest/crl.ts'
import { toHex } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { Fault } from '../../src/base/errors.ts'
import { floorClock } from '../../src/base/floor.ts'
import { Audit } from '../../src/provision/audit.ts'
import { IssuingAuthority } from '../../src/provision/authority.ts'
import { Ca, floorsOf } from '../../src/provision/ca.ts'
import type { TrustFor } from '../../src/provision/trust.ts'
import { makeTee, trust } from '../support/evidence.ts'
import { now as inIntel, makeIntel, nextUpdate, type World } from '../support/pki-intel.ts'
import {
  ask,
  caMrenclave,
  type Exported,
  makeAsked,
  makeOptions,
  policySet,
  revocationSet,
  sign,
  statementFor,
} from '../support/provision.ts'

const exported: Exported = () => Buffer.alloc(32, 3)

async function makeCa(trustFor: TrustFor = async () => trust, now = () => Date.now()) {
  const lines: string[] = []
  const clock = floorClock({ ...systemClock, now }, 0)
  const options = makeOptions()
  const authority = await IssuingAuthority.create({ ...options, clock })
  const audit = new Audit(clock, line => lines.push(line))
  const ca = new Ca({ options, authority, clock, audit, mrenclave: toHex(caMrenclave), trustFor })
  const [policies, revocations] = [policySet(), revocationSet()]
  const open = (): void =>
    ca.unlock(
      {
        statement: sign(statementFor({ ...ca.state }, policies, revocations, now())),
        policies: Buffer.from(policies),
        revocations: Buffer.from(revocations),
      },
      'here',
    )
  return { ca, open, lines }
}

t.test('without collateral for the machine nothing is issued, and that is the reason', async t => {
  const { ca, open, lines } = await makeCa(() => Promise.reject(new Fault('collateral-missing', 'none')))
  open()
  const question = await ask(await makeAsked(), exported)
  t.same(await ca.certify(question, { from: 'x', exported }), { outcome: 'refused', rules: ['collateral-missing'] })
  t.match(JSON.parse(lines.at(-1) ?? ''), { event: 'refused', from: 'x' })
})

t.test('evidence that has ended gets nothing: by its lists, by the certificate of its machine', async t => {
  const ended = { notAfter: new Date(inIntel - 1_000) }
  const cases: [name: string, world: World, at: number, rules: string[]][] = [
    ['before it ended', {}, inIntel, []],
    ['lists that should have been replaced', {}, nextUpdate + 1_000, ['collateral-outdated']],
    ["the machine's certificate", { leaf: ended }, inIntel, ['quote-unverified']],
  ]
  for (const [name, world, at, rules] of cases) {
    const { root, collateral, platform } = await makeIntel(world)
    const { ca, open, lines } = await makeCa(
      async () => ({ root, collateral }),
      () => at,
    )
    open()
    const question = await ask(await makeAsked(), exported, {}, makeTee({ platform }))
    const outcome = await ca.certify(question, { from: 'x', exported })
    t.match(outcome, rules.length > 0 ? { outcome: 'refused', rules } : { outcome: 'issued' }, name)
    const last = JSON.parse(lines.at(-1) ?? '')
    t.match(last, rules.length > 0 ? { event: 'refused', reasons: rules.map(rule => ({ rule })) } : { event: 'issued' })
  }
})

t.test('sets that come while collateral is asked for are the ones that count', async t => {
  let between = (): void => {}
  const { ca, open } = await makeCa(async () => {
    between()
    return trust
  })
  open()
  between = () => {
    const [policies, revocations] = [policySet({ policies: [], serial: 9 }), revocationSet()]
    const statement = sign(statementFor({ ...ca.state }, policies, revocations))
    ca.unlock({ statement, policies: Buffer.from(policies), revocations: Buffer.from(revocations) }, 'here')
  }
  const question = await ask(await makeAsked(), exported)
  t.match(await ca.certify(question, { from: 'x', exported }), { outcome: 'refused', rules: ['policy-set'] })
})

t.test('evidence without claims of ours says no policy', async t => {
  const { ca, open } = await makeCa()
  open()
  t.match(await ca.certify(Buffer.from('a2014101024102', 'hex'), { from: 'x', exported }), { outcome: 'malformed' })
})

t.test('what an asker wrote is no text of the log', async t => {
  const { ca, open, lines } = await makeCa()
  open()
  const hostile = Buffer.from(`a1${'6'.padEnd(2, '3')}0a2261`, 'hex')
  await ca.certify(hostile, { from: 'x', exported })
  t.match(lines.at(-1), /^\{"audit":2,[\x20-\x7e]+\}\n$/)
})

t.test('the list is made anew for other sets, each with a higher number', async t => {
  const { ca, open } = await makeCa()
  t.equal(ca.revocationList(), undefined)
  open()
  const first = await ca.revocationList()
  t.equal(await ca.revocationList(), first, 'and not for everybody who asks')
  open()
  const second = await ca.revocationList()
  if (!first || !second) throw new Error('no list')
  t.ok(readCrl(second, 'second').number > readCrl(first, 'first').number)
})

t.test('what the CA has seen of collateral goes with its answer', async t => {
  t.same([...floorsOf(undefined)], [])
  t.same(
    [
      ...floorsOf({
        platformStatus: 'UpToDate',
        qeStatus: 'UpToDate',
        advisoryIds: [],
        tcbDate: 0,
        evaluationDataNumber: { tcbInfo: 17, qeIdentity: 18 },
        crlNumber: { root: 1n, pck: 2n },
        issuedAt: 5_999,
      }),
    ],
    [
      ['tcbInfo', 17],
      ['qeIdentity', 18],
      ['rootCrl', 1],
      ['pckCrl', 2],
      ['issuedAt', 5],
    ],
  )
})
