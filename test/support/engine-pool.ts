// Conformance: which connection to the container a request may use, how often it may be sent, and the gate's orders.

import { createServer } from 'node:net'
import type { Test } from 'tap'
import type { Dialer } from '../../src/engine/dial.ts'
import type { Verdict } from '../../src/gate/contract.ts'
import { FakeClock } from './clock.ts'
import { get, makeStand, ok, plainDialer, post, type Stand, type Subject } from './engine.ts'
import { Backend, type Wire } from './engine-wire.ts'
import { listen } from './sockets.ts'

/** One good exchange, so that a connection is kept. */
async function warm(stand: Stand): Promise<{ client: Wire; container: Wire }> {
  const { client, container } = await stand.converse(get('/warm'))
  await container.head()
  container.send(ok())
  await client.message()
  await (await stand.gate.next()).over()
  return { client, container }
}

export function pool(t: Test, subject: Subject): void {
  const stale: [name: string, request: string, act: (container: Wire) => void, tries: 1 | 2][] = [
    ['GET is sent again where the kept connection closes', get(), c => c.end(), 2],
    ['GET is sent again where the kept connection is reset', get(), c => c.reset(), 2],
    ['HEAD is sent again', get().replace('GET', 'HEAD'), c => c.end(), 2],
    ['a POST without a body but with a key is sent again', post('', 'Idempotency-Key: 1\r\n'), c => c.end(), 2],
    ['a POST without a body is not sent again', post(''), c => c.end(), 1],
    ['a POST with a body is not sent again', post('abc'), c => c.end(), 1],
    ['a POST with a body and a key is not sent again', post('abc', 'Idempotency-Key: 1\r\n'), c => c.end(), 1],
    ['a GET with a body is not sent again', post('abc').replace('POST', 'GET'), c => c.end(), 1],
    ['GET is not sent again after a byte of the answer', get(), c => c.end('H'), 1],
    ['GET is not sent again after half a head', get(), c => c.end('HTTP/1.1 200 OK\r\nConte'), 1],
    ['GET is not sent again after nonsense', get(), c => c.send('nonsense\r\n'), 1],
  ]
  for (const [name, request, act, tries] of stale) {
    t.test(`${name} on a kept connection`, async t => {
      const stand = await makeStand(t, subject)
      const { client, container } = await warm(stand)
      client.send(request)
      await container.message()
      act(container)
      const visit = await stand.gate.next()
      if (tries === 1) {
        t.match(await visit.over(), [/^failed upstream-/, 'finished upstream-failed 0'])
        t.match((await client.message()).line, 'HTTP/1.1 502 Bad Gateway')
        t.equal(stand.backend.wires.length, 1)
        return
      }
      const next = await stand.backend.next()
      await next.message()
      next.send(ok())
      t.same(await visit.over(), ['responded 200', 'finished complete 1'])
      t.equal((await client.message(request.startsWith('HEAD'))).line, 'HTTP/1.1 200 OK')
    })
  }

  t.test('no request is sent three times', async t => {
    const stand = await makeStand(t, subject)
    const { client, container } = await warm(stand)
    client.send(get())
    await container.head()
    container.end()
    const next = await stand.backend.next()
    await next.head()
    next.end()
    t.match(await (await stand.gate.next()).over(), [/^failed upstream-/, 'finished upstream-failed 1'])
    t.equal(stand.backend.wires.length, 2)
  })

  t.test('a request is not sent again after an interim answer', async t => {
    const stand = await makeStand(t, subject)
    const { client, container } = await warm(stand)
    client.send(get())
    await container.head()
    container.send('HTTP/1.1 103 Early Hints\r\n\r\n')
    await client.head()
    container.end()
    t.match(await (await stand.gate.next()).over(), ['interim 103', /^failed/, 'finished upstream-failed 0'])
    t.equal(stand.backend.wires.length, 1)
  })

  t.test('a first connection that fails is not tried again', async t => {
    const { gate, backend, converse } = await makeStand(t, subject)
    const { container } = await converse(get())
    await container.head()
    container.end()
    t.match(await (await gate.next()).over(), [/^failed upstream-/, 'finished upstream-failed 0'])
    t.equal(backend.wires.length, 1)
  })

  t.test('a kept connection on which bytes arrived unasked is never used again', async t => {
    const stand = await makeStand(t, subject)
    const { client, container } = await warm(stand)
    container.send(ok('an answer to the next one'))
    await container.gone()
    client.send(get('/next'))
    const next = await stand.backend.next()
    t.equal((await next.head()).line, 'GET /next HTTP/1.1')
    next.send(ok('its own'))
    t.equal((await client.message()).body, 'its own')
  })

  t.test('bytes behind an answer are no answer to the next request', async t => {
    const stand = await makeStand(t, subject)
    const { client, container } = await stand.converse(get('/1'))
    await container.head()
    container.send(ok('first') + ok('smuggled'))
    t.match((await client.message()).body, /^first$|^upstream-/)
    client.send(get('/2'))
    const next = await stand.backend.next()
    t.equal((await next.head()).line, 'GET /2 HTTP/1.1')
    next.send(ok('second'))
    t.equal((await client.message()).body, 'second')
  })

  t.test('no more connections are kept than allowed', async t => {
    const stand = await makeStand(t, subject, { maxIdleUpstream: 1 })
    const one = await stand.converse(get())
    const two = await stand.converse(get())
    for (const { client, container } of [one, two]) {
      await container.head()
      container.send(ok())
      await client.message()
    }
    t.equal(await two.container.gone(), 'ended')
    t.equal(one.container.fate, 'open')
  })

  t.test('a container that cannot be reached makes a 502', async t => {
    const { gate, client } = await makeStand(t, subject, { makeDialer: () => plainDialer(1, new FakeClock()) })
    const { line, field, body } = await (await client()).send(get()).message()
    t.match([line, field('connection'), body], ['HTTP/1.1 502 Bad Gateway', undefined, 'upstream-refused\n'])
    t.same(await (await gate.next()).over(), ['failed upstream-refused', 'finished upstream-failed 0'])
  })
}

