import t from 'tap'
import { Machine } from '../../src/base/phase.ts'

t.test('a move that the table allows happens, another throws and changes nothing', async t => {
  const life = new Machine<'a' | 'b' | 'c'>({ a: ['b'], b: ['a', 'c'], c: [] }, 'a')
  t.equal(life.state, 'a')
  t.equal(life.may('c'), false)
  t.throws(() => life.to('c'), { message: 'illegal move: a -> c' })
  t.equal(life.state, 'a')
  life.to('b')
  life.to('c')
  t.equal(life.state, 'c')
})
