import { once } from 'node:events'
import { createServer, Socket } from 'node:net'
import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import { makeDialer } from '../../src/engine/dial.ts'
import { type Dial, deadline, type Errand, reach } from '../../src/health/reach.ts'
import { FakeClock } from '../support/clock.ts'
import { settled } from '../support/gate.ts'
import { freePort, listen } from '../support/sockets.ts'

const place = { host: '127.0.0.1', port: 1 }
const forEver = Number.POSITIVE_INFINITY

const errand: Errand<string> = {
  use: (_socket, done) => done('used'),
  failed: text => `failed: ${text}`,
  late: () => 'late',
}

function means(dial: Dial) {
  const clock = new FakeClock()
  return { clock, verified: false, dial: () => dial }
}

const real = (port: number, clock: FakeClock): Dial =>
  makeDialer({ host: '127.0.0.1', port, clock, judge: undefined, refused() {} }).dial

t.test('a connection is used, closed and forgotten', async t => {
  let closed: Promise<unknown> = Promise.resolve()
  const server = createServer(socket => {
    closed = once(socket.resume(), 'close')
  })
  const port = await listen(t, server)
  const clock = new FakeClock()
  const way = { clock, verified: false, dial: () => real(port, clock) }
  t.equal(await reach({ host: '127.0.0.1', port }, deadline(1000, clock), way, errand), 'used')
  await closed
  t.equal(clock.pending, 0, 'its timers are gone')
})

t.test('nobody listens', async t => {
  const port = await freePort()
  const clock = new FakeClock()
  const way = { clock, verified: false, dial: () => real(port, clock) }
  const text = `failed: dial tcp 127.0.0.1:${port}: connect: connection refused`
  t.equal(await reach({ host: '127.0.0.1', port }, forEver, way, errand), text)
})

t.test('what does not come in time is given up', async t => {
  let gaveUp = 0
  const way = means(() => () => {
    gaveUp++
  })
  let answer = ''
  const asked = reach(place, deadline(1000, way.clock), way, errand).then(text => {
    answer = text
  })
  way.clock.advance(999)
  await settled()
  t.equal(answer, '')
  way.clock.advance(1)
  await asked
  t.equal(answer, 'late')
  t.equal(gaveUp, 1)
})

t.test('a time that is over is not used', async t => {
  let dialled = 0
  const way = means(() => {
    dialled++
    return () => {}
  })
  t.equal(await reach(place, deadline(0, way.clock), way, errand), 'late')
  t.equal(dialled, 0)
})

t.test('a connection that comes too late is closed and not used', async t => {
  let open: Parameters<Dial>[0] = () => {}
  const way = means(done => {
    open = done
    return () => {}
  })
  const asked = reach(place, deadline(1, way.clock), way, {
    ...errand,
    use: () => t.fail('used'),
  })
  way.clock.advance(1)
  t.equal(await asked, 'late')
  const socket = new Socket()
  open({ socket })
  t.ok(socket.destroyed)
  socket.emit('error', new Error('concerns nobody'))
})

t.test('without a deadline there is no timer', async t => {
  const way = means(done => {
    setImmediate(() => done(new Fault('upstream-refused', 'no')))
    return () => {}
  })
  const asked = reach(place, forEver, way, errand)
  t.equal(way.clock.pending, 0)
  t.equal(await asked, 'failed: no')
})

t.test('the first answer counts', async t => {
  const way = means(done => {
    setImmediate(() => done({ socket: new Socket() }))
    return () => {}
  })
  const use: Errand<string>['use'] = (_socket, done) => {
    done('first')
    done('second')
  }
  t.equal(await reach(place, forEver, way, { ...errand, use }), 'first')
})

t.test('who throws has failed', async t => {
  const dialer = means(() => {
    throw new Fault('credential-invalid', 'no certificate to show')
  })
  t.equal(
    await reach(place, forEver, dialer, errand),
    'failed: dial tcp 127.0.0.1:1: credential-invalid: no certificate to show',
  )
  const way = means(done => {
    setImmediate(() => done({ socket: new Socket() }))
    return () => {}
  })
  const use = () => {
    throw new TypeError('unfit to be sent')
  }
  t.equal(await reach(place, forEver, way, { ...errand, use }), 'failed: TypeError')
})
