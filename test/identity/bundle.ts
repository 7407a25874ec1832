import t from 'tap'
import { TrustBundle } from '../../src/identity/bundle.ts'
import { FakeClock } from '../support/identity.ts'

const anchor = (n: number): Uint8Array => new Uint8Array([n, n])
const numbers = (bundle: TrustBundle): number[] => bundle.anchors.map(([n]) => n ?? -1)

t.test('what a new bundle leaves out counts for the overlap, and then no more', async t => {
  const clock = new FakeClock()
  const bundle = new TrustBundle(clock, [anchor(1), anchor(2)])
  t.same([numbers(bundle), bundle.generation], [[1, 2], 0])
  bundle.replace([anchor(2), anchor(3)], 1000)
  t.same([numbers(bundle), bundle.generation], [[2, 3, 1], 0], 'nobody who was accepted is refused yet')
  clock.jump(999)
  t.same(numbers(bundle), [2, 3, 1])
  clock.jump(1)
  t.same([numbers(bundle), bundle.generation], [[2, 3], 1], 'by the clock, whatever timers do')
  clock.jump(-1000)
  t.same(numbers(bundle), [2, 3], 'a clock that goes back revives nothing')
})

t.test('an anchor that comes back stays, and one on its way out keeps its end', async t => {
  const clock = new FakeClock()
  const bundle = new TrustBundle(clock, [anchor(1), anchor(2)])
  bundle.replace([anchor(3)], 1000)
  clock.jump(500)
  bundle.replace([anchor(1)], 1000)
  t.same(numbers(bundle), [1, 2, 3])
  clock.jump(500)
  t.same([numbers(bundle), bundle.generation], [[1, 3], 1], 'the second, after its own thousand')
  clock.jump(500)
  t.same([numbers(bundle), bundle.generation], [[1], 2])
})

t.test('no overlap withdraws at once', async t => {
  const bundle = new TrustBundle(new FakeClock(), [anchor(1)])
  bundle.replace([anchor(2)], 0)
  t.same([numbers(bundle), bundle.generation], [[2], 1])
})

t.test('the array is the same for as long as the anchors are', async t => {
  const clock = new FakeClock()
  const bundle = new TrustBundle(clock, [anchor(1)])
  const before = bundle.anchors
  t.equal(bundle.anchors, before)
  bundle.replace([anchor(2)], 10)
  const during = bundle.anchors
  t.not(during, before)
  t.equal(bundle.anchors, during)
  clock.jump(10)
  t.not(bundle.anchors, during)
})

t.test('it is never empty and never grows without end', async t => {
  const many = (from: number, count: number) => Array.from({ length: count }, (_, i) => anchor(from + i))
  const clock = new FakeClock()
  t.throws(() => new TrustBundle(clock, []), { code: 'credential-invalid' })
  t.throws(() => new TrustBundle(clock, many(0, 65)), { code: 'credential-invalid' })
  const bundle = new TrustBundle(clock, [anchor(1), anchor(1)])
  t.same(numbers(bundle), [1], 'the same one twice is one')
  t.throws(() => bundle.replace([], 1000), { code: 'credential-invalid' })
  t.same(numbers(bundle), [1], 'and stays as it was')
  bundle.replace(many(100, 40), 1000)
  bundle.replace(many(150, 40), 1000)
  t.equal(bundle.anchors.length, 64)
  t.same(
    numbers(bundle).slice(0, 40),
    many(150, 40).map(([n]) => n),
  )
  t.equal(bundle.generation, 1, 'what had no place was withdrawn')
})
