import t from 'tap'
import { endWithVerdict, Lapse } from '../../src/engine/expiry.ts'
import { FakeClock } from '../support/clock.ts'

t.test('a tunnel lives a minute longer than its verdict, and is not asked about after its end', async t => {
  const clock = new FakeClock()
  let [looks, ends, good] = [0, 0, true]
  const valid = () => {
    looks++
    return good
  }
  const options = { clock, dialer: { valid, verified: true, dial: () => () => {} } }
  const verdict = { leafSha256: '', policyDigest: '', collateralGeneration: 1, until: 0 }
  const forget = endWithVerdict(options, verdict, () => ends++)
  clock.advance(600_000)
  t.same([looks, ends], [120, 0])
  good = false
  clock.advance(5_000)
  clock.advance(59_999)
  t.same([looks, ends], [121, 0])
  clock.advance(1)
  t.equal(ends, 1)
  forget()

  good = true
  const another = endWithVerdict(options, verdict, () => ends++)
  good = false
  clock.advance(5_000)
  another()
  clock.advance(120_000)
  t.same([looks, ends], [122, 1], 'one that has closed meanwhile')

  endWithVerdict(options, undefined, () => ends++)
  clock.advance(5_000)
  clock.advance(60_000)
  t.same([looks, ends], [122, 2], 'none at all')
})

t.test('a response has ten minutes from the moment at which its verdict was found to be over', async t => {
  const lapse = new Lapse()
  t.equal(lapse.isOver(true, 0), false)
  t.equal(lapse.isOver(false, 5_000), false)
  t.equal(lapse.isOver(false, 604_999), false)
  t.equal(lapse.isOver(false, 605_000), true)
  t.equal(lapse.isOver(true, 605_001), false, 'one that holds again')
  t.equal(lapse.isOver(false, 605_002), false)
})
