import t from 'tap'
import { builtins } from '../../../src/observe/template/functions.ts'
import { Float, failure, type Value } from '../../../src/observe/template/values.ts'

const float = (value: number): Float => new Float(value)

const rows: [name: string, values: Value[], expected: Value | 'fails'][] = [
  ['js', ['<', 1, 2], '\\u003C1 2'],
  ['html', ['<'], '&lt;'],
  ['urlquery', ['a b'], 'a+b'],
  ['print', [1, 2, 'a'], '1 2a'],
  ['println', ['a', 1], 'a 1\n'],
  ['len', ['h\xc3\xa9'], 3],
  ['len', [['a']], 1],
  ['len', [3], 'fails'],
  ['len', [float(3)], 'fails'],
  ['index', ['abc', 1], 98],
  ['index', [['a', 'b'], 1], 'b'],
  ['index', [['abc'], 0, 2], 99],
  ['index', ['abc'], 'abc'],
  ['index', ['abc', 3], 'fails'],
  ['index', [['a'], 1], 'fails'],
  ['index', ['abc', -1], 'fails'],
  ['index', ['abc', 'x'], 'fails'],
  ['index', [float(1), 0], 'fails'],
  ['not', [''], true],
  ['eq', [1, 2, 1], true],
  ['eq', ['a', 'b'], false],
  ['eq', [true, true], true],
  ['eq', [float(1), float(1)], true],
  ['eq', [1, float(1)], 'fails'],
  ['eq', ['1', 1], 'fails'],
  ['eq', [['a'], ['a']], 'fails'],
  ['ne', [1, 2], true],
  ['lt', [1, 2], true],
  ['le', [2, 2], true],
  ['gt', ['b', 'a'], true],
  ['ge', [float(1), float(2)], false],
  ['lt', [true, false], 'fails'],
  ['lt', [1, 'a'], 'fails'],
]
for (const [name, values, expected] of rows) {
  t.test(`${name} ${JSON.stringify(values)}`, async t => {
    const run = () => builtins.get(name)?.run(values)
    if (expected === 'fails') t.throws(run, failure)
    else t.equal(run(), expected)
  })
}
