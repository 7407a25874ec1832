import t from 'tap'
import { Distribution, Family, gauge, Rows } from '../../src/observe/series.ts'

t.test('a value counts in the first bound that it does not exceed', async t => {
  const distribution = new Distribution([1, 2.5])
  for (const value of [0.5, 1, 1.5, 2.5, 3]) distribution.observe(value)
  t.same(distribution.cumulative, [2, 4, 5])
  t.same([distribution.count, distribution.sum], [5, 8.5])
})

t.test('a histogram as Go writes it: labels by name, le last', async t => {
  const family = new Family('x_seconds', 'How long', [0.5, 1], [['scope', 's']])
  t.equal(family.text(), '', 'nothing to tell yet')
  family.child([['code', '200']]).observe(0.7)
  t.equal(
    family.text(),
    [
      '# HELP x_seconds How long',
      '# TYPE x_seconds histogram',
      'x_seconds_bucket{code="200",scope="s",le="0.5"} 0',
      'x_seconds_bucket{code="200",scope="s",le="1"} 1',
      'x_seconds_bucket{code="200",scope="s",le="+Inf"} 1',
      'x_seconds_sum{code="200",scope="s"} 0.7',
      'x_seconds_count{code="200",scope="s"} 1',
      '',
    ].join('\n'),
  )
})

t.test('a counter shows how many, and needs no label', async t => {
  const family = new Family('x_total', 'How many', [1], [], 'counter')
  const child = family.child([])
  child.observe(5)
  child.observe(7)
  t.equal(family.text(), '# HELP x_total How many\n# TYPE x_total counter\nx_total 2\n')
})

t.test('series are sorted: fewer labels first, then by value', async t => {
  const family = new Family('x', 'h', [], [], 'counter')
  family.child([['b', '2']])
  family.child([
    ['b', '1'],
    ['a', '1'],
  ])
  family.child([['b', '1']])
  family.child([['b', '1']])
  t.same(family.text().split('\n').slice(2, -1), ['x{b="1"} 0', 'x{b="1"} 0', 'x{b="2"} 0', 'x{a="1",b="1"} 0'])
})

t.test('quotes, backslashes and line feeds in a label are escaped', async t => {
  const family = new Family('x', 'h', [], [], 'counter')
  family.child([['a', 'q"b\\n\n']])
  t.match(family.text(), 'x{a="q\\"b\\\\n\\n"} 0')
})

t.test('a gauge is read when asked', async t => {
  let value = 1
  const page = gauge('g', 'h', [], () => value)
  value = 7
  t.equal(page.text(), '# HELP g h\n# TYPE g gauge\ng 7\n')
})

t.test('each set of facts has one row, up to a limit; all others share one', async t => {
  const made: string[] = []
  const make = (fact: string): { name: string } => {
    made.push(fact)
    return { name: fact }
  }
  const rows = new Rows(make, () => make('other'), 3)
  const a = rows.of(200, 1, 'a')
  t.equal(rows.of(200, 1, 'a'), a)
  rows.of(200, 2, 'b')
  rows.of(404, 1, 'c')
  t.equal(rows.of(404, 2, 'd').name, 'other')
  t.equal(rows.of(500, 1, 'e'), rows.of(501, 1, 'f'))
  t.equal(rows.of(404, 1, 'c').name, 'c')
  t.same(made, ['a', 'b', 'c', 'other'])
})
