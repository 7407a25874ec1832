// The generators against real servers that misbehave in known ways. Nothing here is judged by how fast it is.

import { createServer, type Server, type Socket } from 'node:net'
import t from 'tap'
import { ClosedLoop } from '../../../bench/load/closed.ts'
import type { Job } from '../../../bench/load/job.ts'
import { percentile } from '../../../bench/load/latency.ts'
import { OpenLoop } from '../../../bench/load/open.ts'
import { small } from '../../../bench/requests.ts'

const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

async function serve(t: Tap, onRequest: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', () => onRequest(socket))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

type Tap = Pick<typeof t, 'teardown'>

const job: Omit<Job, 'port'> = {
  kind: 'closed',
  tls: false,
  shape: small,
  connections: 2,
  keepAlive: true,
  rate: 0,
  refusals: false,
}

t.test('a server that stalls shows it in every request that fell due meanwhile', async t => {
  let seen = 0
  const waiting: Socket[] = []
  let stalled = false
  const port = await serve(t, socket => {
    if (++seen === 60) {
      stalled = true
      setTimeout(() => {
        stalled = false
        for (const each of waiting.splice(0)) each.write(answer)
      }, 400)
    }
    if (stalled) waiting.push(socket)
    else socket.write(answer)
  })
  const loop = new OpenLoop({ ...job, kind: 'open', port, rate: 200 })
  await loop.prepare()
  const { latency, requests, errors } = await loop.go(1)
  loop.close()
  t.equal(errors, 0)
  t.equal(requests, 200, 'all that were due were sent and answered')
  t.ok(latency)
  // 80 of the 200 fell due within the 400 ms, though only two connections could wait at the server.
  t.ok(latency && percentile(latency, 75) > 50, 'at least a quarter of them waited')
  t.ok(latency && latency.maxUs >= 390_000, 'the first of them for all of it')
})

t.test('a closed loop counts what was answered, and what was not', async t => {
  let seen = 0
  const port = await serve(t, socket => {
    seen++
    if (seen % 10 === 0) socket.destroy()
    else if (seen % 10 === 5) socket.write('HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n')
    else socket.write(answer)
  })
  const loop = new ClosedLoop({ ...job, port })
  await loop.prepare()
  const { requests, errors, firstError } = await loop.go(0.3)
  loop.close()
  t.ok(requests > 0)
  t.ok(errors > 0)
  t.ok(requests + errors <= seen)
  t.match(firstError, /not 2xx|closed|ECONNRESET/)
})

t.test('a connection that the answer closes is replaced without an error', async t => {
  let seen = 0
  const port = await serve(t, socket => {
    seen++
    socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok')
  })
  for (const keepAlive of [true, false]) {
    const loop = new ClosedLoop({ ...job, port, keepAlive })
    await loop.prepare()
    const { requests, errors } = await loop.go(0.2)
    loop.close()
    t.equal(errors, 0)
    t.ok(requests > 2 && requests <= seen)
  }
})

t.test('where nobody listens, preparing fails with what was missing', async t => {
  const port = await serve(t, () => {})
  const loop = new ClosedLoop({ ...job, port, readyMs: 200 })
  await t.rejects(loop.prepare(), /0 of 2 connections/)
  loop.close()
})

t.test('503 is counted apart where the scenario is about refusals, and an error elsewhere', async t => {
  const port = await serve(t, socket => socket.write('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n'))
  const outcome = async (refusals: boolean) => {
    const loop = new OpenLoop({ ...job, kind: 'open', port, rate: 100, refusals })
    await loop.prepare()
    const found = await loop.go(0.2)
    loop.close()
    return found
  }
  t.match(await outcome(true), { requests: 0, refused: 20, errors: 0 })
  t.match(await outcome(false), { requests: 0, errors: 20 })
})
