import fc from 'fast-check'
import t from 'tap'
import { type Place, Queue } from '../../src/base/queue.ts'

t.test('first in, first out, with leaving from anywhere', async t => {
  const queue = new Queue<string>()
  const a = queue.push('a')
  const b = queue.push('b')
  const c = queue.push('c')
  t.equal(queue.size, 3)
  t.equal(queue.remove(b), true)
  t.equal(queue.remove(b), false, 'a place is given up once')
  t.equal(queue.first, 'a')
  queue.renew(a)
  t.equal(queue.shift(), 'c')
  t.equal(queue.remove(c), false, 'who was served has no place')
  t.equal(queue.shift(), 'a')
  t.equal(queue.shift(), undefined)
  t.equal(queue.size, 0)
})

t.test('a place in another line is not one in this', async t => {
  const place = new Queue<number>().push(1)
  const queue = new Queue<number>()
  queue.push(2)
  queue.renew(place)
  t.equal(queue.remove(place), false)
  t.equal(queue.size, 1)
})

t.test('behaves like an array under any sequence of moves', async t => {
  const move = fc.oneof(
    fc.constant({ kind: 'push' as const, at: 0 }),
    fc.constant({ kind: 'shift' as const, at: 0 }),
    fc.nat(9).map(at => ({ kind: 'remove' as const, at })),
    fc.nat(9).map(at => ({ kind: 'renew' as const, at })),
  )
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60 }), moves => {
      const queue = new Queue<number>()
      const model: Place<number>[] = []
      moves.forEach(({ kind, at }, i) => {
        const place = model[at % Math.max(1, model.length)]
        if (kind === 'push') model.push(queue.push(i))
        else if (kind === 'shift') model.shift()?.value === queue.shift() || t.fail('another was served')
        else if (place) {
          model.splice(model.indexOf(place), 1)
          if (kind === 'remove') queue.remove(place)
          else {
            queue.renew(place)
            model.push(place)
          }
        }
        if (queue.size !== model.length || queue.first !== model[0]?.value) t.fail('queue and model differ')
      })
    }),
  )
  t.pass()
})
