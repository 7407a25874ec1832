// WebSocket as its own library speaks it (ws at both ends), over every combination of legs.

import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { openTunnel, webSocketOver } from '../support/extended-connect.ts'
import { allLegs, type Legs, startLegs } from '../support/legs.ts'
import { until } from '../support/process.ts'
import { listen } from '../support/sockets.ts'

interface Container {
  readonly port: number
  /** How each connection closed, as the container saw it. */
  readonly closes: { readonly code: number; readonly reason: string }[]
  readonly pongs: string[]
  /** Messages of text, as they came. */
  readonly texts: string[]
}

async function startContainer(t: Test): Promise<Container> {
  const server = createServer()
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: offered => [...offered][0] ?? false })
  const closes: Container['closes'] = []
  const pongs: string[] = []
  const texts: string[] = []
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    sockets.handleUpgrade(request, socket, head, ws => {
      ws.on('message', (data: RawData, binary: boolean) => {
        const text = binary ? '' : String(data)
        if (!binary) texts.push(text)
        if (text === 'close') ws.close(4_001, 'as asked')
        else if (text === 'ping') ws.ping('from the container')
        else if (text === 'drop') socket.destroy()
        else if (text === 'end') socket.end()
        else ws.send(data, { binary })
      })
      ws.on('pong', (data: Buffer) => pongs.push(String(data)))
      ws.on('close', (code, reason) => closes.push({ code, reason: String(reason) }))
    })
  })
  return { port: await listen(t, server), closes, pongs, texts }
}

async function open(t: Test, port: number, { secure }: Legs, protocols: string[] = []): Promise<WebSocket> {
  const socket = new WebSocket(`${secure ? 'wss' : 'ws'}://127.0.0.1:${port}/ws`, protocols, {
    rejectUnauthorized: false,
    perMessageDeflate: true,
  })
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

/** As a stream of HTTP/2 (RFC 8441). All that are opened with one session share its connection. */
function openSession(t: Test, port: number, { secure }: Legs): ReturnType<typeof connectHttp2> {
  const session = connectHttp2(`${secure ? 'https' : 'http'}://127.0.0.1:${port}`, { rejectUnauthorized: false })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  return session
}

async function echo(socket: WebSocket, message: string | Buffer): Promise<Buffer> {
  socket.send(message)
  const [data] = await once(socket, 'message')
  return Buffer.from(data)
}

for (const legs of allLegs) {
  t.test(legs.name, async t => {
    const { port: container, closes, pongs, texts } = await startContainer(t)
    const role = await startLegs(t, legs, container, policy => {
      policy.inbound = { plaintext: 'serve', ...policy.inbound, http2: { extendedConnect: true } }
    })
    const opened = (protocols?: string[]): Promise<WebSocket> => open(t, role.port, legs, protocols)

    t.test('text and bytes come back, the subprotocol is agreed on', async t => {
      const socket = await opened(['chat', 'other'])
      t.equal(socket.protocol, 'chat')
      t.equal(String(await echo(socket, 'hello §')), 'hello §')
      t.same(await echo(socket, Buffer.from([0, 255, 1])), Buffer.from([0, 255, 1]))
      t.equal((await echo(socket, Buffer.alloc(0))).length, 0)
      socket.close()
      await once(socket, 'close')
    })

    t.test('a message of 1 MiB comes back, and so does one in fragments', async t => {
      const socket = await opened()
      const large = Buffer.alloc(1 << 20, 'abcdefg')
      t.ok((await echo(socket, large)).equals(large))
      const part = Buffer.alloc(70_000, 'x')
      socket.send(part, { fin: false })
      socket.send(part, { fin: false })
      socket.send(part, { fin: true })
      const [data] = await once(socket, 'message')
      t.equal(data.length, 210_000)
      socket.terminate()
    })

    t.test('pings are answered in both directions', async t => {
      const socket = await opened()
      socket.ping('from the client')
      const [data] = await once(socket, 'pong')
      t.equal(String(data), 'from the client')
      const pinged = once(socket, 'ping')
      socket.send('ping')
      t.equal(String((await pinged)[0]), 'from the container')
      await echo(socket, 'behind')
      t.same(pongs, ['from the container'])
      socket.terminate()
    })

    t.test('close codes pass both ways', async t => {
      closes.length = 0
      const mine = await opened()
      mine.close(4_002, 'enough')
      await once(mine, 'close')
      await until('the container hears', () => closes.some(each => each.code === 4_002 && each.reason === 'enough'))
      const theirs = await opened()
      theirs.send('close')
      const [code, reason] = await once(theirs, 'close')
      t.match([code, String(reason)], [4_001, 'as asked'])
    })

    t.test('an end without a close frame is one, whoever is gone', async t => {
      for (const how of ['drop', 'end']) {
        const socket = await opened()
        socket.on('error', () => {})
        socket.send(how)
        t.equal((await once(socket, 'close'))[0], 1_006, how)
      }
      closes.length = 0
      const socket = await opened()
      await echo(socket, 'x')
      socket.terminate()
      for (let i = 0; i < 200 && closes.length === 0; i++) await new Promise(resolve => setTimeout(resolve, 10))
      t.ok(closes.some(({ code }) => code === 1_006))
    })

    t.test('a client that ends its direction has been heard to its last byte, and then it is over', async t => {
      const socket = await opened()
      const ended = once(socket, 'close')
      socket.send(Buffer.alloc(1 << 20))
      // Compressed first, so it has left later.
      await new Promise(done => socket.send('last word', done))
      const { _socket: inner } = socket as unknown as { _socket: Duplex }
      inner.end()
      t.equal((await ended)[0], 1_006)
      await until('the container has read it', () => texts.includes('last word'))
    })

    t.test('clients of HTTP/2 have WebSockets as streams', async t => {
      const session = openSession(t, role.port, legs)
      await once(session, 'remoteSettings')
      const opening = Array.from({ length: 50 }, () => openTunnel(session, { 'sec-websocket-protocol': 'chat' }))
      const sockets = (await Promise.all(opening)).map(webSocketOver)
      t.ok(sockets.every(({ protocol }) => protocol === 'chat'))
      const answers = await Promise.all(sockets.map((socket, i) => echo(socket, `number ${i}`)))
      t.ok(answers.every((answer, i) => String(answer) === `number ${i}`))
      const [one, other, dropped, ended] = sockets as [WebSocket, WebSocket, WebSocket, WebSocket]
      const large = Buffer.alloc(4 << 20, 'abcdefg')
      t.ok((await echo(one, large)).equals(large))
      const pinged = once(one, 'ping')
      one.send('ping')
      t.equal(String((await pinged)[0]), 'from the container')
      closes.length = 0
      one.close(4_002, 'enough')
      await once(one, 'close')
      await until('the container hears', () => closes.some(each => each.code === 4_002 && each.reason === 'enough'))
      other.send('close')
      const [code, reason] = await once(other, 'close')
      t.match([code, String(reason)], [4_001, 'as asked'])
      for (const [socket, how] of [
        [dropped, 'drop'],
        [ended, 'end'],
      ] as const) {
        socket.on('error', () => {})
        socket.send(how)
        t.equal((await once(socket, 'close'))[0], 1_006, how)
      }
    })

    t.test('a hundred at once, each with its own answers', async t => {
      const sockets = await Promise.all(Array.from({ length: 100 }, () => opened()))
      const answers = await Promise.all(sockets.map((socket, i) => echo(socket, `number ${i}`)))
      t.ok(answers.every((answer, i) => String(answer) === `number ${i}`))
      for (const socket of sockets) socket.terminate()
    })
  })
}
