// Both legs of a conversation, plain or over TLS.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createSecureContext, createServer as createTlsServer, connect as tlsConnect } from 'node:tls'
import type { Clock } from '../../../src/base/clock.ts'
import { type Dialer, makeDialer } from '../../../src/engine/dial.ts'
import { withKeyPem } from '../../../src/identity/credential.ts'
import { makeCredential } from '../../support/identity.ts'

const pem = withKeyPem(await makeCredential(), ({ key, cert }) => ({ key: key.toString(), cert: cert.toString() }))

export interface Listening {
  readonly port: number
  /** Ends all connections, those that have not shaken hands too. */
  close(): Promise<void>
}

export async function listen(secure: boolean, accept: (socket: Socket) => void): Promise<Listening> {
  const options = { allowHalfOpen: true, noDelay: true }
  const server = secure ? createTlsServer({ ...pem, ...options }, accept) : createServer(options, accept)
  const raw = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    raw.add(socket)
    socket.on('close', () => raw.delete(socket))
  })
  server.on('tlsClientError', (_error, socket: Socket) => socket.destroy())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      for (const socket of raw) socket.destroy()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
}

export async function dial(secure: boolean, port: number): Promise<Socket> {
  const raw = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  raw.on('error', () => {})
  const socket = secure ? tlsConnect({ socket: raw, rejectUnauthorized: false }) : raw
  socket.on('error', () => {})
  await once(socket, secure ? 'secureConnect' : 'connect')
  return socket
}

/** How the engine reaches the container; whoever answers is believed. */
export function dialerTo(secure: boolean, port: number, clock: Clock): Dialer {
  const judge = {
    judge: async () => ({ accepted: true, until: Number.POSITIVE_INFINITY }) as const,
    secureContext: () => createSecureContext(),
    chainToContext: false,
    policyDigest: '',
    collateralGeneration: () => 0,
  }
  return makeDialer({ host: '127.0.0.1', port, clock, judge: secure ? judge : undefined, refused: () => {} })
}

// The first socket of a process opens what stays open.
for (const secure of [false, true]) {
  const listening = await listen(secure, socket => socket.on('error', () => {}))
  const socket = await dial(secure, listening.port)
  socket.destroy()
  await listening.close()
}