const verdict: Verdict = { leafSha256: 'aa', policyDigest: 'p1', collateralGeneration: 1, until: 1000 }

export function verdicts(t: Test, subject: Subject): void {
  const changes: [name: string, now: { time: number; digest: string; generation: number }, kept: boolean][] = [
    ['a verdict that holds', { time: 999, digest: 'p1', generation: 1 }, true],
    ['a verdict that has expired', { time: 1000, digest: 'p1', generation: 1 }, false],
    ["another policy's verdict", { time: 0, digest: 'p2', generation: 1 }, false],
    ['a verdict of older collateral', { time: 0, digest: 'p1', generation: 2 }, false],
  ]
  for (const [name, later, kept] of changes) {
    t.test(`${name} ${kept ? 'serves' : 'does not serve'} a new request`, async t => {
      let now = { time: 0, digest: 'p1', generation: 1 }
      const stand = await makeStand(t, subject, {
        makeDialer: (port): Dialer => ({
          ...plainDialer(port, new FakeClock()),
          verified: true,
          dial: done =>
            plainDialer(port, new FakeClock()).dial(outcome => {
              done('socket' in outcome ? { ...outcome, verdict } : outcome)
            }),
          valid: ({ until, policyDigest, collateralGeneration }) =>
            now.time < until && policyDigest === now.digest && collateralGeneration === now.generation,
        }),
      })
      const { client, container } = await warm(stand)
      now = later
      client.send(get('/next'))
      const next = kept ? container : await stand.backend.next()
      t.equal((await next.head()).line, 'GET /next HTTP/1.1')
      next.send(ok())
      await client.message()
      if (!kept) t.ok(await container.gone(), 'the old connection is closed')
      t.equal(stand.backend.wires.length, kept ? 1 : 2)
    })
  }

  t.test('a connection that is in use when its verdict expires finishes what it does', async t => {
    let good = true
    const stand = await makeStand(t, subject, {
      makeDialer: port => ({ ...plainDialer(port, new FakeClock()), valid: () => good }),
    })
    const { client, container } = await stand.converse(get())
    await container.head()
    good = false
    container.send(ok('late'))
    t.equal((await client.message()).body, 'late')
  })

  t.test('a connection that waits is closed when its verdict expires, whether somebody wants it or not', async t => {
    let good = true
    const stand = await makeStand(t, subject, {
      makeDialer: port => ({ ...plainDialer(port, new FakeClock()), verified: true, valid: () => good }),
    })
    const { container } = await warm(stand)
    stand.clock.advance(5_000)
    t.equal(container.fate, 'open')
    good = false
    stand.clock.advance(2_000)
    t.ok(await container.gone())
  })

  t.test('a stream outlives its verdict by ten minutes and no more, and the client can tell', async t => {
    let good = true
    const stand = await makeStand(t, subject, {
      makeDialer: port => ({ ...plainDialer(port, new FakeClock()), verified: true, valid: () => good }),
    })
    const { client, container } = await stand.converse(get('/events'))
    await container.head()
    container.send(
      'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n',
    )
    await client.head()
    stand.clock.advance(3_600_000)
    good = false
    stand.clock.advance(599_000)
    container.send('4\r\ntwo\n\r\n')
    const visit = await stand.gate.next()
    while (visit.bytesSent < 8) await new Promise(resolve => setImmediate(resolve))
    stand.clock.advance(3_000)
    const rest = await client.rest()
    t.match(rest, /two/)
    t.notMatch(rest, '0\r\n\r\n')
    t.ok(await container.gone())
    t.match(visit.faults, [{ code: 'upstream-untrusted' }])
    t.match(await visit.over(), ['responded 200', 'failed upstream-untrusted', 'finished upstream-failed 0'])
  })
}

