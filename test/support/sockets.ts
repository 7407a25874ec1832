// Real sockets on 127.0.0.1, as small as they get.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'
import { freePorts } from '../../bench/machine/place.ts'

/** Listens on a free port until the test is over; resolves to the port. */
export async function listen(t: Test, server: Server): Promise<number> {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => open.delete(socket))
  })
  t.teardown(() => {
    server.close()
    for (const socket of open) socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A port on which nobody listens. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1)
  return port
}

/** Sends text, then reads until the other side closes. */
export function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text, 'latin1'))
    let answer = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
  })
}

/** Two ends of one connection. */
export async function socketPair(t: Test): Promise<[here: Socket, there: Socket]> {
  const server = createServer({ allowHalfOpen: true })
  const port = await listen(t, server)
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const there = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  there.on('error', () => {})
  t.teardown(() => there.destroy())
  const [here] = await accepted
  return [here, there]
}

/** Reads everything until the other side ends. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  if (!socket.closed) await once(socket, 'close')
  return Buffer.concat(chunks)
}
