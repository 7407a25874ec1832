import t from 'tap'
import { Audit, verifyAudit } from '../../src/provision/audit.ts'
import { TurnedAway } from '../../src/provision/turned-away.ts'
import { FakeClock } from '../support/clock.ts'

const often = { rule: 'too-often', want: 'later', got: 'now' }
const long = { rule: 'too-long', want: 'less', got: 'more' }

t.test('each rule has a line a second, which says how many had none; all are counted', async t => {
  const [clock, lines, counted] = [new FakeClock(), [] as string[], [] as string[]]
  const audit = new Audit(clock, line => lines.push(line))
  const turnedAway = new TurnedAway({ clock, audit, counted: rules => counted.push(...rules) })
  turnedAway.record('a', often)
  turnedAway.record('b', often)
  turnedAway.record('c', long)
  clock.advance(999)
  turnedAway.record('d', often)
  clock.advance(1)
  turnedAway.record('e', often)
  clock.advance(1_000)
  turnedAway.record('f', often)
  const said = lines.map(line => JSON.parse(line)).map(({ from, reasons: [{ rule }], more }) => [from, rule, more])
  t.same(said, [
    ['a', 'too-often', undefined],
    ['c', 'too-long', undefined],
    ['e', 'too-often', 2],
    ['f', 'too-often', undefined],
  ])
  t.equal(counted.length, 6)
  t.ok(verifyAudit(lines.join('')).ok)
})
