// Conformance: order on one connection, who breaks off when, and that memory stays bounded meanwhile.

import type { Test } from 'tap'
import { get, makeStand, ok, post, type StandOptions, type Subject } from './engine.ts'
import type { Wire } from './engine-wire.ts'

const chunkedHead = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
const lengthHead = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n'

export function order(t: Test, subject: Subject): void {
  t.test('a connection is kept on both sides', async t => {
    const { gate, backend, converse } = await makeStand(t, subject)
    const { client, container } = await converse(get('/1'))
    for (const target of ['/1', '/2', '/3']) {
      if (target !== '/1') client.send(get(target))
      t.equal((await container.head()).line, `GET ${target} HTTP/1.1`)
      container.send(ok(target))
      const { body, field } = await client.message()
      t.match([body, field('connection')], [target, undefined])
    }
    t.match([gate.visits.length, backend.wires.length], [3, 1])
  })

  t.test('a connection that the client gives up with its request is closed after the answer', async t => {
    const { converse } = await makeStand(t, subject)
    const { client, container } = await converse(get('/', 'Connection: close\r\n'))
    const { field } = await container.message()
    t.equal(field('connection'), undefined)
    container.send(ok('last'))
    const answer = await client.message()
    t.match([answer.field('connection'), answer.body], ['close', 'last'])
    t.equal(await client.gone(), 'ended')
  })

  t.test('pipelined requests run strictly one after another, and answers keep their order', async t => {
    const { gate, backend, client } = await makeStand(t, subject)
    const wire = (await client()).send(get('/1') + post('two') + get('/3'))
    const container = await backend.next()
    for (const [n, body] of [
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ] as const) {
      const visit = await gate.next()
      await container.message()
      t.equal(gate.visits.length, n)
      container.send(ok(body))
      t.equal((await wire.message()).body, body)
      t.same(await visit.over(), ['responded 200', 'finished complete 0'])
    }
  })

  t.test('what is pipelined behind a last answer is never served', async t => {
    const { gate, backend, client } = await makeStand(t, subject, {
      order: () => ({ status: 421, headers: [], body: 'elsewhere', close: true }),
    })
    const wire = (await client()).send(get('/1') + get('/2'))
    t.match(await wire.rest(), /^HTTP\/1\.1 421 [\s\S]*\r\n\r\nelsewhere$/)
    t.same(await (await gate.next()).over(), ['finished answered 0'])
    t.match([gate.visits.length, backend.wires.length], [1, 0])
  })

  t.test('what is pipelined behind a request whose client has left is never served', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse(get('/1') + get('/2'))
    await container.head()
    client.reset()
    t.same(await (await gate.next()).over(), ['finished client-left 0'])
    await container.gone()
    t.equal(gate.visits.length, 1)
  })

  t.test('a client that pipelines without end is not read without end', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse(get())
    await container.head()
    t.ok(await stuck(client, get('/', `X-Filler: ${'x'.repeat(8000)}\r\n`).repeat(8)), 'writing stopped')
    t.equal(gate.visits.length, 1)
  })

  t.test('an early answer is delivered while the upload runs; a large rest ends the connection', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse('PUT / HTTP/1.1\r\nHost: app\r\nContent-Length: 9000000\r\n\r\nabc')
    await container.head()
    t.equal(await container.take(3), 'abc')
    container.send(ok('enough'))
    const { body, field } = await client.message()
    t.match([body, field('connection')], ['enough', 'close'])
    t.same(await (await gate.next()).over(), ['responded 200', 'finished complete 0'])
    await container.gone()
    await client.gone()
  })

  t.test('an early answer to a small upload keeps the connection, and the rest is swallowed', async t => {
    const { gate, backend, converse } = await makeStand(t, subject)
    const { client, container } = await converse('PUT / HTTP/1.1\r\nHost: app\r\nContent-Length: 50000\r\n\r\nabc')
    await container.head()
    await container.take(3)
    container.send(ok('enough'))
    t.equal((await client.message()).field('connection'), undefined)
    client.send('x'.repeat(49_997) + get('/next'))
    const next = await backend.next()
    t.equal((await next.head()).line, 'GET /next HTTP/1.1')
    next.send(ok('next'))
    t.equal((await client.message()).body, 'next')
    t.equal(gate.visits.length, 2)
  })

  t.test('a slow reader stops the container', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse(get())
    await container.head()
    client.socket.pause()
    container.send(chunkedHead)
    const piece = `10000\r\n${'x'.repeat(0x10000)}\r\n`
    t.ok(await stuck(container, piece), 'the container could not write on')
    const visit = await gate.next()
    t.ok(visit.bytesSent < most, `${visit.bytesSent} bytes were taken`)
    client.socket.resume()
    container.send('0\r\n\r\n')
    await client.message()
    t.same(await visit.over(), ['responded 200', 'finished complete 0'])
  })

  t.test('a slow container stops the client', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse(
      'POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n',
    )
    await container.head()
    container.socket.pause()
    t.ok(await stuck(client, `10000\r\n${'x'.repeat(0x10000)}\r\n`), 'the client could not write on')
    const visit = await gate.next()
    t.ok(visit.bytesReceived < most, `${visit.bytesReceived} bytes were taken`)
    container.socket.resume()
    client.send('0\r\n\r\n')
    await container.through('\r\n0\r\n\r\n')
    container.send(ok())
    await visit.over()
  })

  t.test('the body of a request that waits is not read without end', async t => {
    const { gate, client } = await makeStand(t, subject, { order: () => 'wait' })
    const wire = (await client()).send('POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n')
    await gate.next()
    t.ok(await stuck(wire, `10000\r\n${'x'.repeat(0x10000)}\r\n`), 'the client could not write on')
  })
}

