import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { makeBytesEngine } from '../../src/engine/bytes.ts'
import type { MakeEngine } from '../../src/engine/engine.ts'
import { get, makeStand, ok } from '../support/engine.ts'
import { engineConformance } from './conformance.ts'

const overStreams: MakeEngine = (gate, options) => makeBytesEngine(gate, options, 'streams')

engineConformance(t, 'bytes', makeBytesEngine, [])
engineConformance(t, 'bytes over streams', overStreams, [])

const many = 1_500

for (const [name, makeEngine] of [
  ['bytes', makeBytesEngine],
  ['bytes over streams', overStreams],
] as const) {
  t.test(`${name}: a container that says much before it answers waits for a client that does not read`, async t => {
    const { converse } = await makeStand(t, { makeEngine, gaps: new Set() })
    const { client, container } = await converse(get())
    await container.head()
    client.socket.pause()
    // More than all systems on the way hold.
    const interim = `HTTP/1.1 103 Early Hints\r\nLink: ${'x'.repeat(32_000)}\r\n\r\n`
    let taken = 0
    const sendNext = (): void => {
      if (taken < many) container.socket.write(interim, () => ++taken && sendNext())
    }
    sendNext()
    for (let before = -1, still = 0; still < 50; before = taken) {
      still = taken === before ? still + 1 : 0
      await delay(4)
    }
    t.ok(taken < many, `${taken} of ${many} have been taken`)
    client.socket.resume()
    t.ok((await client.take(interim.length * many)) === interim.repeat(many), 'and all of it comes in the end')
    container.send(ok('hello'))
    t.equal((await client.message()).body, 'hello')
  })
}

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
