import fc from 'fast-check'
import t from 'tap'
import type { Clock } from '../../src/base/clock.ts'
import { Stats, type Window, windowMs } from '../../src/gate/stats.ts'
import { FakeClock } from '../support/clock.ts'

type Step = ['in' | 'out', proxied: boolean] | ['wait', ms: number] | ['tick']

function play(steps: readonly Step[]): { stats: Stats; clock: FakeClock } {
  const clock = new FakeClock()
  const stats = new Stats(clock)
  for (const step of steps) {
    if (step[0] === 'wait') clock.advance(step[1])
    else if (step[0] === 'tick') stats.tick()
    else stats[step[0]](step[1])
  }
  return { stats, clock }
}

const window = (averages: [number, number], counts: [number, number], uptimeSeconds: number): Window => ({
  averageConcurrency: averages[0],
  averageProxiedConcurrency: averages[1],
  requests: counts[0],
  proxiedRequests: counts[1],
  uptimeSeconds,
})

const cases: [name: string, steps: Step[], expected: Window | undefined][] = [
  ['before the first window ends there is nothing to tell', [['in', false]], undefined],
  ['an empty window', [['wait', 1000], ['tick']], window([0, 0], [0, 0], 1)],
  ['a window without any time', [['in', false], ['tick']], window([0, 0], [1, 0], 0)],
  [
    'concurrency is weighted by time',
    [['in', false], ['wait', 250], ['out', false], ['wait', 750], ['tick']],
    window([0.25, 0], [1, 0], 1),
  ],
  [
    'requests of the activator count in both columns',
    [['in', true], ['in', false], ['wait', 500], ['out', true], ['wait', 500], ['tick']],
    window([1.5, 0.5], [2, 1], 1),
  ],
  [
    'who stays is still there in the next window, but came only once',
    [['in', true], ['wait', 1000], ['tick'], ['wait', 1000], ['tick']],
    window([1, 1], [0, 0], 2),
  ],
  [
    'a request without any duration counts as one',
    [['wait', 400], ['in', false], ['out', false], ['wait', 600], ['tick']],
    window([0, 0], [1, 0], 1),
  ],
]
for (const [name, steps, expected] of cases) {
  t.test(name, async t => {
    t.same(play(steps).stats.latest, expected)
  })
}

t.test('asking changes nothing, and concurrency is told at once', async t => {
  const { stats, clock } = play([['in', false], ['wait', windowMs], ['tick']])
  const { latest } = stats
  clock.advance(300)
  t.equal(stats.latest, latest)
  t.equal(stats.concurrency, 1)
  stats.out(false)
  t.equal(stats.concurrency, 0)
})

t.test('a clock that steps back counts as one that stands still', async t => {
  let now = 10_000
  const clock: Clock = { now: () => now, monotonic: () => now, after: () => () => {}, every: () => () => {} }
  const stats = new Stats(clock)
  stats.in(false)
  now += 500
  stats.in(false)
  now -= 400
  stats.out(false)
  now += 900
  stats.tick()
  t.match(stats.latest, { averageConcurrency: (500 * 1 + 500 * 1) / 1000, uptimeSeconds: 1 })
})

t.test('agrees with a model that looks at every millisecond', async t => {
  const step = fc.oneof(
    fc.boolean().map((proxied): Step => ['in', proxied]),
    fc.boolean().map((proxied): Step => ['out', proxied]),
    fc.nat(700).map((ms): Step => ['wait', ms]),
    fc.constant<Step>(['tick']),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), raw => {
      // Nobody leaves who never came.
      const inside = { true: 0, false: 0 }
      const steps = raw.filter(each => {
        if (each[0] !== 'in' && each[0] !== 'out') return true
        const key = each[1] ? 'true' : 'false'
        if (each[0] === 'out' && inside[key] === 0) return false
        inside[key] += each[0] === 'in' ? 1 : -1
        return true
      })
      const { latest } = play([...steps, ['tick']]).stats
      const expected = model([...steps, ['tick']])
      const close = (a: number, b: number): boolean => Math.abs(a - b) < 1e-9
      return (
        latest !== undefined &&
        close(latest.averageConcurrency, expected.averageConcurrency) &&
        close(latest.averageProxiedConcurrency, expected.averageProxiedConcurrency) &&
        close(latest.uptimeSeconds, expected.uptimeSeconds) &&
        latest.requests === expected.requests &&
        latest.proxiedRequests === expected.proxiedRequests
      )
    }),
  )
  t.pass()
})

/** The last window by plain counting: one sample of the state for each millisecond. */
function model(steps: readonly Step[]): Window {
  let [direct, proxied, age] = [0, 0, 0]
  let samples: [number, number][] = []
  let came: boolean[] = []
  let last = window([0, 0], [0, 0], 0)
  for (const step of steps) {
    if (step[0] === 'wait') {
      for (let ms = 0; ms < step[1]; ms++) samples.push([direct + proxied, proxied])
      age += step[1]
    } else if (step[0] === 'tick') {
      const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / (values.length || 1)
      const averages: [number, number] = [mean(samples.map(each => each[0])), mean(samples.map(each => each[1]))]
      last = window(averages, [came.length, came.filter(each => each).length], age / 1000)
      samples = []
      came = []
    } else {
      const by = step[0] === 'in' ? 1 : -1
      if (step[1]) proxied += by
      else direct += by
      if (by === 1) came.push(step[1])
    }
  }
  return last
}
