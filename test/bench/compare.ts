import t from 'tap'
import { compare, showComparison } from '../../bench/compare.ts'
import { seeded } from '../../bench/stats/random.ts'
import { makeResult, makeSeries } from '../support/bench.ts'

const options = { threshold: 0.05, to: undefined }

function run(seed: number, us: number, nginxUs = 15) {
  const random = seeded(seed)
  return makeResult([
    makeSeries(random, { contender: 'bytes', us }),
    makeSeries(random, { contender: 'nginx', us: nginxUs }),
  ])
}

t.test('a regression beyond the threshold is one', async t => {
  const found = compare(run(1, 50), run(2, 60), options)
  t.same(
    found.changes.filter(({ regressed }) => regressed).map(({ contender }) => contender),
    ['bytes'],
  )
  t.match(showComparison(found), /REGRESSED {2}small-c32 h→h bytes .*\+\d/)
})

t.test('no difference, an improvement and one below the threshold are none', async t => {
  for (const us of [50, 40, 51.5]) {
    t.notOk(
      compare(run(1, 50), run(2, us), options).changes.some(({ regressed }) => regressed),
      `${us}`,
    )
  }
  t.notOk(compare(run(1, 50), run(2, 60), { ...options, threshold: 0.5 }).changes.some(({ regressed }) => regressed))
})

t.test('what cannot be told is said to be so', async t => {
  t.match(showComparison(compare(run(1, 50), run(2, 50.2), options)), /no difference/)
})

t.test('on a machine that is twice as slow, multiples of another contender are compared', async t => {
  const [before, after] = [run(1, 50, 15), run(2, 100, 30)]
  t.ok(compare(before, after, options).changes.every(({ regressed }) => regressed))
  const relative = compare(before, after, { ...options, to: 'nginx' })
  t.same(
    relative.changes.map(({ contender, regressed }) => [contender, regressed]),
    [['bytes', false]],
  )
})

t.test('different machines, versions and broken-off runs are warned about, gone series are named', async t => {
  const before = run(1, 50)
  const after = { ...run(2, 50), complete: false }
  const moved = {
    ...after,
    machine: { ...after.machine, cpu: 'other', node: '26.0.0' },
    series: after.series.slice(0, 1),
  }
  const found = compare(before, moved, options)
  t.match(found.warnings.join(), /different machines.*different Node.*ended early/)
  t.same(found.missing, ['small-c32, h→h, nginx'])
  t.match(showComparison(found), /not in the second: small-c32, h→h, nginx/)
})

t.test('controls are not compared', async t => {
  const random = seeded(1)
  const copy = makeSeries(random, { contender: 'bytes (control)', controlOf: 'bytes', us: 50 })
  const both = run(1, 50)
  t.equal(compare({ ...both, series: [...both.series, copy] }, both, options).changes.length, 2)
})