export function orders(t: Test, subject: Subject): void {
  t.test('a request that waits reaches nobody until it is started', async t => {
    const { gate, backend, client } = await makeStand(t, subject, { order: () => 'wait' })
    const wire = (await client()).send(post('abc'))
    const visit = await gate.next()
    t.equal(backend.wires.length, 0)
    visit.driver.start()
    const container = await backend.next()
    t.equal((await container.message()).body, 'abc')
    container.send(ok('done'))
    t.equal((await wire.message()).body, 'done')
    t.same(await visit.over(), ['responded 200', 'finished complete 0'])
  })

  t.test('a request that waits can be answered, and its connection lives on', async t => {
    const { gate, backend, client } = await makeStand(t, subject, { order: () => 'wait' })
    const wire = (await client()).send(get())
    const visit = await gate.next()
    visit.driver.answer({ status: 503, headers: [['X-Why', 'full']], body: 'full\n' })
    const { line, field, body } = await wire.message()
    t.match(
      [line, field('x-why'), field('connection'), body],
      ['HTTP/1.1 503 Service Unavailable', 'full', undefined, 'full\n'],
    )
    t.same(await visit.over(), ['finished answered 0'])
    wire.send(get())
    await gate.next()
    t.equal(backend.wires.length, 0)
  })

  t.test('an answer after the start breaks off the side of the container', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse(get())
    await container.head()
    const visit = await gate.next()
    visit.driver.answer({ status: 504, headers: [], body: 'request timeout' })
    t.match(await client.message(), { line: 'HTTP/1.1 504 Gateway Timeout', body: 'request timeout' })
    await container.gone()
    t.same(await visit.over(), ['finished answered 0'])
    visit.driver.start()
    visit.driver.answer({ status: 500, headers: [], body: '' })
    t.equal(visit.finishes, 1)
  })

  t.test('an answer while the upload runs ends the connection where much is unread', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse('PUT / HTTP/1.1\r\nHost: app\r\nContent-Length: 9000000\r\n\r\nabc')
    await container.take(3)
    const visit = await gate.next()
    visit.driver.answer({ status: 504, headers: [], body: 'request timeout' })
    const { line, field } = await client.message()
    t.match([line, field('connection')], ['HTTP/1.1 504 Gateway Timeout', 'close'])
    await container.gone()
    await client.gone()
    t.same(await visit.over(), ['finished answered 0'])
  })

  t.test('a cut in mid-response is no clean end, and takes the side of the container along', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse(get())
    await container.head()
    container.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
    await client.through('abc')
    const visit = await gate.next()
    visit.driver.cut()
    t.notMatch(await client.rest(), '0\r\n\r\n')
    await container.gone()
    t.same(await visit.over(), ['responded 200', 'finished cut 0'])
  })

  const upgrade = get('/', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n')
  for (const request of [get(), post('abc'), upgrade, 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n']) {
    t.test(
      `${request.split(' ')[0]} ${request.includes('Upgrade') ? 'with Upgrade ' : ''}is answered by the gate`,
      async t => {
        const reply = { status: 421, headers: [['X-A', 'b']] as const, body: 'no\n', close: true }
        const { gate, backend, client } = await makeStand(t, subject, { order: () => reply })
        const wire = (await client()).send(request)
        const { line, field, body } = await wire.message()
        t.match(
          [line, field('x-a'), field('connection'), body],
          ['HTTP/1.1 421 Misdirected Request', 'b', 'close', 'no\n'],
        )
        await wire.gone()
        t.same(await (await gate.next()).over(), ['finished answered 0'])
        t.equal(backend.wires.length, 0)
      },
    )
  }

  t.test('a client that leaves while its connection is still being opened costs no request', async t => {
    const reached = new Backend()
    const port = await listen(
      t,
      createServer(socket => reached.accept(socket)),
    )
    let go = (): void => {}
    const { gate, client } = await makeStand(t, subject, {
      makeDialer: () => ({
        verified: false,
        valid: () => true,
        dial(done) {
          go = () => plainDialer(port, new FakeClock()).dial(done)
          return () => {}
        },
      }),
    })
    const wire = (await client()).send(get())
    const visit = await gate.next()
    wire.reset()
    t.same(await visit.over(), ['finished client-left 0'])
    go()
    const container = await reached.next()
    await container.gone()
    t.equal(container.total, 0)
  })
}
