import t from 'tap'
import { makeBytesEngine } from '../../src/engine/bytes.ts'
import { makeStand } from '../support/engine.ts'
import { engineConformance } from './conformance.ts'

engineConformance(t, 'bytes', makeBytesEngine, [])
engineConformance(t, 'bytes over streams', (gate, options) => makeBytesEngine(gate, options, 'streams'), [])

t.test('it says what it moves bytes with', async t => {
  for (const [sockets, name] of [
    ['handles', 'bytes over handles'],
    ['streams', 'bytes over streams'],
  ] as const) {
    const { engine } = await makeStand(t, {
      makeEngine: (gate, options) => makeBytesEngine(gate, options, sockets),
      gaps: new Set(),
    })
    t.equal(engine.name, name)
  }
})
