// Containers as the proxy meets them, good and bad, whose every byte after the handshake is kept.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { type Credential, withKeyPem } from '../../src/identity/credential.ts'

export interface Container {
  readonly port: number
  /** What each connection brought after its handshake, in order; without TLS, everything. */
  readonly heard: string[]
  /** Whether each handshake resumed an earlier one. */
  readonly resumed: boolean[]
  /** TCP connections, handshake or not. */
  readonly connections: () => number
  /** New handshakes show this from now on. */
  show(credential: Credential): void
  /** Answers the requests for /hold. */
  release(): void
  close(): Promise<void>
}

/** What `heard` comes to. */
export const bytesOf = (container: Container): number => container.heard.reduce((sum, text) => sum + text.length, 0)

const pemOf = (credential: Credential): { key: string; cert: string } =>
  withKeyPem(credential, ({ key, cert }) => ({ key: key.toString(), cert: cert.toString() }))

/**
 * Answers each head with `200 hello`. Nothing but the listener below reads the socket, so it sees every byte.
 * @param tls undefined for a server that speaks no TLS
 */
export async function startContainer(
  port: number,
  credential: Credential | undefined,
  tls: TlsOptions | undefined = credential && {},
): Promise<Container> {
  const heard: string[] = []
  const resumed: boolean[] = []
  const sockets = new Set<Socket>()
  let held: (() => void)[] = []
  let connections = 0

  function serve(socket: Socket): void {
    const at = heard.push('') - 1
    let seen = 0
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      heard[at] += chunk.toString('latin1')
      const heads = (heard[at] ?? '').split('\r\n\r\n').slice(0, -1)
      for (const head of heads.slice(seen)) {
        const answer = (): boolean => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
        if (head.includes(' /hold ')) held.push(answer)
        else answer()
      }
      seen = heads.length
    })
  }

  const secure =
    tls &&
    createTlsServer({ ...(credential && pemOf(credential)), ...tls }, (socket: TLSSocket) => {
      resumed.push(socket.isSessionReused())
      serve(socket)
    })
  secure?.on('tlsClientError', () => {})
  const server = secure ?? createServer(serve)
  server.on('connection', (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    heard,
    resumed,
    connections: () => connections,
    show: next => secure?.setSecureContext(pemOf(next)),
    release() {
      for (const answer of held) answer()
      held = []
    },
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
}

/** Stands on one port and passes every byte on to another. */
export async function startRelay(port: number, to: number): Promise<{ calls(): number; close(): Promise<void> }> {
  let calls = 0
  const relay = createServer(socket => {
    calls++
    const on = connect(to, '127.0.0.1')
    for (const each of [socket, on]) each.on('error', () => {})
    socket.pipe(on).pipe(socket)
    socket.on('close', () => on.destroy())
  })
  await new Promise<void>(resolve => relay.listen(port, '127.0.0.1', resolve))
  return { calls: () => calls, close: () => new Promise(resolve => relay.close(() => resolve())) }
}
