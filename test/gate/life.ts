import t from 'tap'
import { newLife, type Phase } from '../../src/gate/life.ts'

const phases: Phase[] = ['starting', 'serving', 'draining', 'closing', 'closed']

const table: [from: Phase, to: Phase[]][] = [
  ['starting', ['serving', 'draining']],
  ['serving', ['draining']],
  ['draining', ['serving', 'closing']],
  ['closing', ['closed']],
  ['closed', []],
]
const way: Record<Phase, Phase[]> = {
  starting: [],
  serving: ['serving'],
  draining: ['serving', 'draining'],
  closing: ['serving', 'draining', 'closing'],
  closed: ['serving', 'draining', 'closing', 'closed'],
}
for (const [from, moves] of table) {
  t.test(`from ${from} the process may become ${moves.join(' or ') || 'nothing else'}`, async t => {
    const life = newLife()
    for (const step of way[from]) life.to(step)
    t.equal(life.state, from)
    t.same(
      phases.filter(phase => life.may(phase)),
      moves,
    )
    for (const phase of phases.filter(each => !moves.includes(each))) t.throws(() => life.to(phase))
    t.equal(life.state, from)
  })
}
