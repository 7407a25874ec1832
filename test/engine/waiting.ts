import t from 'tap'
import { Waiting } from '../../src/engine/waiting.ts'
import { settled } from '../support/gate.ts'

t.test('who waits hears of the end of requests first, and of connections when the last is gone', async t => {
  const told: string[] = []
  let requests = 1
  let connections = 2
  const waiting = new Waiting(
    () => requests > 0,
    () => connections > 0,
  )
  waiting.changed()
  const all = [
    waiting.drained().then(() => told.push('drained')),
    waiting.closed().then(() => told.push('closed')),
    waiting.drained().then(() => told.push('drained too')),
  ]
  connections--
  waiting.changed()
  await settled()
  t.same(told, [], 'a request is under way')
  requests--
  waiting.changed()
  await settled()
  t.same(told, ['drained', 'drained too'])
  connections--
  waiting.changed()
  await Promise.all(all)
  t.same(told, ['drained', 'drained too', 'closed'])
})

t.test('where everything has ended already, nobody waits', async t => {
  let asked = 0
  const waiting = new Waiting(
    () => asked++ < 0,
    () => false,
  )
  await waiting.drained()
  await waiting.closed()
  const before = asked
  waiting.changed()
  t.equal(asked, before, 'and nothing is looked at while nobody does')
})
