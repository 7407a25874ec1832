// Conformance: a relay between engine and container cannot make a part of a response look whole. On TLS a bare FIN, which
// anybody on the way can send, reads like an end; only a length or a last chunk proves one.

import { connect, createServer, type Socket } from 'node:net'
import { createSecureContext, createServer as createTlsServer } from 'node:tls'
import type { Test } from 'tap'
import { makeDialer } from '../../src/engine/dial.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { FakeClock } from './clock.ts'
import { get, makeStand, type Subject } from './engine.ts'
import { Backend } from './engine-wire.ts'
import { makeCredential } from './identity.ts'
import { listen } from './sockets.ts'

/** A TLS container behind a relay; cut() makes the relay end what the engine hears, without the container's word. */
async function makeRelay(t: Test): Promise<{ port: number; backend: Backend; cut: () => void }> {
  const backend = new Backend()
  const credential = await makeCredential()
  const server = withKeyPem(credential, pem => createTlsServer(pem, socket => backend.accept(socket)))
  const containerPort = await listen(t, server)
  let heard: Socket | undefined
  const port = await listen(
    t,
    createServer({ allowHalfOpen: true }, socket => {
      heard = socket
      const on = connect(containerPort, '127.0.0.1')
      on.on('error', () => {})
      t.teardown(() => on.destroy())
      socket.on('data', chunk => on.write(chunk))
      on.on('data', chunk => socket.write(chunk))
    }),
  )
  return { port, backend, cut: () => heard?.end() }
}

export function truncation(t: Test, subject: Subject): void {
  const rows: [name: string, head: string, body: string][] = [
    ['by length', 'Content-Length: 10\r\n', 'abc'],
    ['by chunks', 'Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n'],
    ['by chunks, before the last line end', 'Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n0\r\n'],
  ]
  const stand = async (t: Test) => {
    const relay = await makeRelay(t)
    const clock = new FakeClock()
    const made = await makeStand(t, subject, {
      makeDialer: () =>
        makeDialer({
          host: '127.0.0.1',
          port: relay.port,
          clock,
          refused: () => {},
          judge: {
            judge: async () => ({ accepted: true, until: Number.POSITIVE_INFINITY }),
            secureContext: () => createSecureContext(),
            chainToContext: false,
            policyDigest: '',
            collateralGeneration: () => 0,
          },
        }),
    })
    return { ...made, ...relay }
  }

  for (const [name, fields, body] of rows) {
    t.test(`a response delimited ${name} that a relay ends with a bare FIN is never complete`, async t => {
      const { gate, backend, client, cut } = await stand(t)
      const wire = (await client()).send(get())
      const container = await backend.next()
      await container.head()
      container.send(`HTTP/1.1 200 OK\r\n${fields}\r\n${body}`)
      await wire.through('abc')
      cut()
      const story = await (await gate.next()).over()
      t.match(story, ['responded 200', /^failed upstream-/, 'finished upstream-failed 0'])
      t.notMatch(await wire.rest(), '0\r\n\r\n')
    })
  }

  t.test('a response that only a close would delimit is refused before its first byte is passed on', async t => {
    const { gate, backend, client } = await stand(t)
    const wire = (await client()).send(get())
    const container = await backend.next()
    await container.head()
    container.send('HTTP/1.1 200 OK\r\n\r\nabc')
    t.match(await wire.message(), { line: 'HTTP/1.1 502 Bad Gateway', body: 'upstream-unframed\n' })
    t.same(await (await gate.next()).over(), ['failed upstream-unframed', 'finished upstream-failed 0'])
  })

  t.test('a bare FIN behind a whole response is no harm', async t => {
    const { gate, backend, client, cut } = await stand(t)
    const wire = (await client()).send(get())
    const container = await backend.next()
    await container.head()
    container.send('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc')
    t.equal((await wire.message()).body, 'abc')
    t.same(await (await gate.next()).over(), ['responded 200', 'finished complete 0'])
    cut()
    wire.send(get('/next'))
    const next = await backend.next()
    t.equal((await next.head()).line, 'GET /next HTTP/1.1')
    next.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    t.equal((await wire.message()).line, 'HTTP/1.1 200 OK')
  })
}
