import t from 'tap'
import { floorClock } from '../../src/base/floor.ts'
import { Audit, verifyAudit } from '../../src/provision/audit.ts'
import { Lock, maxStatementAgeMs, readStatement } from '../../src/provision/lock.ts'
import { FakeClock } from '../support/clock.ts'
import { complaint } from '../support/outcome.ts'
import { makeOptions, policySet, revocationSet, sign, statementFor } from '../support/provision.ts'

const spki = Uint8Array.of(1, 2, 3)
const start = Date.UTC(2026, 0, 1)

function makeLock(inner = new FakeClock(start)) {
  const clock = floorClock(inner, 0)
  const lock = new Lock({ options: makeOptions(), spki, clock })
  const unlock = (sets: { policies?: string; revocations?: string } = {}, at = clock.now()) => {
    const { policies = policySet(), revocations = revocationSet() } = sets
    const statement = sign(statementFor({ ca: lock.ca, boot: lock.boot }, policies, revocations, at))
    return lock.unlock({ statement, policies: Buffer.from(policies), revocations: Buffer.from(revocations) })
  }
  return { lock, clock, unlock, inner }
}

t.test('it is locked until a statement about this very process, and has another nonce after each', async t => {
  const { lock, unlock } = makeLock()
  t.equal(lock.open, undefined)
  const { boot } = lock
  t.match(unlock(), { by: 'ops-1' })
  t.ok(lock.open)
  t.not(lock.boot, boot)
  t.not(makeLock().lock.boot, boot)
})

t.test('a clock that was set back is put right by it; one that is ahead refuses', async t => {
  const { clock, unlock } = makeLock()
  unlock({}, start + 86_400_000)
  t.equal(clock.now(), start + 86_400_000)
  const ahead = makeLock(new FakeClock(start + maxStatementAgeMs + 1_000))
  t.match(
    complaint(() => ahead.unlock({}, start)),
    /time: it is 901 s behind/,
  )
  t.equal(ahead.lock.open, undefined)
})

t.test('older sets never come back while it runs', async t => {
  const { unlock, lock } = makeLock()
  unlock()
  t.match(
    complaint(() => unlock({ policies: policySet({ serial: 2 }) })),
    /policies: want a serial of at least 3, got 2/,
  )
  t.match(
    complaint(() => unlock({ revocations: revocationSet({ serial: 2 }) })),
    /revocations: want a serial/,
  )
  t.equal(lock.open?.policies.serial, 3)
  t.equal(unlock({ revocations: revocationSet({ serial: 9 }) }).revocations.serial, 9)
})

t.test(
  'a statement counts for a while; then the next one is needed, and is held to the serials of the last',
  async t => {
    const { unlock, lock, inner } = makeLock()
    const { until } = unlock()
    t.equal(until, start + 30 * 86_400_000)
    inner.advance(until - start - 1)
    t.ok(lock.open)
    inner.advance(1)
    t.equal(lock.open, undefined)
    t.match(
      complaint(() => unlock({ policies: policySet({ serial: 2 }) })),
      /policies: want a serial of at least 3, got 2/,
    )
    t.ok(unlock().until > until)
    t.ok(lock.open)
  },
)

t.test('a set that does not fit unlocks nothing, whoever signed for it', async t => {
  const { unlock, lock } = makeLock()
  t.match(
    complaint(() => unlock({ policies: policySet({ version: 2 }) })),
    /\/version/,
  )
  t.equal(lock.open, undefined)
  t.match(
    complaint(() => readStatement(Buffer.from('{"v":1}'))),
    /\/ca: want this key/,
  )
})

t.test('a log is whole, or says where it is not', async t => {
  const lines: string[] = []
  const audit = new Audit(new FakeClock(start), line => lines.push(line))
  for (const event of ['started', 'unlocked', 'issued'] as const) audit.record(event, { from: 'x' })
  const [a = '', b = '', c = ''] = lines
  t.same(verifyAudit(`{"severity":"info"}\n${lines.join('other\n')}`), { ok: true, head: audit.head, lines: 3 })
  t.same(verifyAudit(''), { ok: true, head: '0'.repeat(64), lines: 0 })
  const broken: [name: string, text: string, reason: RegExp][] = [
    ['one left out', a + c, /want line 1, got 2/],
    ['the first left out', b + c, /want line 0/],
    ['one changed', a.replace('"x"', '"y"') + b, /line 1 does not follow/],
    ['two changed places', a + c + b, /want line 1/],
    ['one cut off', `${a}${b.slice(0, 40)}\n${c}`, /want line 1, got "a line/],
  ]
  for (const [name, text, reason] of broken) t.match(verifyAudit(text), { ok: false, reason }, name)
})
