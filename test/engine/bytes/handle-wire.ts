import { Socket } from 'node:net'
import t from 'tap'
import { fastWires } from '../../../src/engine/bytes/handle-wire.ts'
import { Out } from '../../../src/engine/bytes/out.ts'
import { Heard, wires } from '../../support/bytes-wires.ts'
import { settled } from '../../support/gate.ts'
import { socketPair } from '../../support/sockets.ts'

const makeWire = fastWires()
if (!makeWire) throw new Error('this Node has no handles that a wire could use; the tests have to run on one that has')

wires(t, makeWire)

t.test('versions that were never tested are left alone', async t => {
  for (const version of ['22.12.0', '23.0.0', '25.1.0', '240.0.0', 'v24.0.0', ''])
    t.equal(fastWires(version), undefined, version)
  t.type(fastWires('24.0.0'), 'function')
})

t.test('so is a Node in which something is not where it should be', async t => {
  const { write } = Socket.prototype
  const { getOwnPropertySymbols } = Object
  // The report of this very test is written by a Socket, so each change holds for one call.
  const made = (change: () => void): unknown => {
    try {
      change()
      return fastWires()
    } finally {
      Socket.prototype.write = write
      Object.getOwnPropertySymbols = getOwnPropertySymbols
    }
  }
  const silent = made(() => {
    Socket.prototype.write = () => true
  })
  t.equal(silent, undefined, 'nothing is written through the handle')
  const broken = made(() => {
    Socket.prototype.write = () => {
      throw new Error('no such thing')
    }
  })
  t.equal(broken, undefined, 'it breaks')
  for (const gone of ['kBuffer', 'kBufferCb', 'kBufferGen']) {
    const without = made(() => {
      Object.getOwnPropertySymbols = of => getOwnPropertySymbols(of).filter(each => each.description !== gone)
    })
    t.equal(without, undefined, gone)
  }
  t.type(
    made(() => {}),
    'function',
  )
})

t.test('a write that fails at once is the end', async t => {
  for (const write of ['send', 'give', 'corked'] as const) {
    const [socket, there] = await socketPair(t)
    const ear = new Heard()
    const wire = makeWire(socket, ear)
    wire.end()
    there.resume()
    // The direction that this would go has been shut.
    while (!socket.writableFinished) await settled()
    if (write === 'send') wire.send(new Out().text('x'))
    else if (write === 'give') wire.give(Buffer.from('x'))
    else {
      wire.cork()
      wire.give(Buffer.from('x'))
      wire.give(Buffer.from('y'))
      wire.uncork()
    }
    t.equal(await ear.until(/closed/), 'closed EPIPE', write)
    t.equal(wire.pending, 0)
  }
})

t.test('a write that fails while it is pending is the end', async t => {
  const [socket, there] = await socketPair(t)
  there.pause()
  const ear = new Heard()
  const wire = makeWire(socket, ear)
  // Nobody reads here either, so that the write is the first to know.
  wire.pause()
  while (!wire.full) wire.give(Buffer.alloc(1024 * 1024))
  there.resetAndDestroy()
  t.match(await ear.until(/closed/), /closed (EPIPE|ECONNRESET)/)
  t.notOk(ear.told.includes('drained'))
})