/** More than kernel and engine may hold between two ends. */
const most = 48 * 1024 * 1024

/** Writes until nothing moves any more; false where it all went away. */
async function stuck(wire: Wire, piece: string): Promise<boolean> {
  const { socket } = wire
  for (let written = 0; written < most; written += piece.length) {
    if (socket.write(piece, 'latin1')) continue
    const drained = await new Promise<boolean>(resolve => {
      const timer = setTimeout(() => resolve(false), 500)
      socket.once('drain', () => {
        clearTimeout(timer)
        resolve(true)
      })
    })
    if (!drained) return true
  }
  return false
}

type Leave = (client: Wire) => void

const leaves: [how: string, leave: Leave][] = [
  ['with a reset', client => client.reset()],
  ['with a FIN after its complete request', client => client.end()],
]

export function aborts(t: Test, subject: Subject): void {
  for (const [how, leave] of leaves) {
    t.test(`a client that leaves ${how} while it waits is told as such, and its late start is not obeyed`, async t => {
      const { gate, backend, client } = await makeStand(t, subject, { order: () => 'wait' })
      const wire = (await client()).send(get())
      const visit = await gate.next()
      leave(wire)
      t.same(await visit.over(), ['finished client-left 0'])
      visit.driver.start()
      visit.driver.answer({ status: 504, headers: [], body: '' })
      visit.driver.cut()
      t.equal(await wire.rest(), '')
      t.match([visit.finishes, backend.wires.length], [1, 0])
    })

    t.test(`a client that leaves ${how} while the container works takes the container's connection along`, async t => {
      const { gate, converse } = await makeStand(t, subject)
      const { client, container } = await converse(get())
      await container.head()
      leave(client)
      const visit = await gate.next()
      t.same(await visit.over(), ['finished client-left 0'])
      await container.gone()
      t.equal(await client.rest(), '')
      t.equal(visit.finishes, 1)
    })

    t.test(`a client that leaves ${how} in mid-response takes the container's connection along`, async t => {
      const { gate, converse } = await makeStand(t, subject)
      const { client, container } = await converse(get())
      await container.head()
      container.send(`${chunkedHead}3\r\nabc\r\n`)
      await client.through('abc')
      leave(client)
      const visit = await gate.next()
      t.same(await visit.over(), ['responded 200', 'finished client-left 0'])
      await container.gone()
    })
  }

  t.test(
    'a client of HTTP/1.0 that ends its direction in mid-response cannot take what it has for the whole',
    async t => {
      const { gate, converse } = await makeStand(t, subject)
      const { client, container } = await converse('GET / HTTP/1.0\r\n\r\n')
      await container.head()
      container.send(`${chunkedHead}3\r\nabc\r\n`)
      await client.through('abc')
      client.end()
      t.equal(await client.gone(), subject.gaps.has('half-closed-1.0') ? 'ended' : 'broken')
      t.same(await (await gate.next()).over(), ['responded 200', 'finished client-left 0'])
    },
  )

  t.test('a client that leaves while it waits is noticed behind up to 64 KiB of its body', async t => {
    const { gate, client } = await makeStand(t, subject, { order: () => 'wait' })
    const head = 'POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 99999\r\n\r\n'
    const wire = (await client()).send(head + 'x'.repeat(60_000))
    const visit = await gate.next()
    await new Promise(resolve => setImmediate(resolve))
    wire.reset()
    t.match(await visit.over(), [/^finished client-left 0$/])
  })

  t.test('a last answer reaches a client that is slow to read it', async t => {
    const body = 'x'.repeat(16_000_000)
    const { gate, clock, client } = await makeStand(t, subject, {
      order: () => ({ status: 421, headers: [], body, close: true }),
    })
    const wire = await client()
    wire.socket.pause()
    wire.send('POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 9000000\r\n\r\nabc')
    await gate.next()
    clock.advance(10_000)
    wire.socket.resume()
    t.equal((await wire.message()).body.length, body.length)
  })

  t.test('a last answer reaches a client that sends on and on', async t => {
    const reply = { status: 421, headers: [], body: 'elsewhere', close: true }
    const { client } = await makeStand(t, subject, { order: () => reply })
    const wire = (await client()).send('POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 99999999\r\n\r\n')
    wire.send('x'.repeat(20_000_000))
    t.match(await wire.message(), { line: 'HTTP/1.1 421 Misdirected Request', body: 'elsewhere' })
    await wire.gone()
  })

  t.test(
    'a client that leaves in mid-upload takes the connection along, and the body never looks complete',
    async t => {
      const { gate, converse } = await makeStand(t, subject)
      const { client, container } = await converse('POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n')
      client.send('3\r\nabc\r\n')
      await container.through('abc')
      client.reset()
      t.same(await (await gate.next()).over(), ['finished client-left 0'])
      t.notMatch(await container.rest(), '0\r\n\r\n')
    },
  )

  t.test('a FIN in mid-upload is the fault of the client', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse('POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 10\r\n\r\nabc')
    await container.through('abc')
    client.end()
    t.match(await (await gate.next()).over(), ['failed client-body-broken', 'finished malformed 0'])
    await container.gone()
    t.match(await client.rest(), /^HTTP\/1\.1 502 /)
  })

  t.test('so is one between two chunks', async t => {
    const { gate, converse } = await makeStand(t, subject)
    const { client, container } = await converse('POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n')
    client.send('3\r\nabc\r\n')
    await container.through('abc')
    client.end()
    t.match(await (await gate.next()).over(), ['failed client-body-broken', 'finished malformed 0'])
    await container.gone()
  })

  t.test('a request behind the last answer does not cost the client that answer', async t => {
    const { engine, converse } = await makeStand(t, subject)
    const { client, container } = await converse(get())
    await container.head()
    engine.drain()
    container.send(ok('last'))
    client.send(get('/next'))
    t.match(await client.rest(), /\r\n\r\nlast$/)
    t.equal(client.fate, 'ended')
  })

  const silent: [how: string, act: (container: Wire) => void, code: string][] = [
    ['closes', container => container.end(), 'upstream-closed'],
    ['resets', container => container.reset(), 'upstream-reset'],
    ['closes in its status line', container => container.end('HTTP/1.1 2'), 'upstream-'],
    ['talks nonsense', container => container.send('what?\r\n\r\n'), 'upstream-malformed'],
    ['closes after an interim answer', c => c.end('HTTP/1.1 103 Early Hints\r\n\r\n'), 'upstream-closed'],
    [
      'names two lengths',
      c => c.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
      'upstream-',
    ],
    [
      'has length and chunks',
      c => c.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n'.concat(chunkedHead.slice(17), '0\r\n\r\n')),
      'upstream-',
    ],
    [
      'codes the body otherwise',
      c => c.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc'),
      'upstream-malformed',
    ],
    [
      'codes the body twice',
      c => c.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'),
      'upstream-malformed',
    ],
    [
      'switches unasked and names nothing',
      c => c.send('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
      'upstream-switched',
    ],
    ['frames nothing', c => c.end('HTTP/1.1 200 OK\r\n\r\nabc'), 'upstream-unframed'],
    [
      'switches unasked',
      c => c.send('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
      'upstream-switched',
    ],
  ]
  for (const [how, act, code] of silent) {
    t.test(`a container that ${how} makes a 502, and its connection is not used again`, async t => {
      const { gate, backend, converse } = await makeStand(t, subject)
      const { client, container } = await converse(get())
      await container.head()
      act(container)
      let answer = await client.message()
      if (answer.line.includes(' 103 ')) answer = await client.message()
      t.match([answer.line, answer.body], ['HTTP/1.1 502 Bad Gateway', new RegExp(`^${code}`)])
      const visit = await gate.next()
      t.equal(visit.finishes, 1)
      t.match((await visit.over()).slice(-2), [new RegExp(`^failed ${code}`), 'finished upstream-failed 0'])
      client.send(get())
      const next = await backend.next()
      await next.head()
      next.send(ok('fine'))
      t.equal((await client.message()).body, 'fine')
    })
  }

  const broken: [name: string, request: string, text: string, options?: StandOptions][] = [
    ['by length', get(), `${lengthHead}abc`],
    ['by chunks', get(), `${chunkedHead}3\r\nabc\r\n`],
    ['by chunks, within one', get(), `${chunkedHead}9\r\nabc`],
    ['by chunks, for a client of HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', `${chunkedHead}3\r\nabc\r\n`],
    ['by length, for a client of HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', `${lengthHead}abc`],
  ]
  for (const [name, request, text, options] of broken) {
    for (const [how, act] of [
      ['a FIN', (container: Wire) => container.end()],
      ['a reset', (container: Wire) => container.reset()],
    ] as const) {
      t.test(`a response delimited ${name} that stops with ${how} never looks complete`, async t => {
        const { gate, converse } = await makeStand(t, subject, options)
        const { client, container } = await converse(request)
        await container.head()
        container.send(text)
        await client.through('abc')
        act(container)
        const visit = await gate.next()
        t.match(await visit.over(), ['responded 200', /^failed upstream-/, 'finished upstream-failed 0'])
        const rest = await client.rest()
        t.notMatch(rest, '0\r\n\r\n')
        // Without a length and without chunks only a reset tells the client.
        if (request.includes('1.0') && text.startsWith(chunkedHead)) t.equal(client.fate, 'broken')
      })
    }
  }

  t.test('a response delimited by close that is reset never looks complete, even where such are allowed', async t => {
    const { gate, converse } = await makeStand(t, subject, { allowUnframed: true })
    const { client, container } = await converse(get())
    await container.head()
    container.send('HTTP/1.1 200 OK\r\n\r\nabc')
    await client.through('abc')
    container.reset()
    t.match(await (await gate.next()).over(), ['responded 200', 'failed upstream-reset', 'finished upstream-failed 0'])
    t.notMatch(await client.rest(), '0\r\n\r\n')
  })
}
