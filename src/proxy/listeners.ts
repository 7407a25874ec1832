// Ports. A plain one and a TLS one hand their connections, TLS ended, to the same engine. Both are bound before anything
// is ready, so that a taken port fails the start and probes find somebody who says "not yet".

import { constants } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import { Fault, systemCode } from '../base/errors.ts'
import type { Engine } from '../engine/engine.ts'
import type { Peer } from '../gate/contract.ts'
import { type Guest, type GuestJudge, Guests } from './guests.ts'

/** Binds the wildcard address, both families where there are two. @throws Fault 'bind-failed' with port and cause */
export function bind(server: Server, port: number, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', error => {
      const code = systemCode(error)
      const cause = code === 'EADDRINUSE' ? 'address already in use' : (code ?? 'failed')
      const cure = code === 'EADDRINUSE' ? '; another process holds the port: stop it or move the port' : ''
      reject(new Fault('bind-failed', `listen tcp :${port}: bind: ${cause} (${name})${cure}`))
    })
    server.listen({ port, backlog: 4096 }, () => {
      // A later error of a listening socket (too many open files) must not end the process.
      server.removeAllListeners('error')
      server.on('error', () => {})
      resolve()
    })
  })
}

export function plainListener(engine: Engine, maxConnections: number): Server {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    engine.accept(socket, { ...peerOf(socket), secure: false })
  })
  server.maxConnections = maxConnections
  return server
}

export interface TlsListener {
  readonly server: Server
  /** New handshakes get this certificate; open connections live on. */
  show(credential: { readonly key: Buffer; readonly cert: string }): void
  /** There is nothing to show: new handshakes fail. */
  refuse(): void
}

export interface TlsRules {
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3'
  /** OpenSSL's names, colon-separated, or undefined for our own order. */
  readonly ciphers: string | undefined
  readonly curves: string | undefined
}

/** `undefined`: nobody in particular, which is accepted; 'refused': the connection must end. */
export type Admission = Guest | undefined | 'refused'

export interface ClientJudge extends GuestJudge {
  /** Judges who has ended its handshake. Never rejects. */
  admit(socket: TLSSocket): Promise<Admission>
}

const handshakeMs = 10_000

/** AES-GCM first: it is the fastest with the instructions that every SGX machine has. */
export const tls13Ciphers = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'

/** @param clients judges clients' certificates; undefined where none is asked for one */
export function tlsListener(
  engine: Engine,
  maxConnections: number,
  rules: TlsRules,
  clients?: { readonly judge: ClientJudge; readonly clock: Clock },
): TlsListener {
  const common = {
    minVersion: rules.minVersion,
    maxVersion: rules.maxVersion,
    ciphers: rules.ciphers ?? (rules.minVersion === 'TLSv1.3' ? tls13Ciphers : undefined),
    ecdhCurve: rules.curves ?? 'auto',
    honorCipherOrder: true,
    // A ticket would be sealed with a key that lives as long as the process: one more secret, and a cost at each handshake.
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
  const server = createTlsServer({
    ...withoutUndefined(common),
    // Who it is, and whether it may, is the judge's; Node's own verdict is not asked. No CAs are named to clients: given
    // some, Node (24) shows a server the client's leaf without the intermediates that came with it.
    ...(clients && { requestCert: true, rejectUnauthorized: false }),
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: handshakeMs,
    allowHalfOpen: true,
    noDelay: true,
  })
  server.maxConnections = maxConnections
  const door = clients && { ...clients, guests: new Guests(clients.judge, clients.clock) }
  server.on('close', () => door?.guests.close())
  server.on('secureConnection', (socket: TLSSocket) => {
    const from = { ...peerOf(socket), secure: true }
    if (door) void admit(socket, door, client => engine.accept(socket, { ...from, client }))
    else engine.accept(socket, from)
  })
  const speaksPlain = keepRaw(server)
  // The object may hold what the client sent; only its code is looked at.
  server.on('tlsClientError', (error, socket) => {
    if (systemCode(error) === 'ERR_SSL_HTTP_REQUEST') speaksPlain(socket)
    else socket.destroy()
  })
  return {
    server,
    show: ({ key, cert }) => server.setSecureContext({ ...withoutUndefined(common), key, cert }),
    refuse: () => server.setSecureContext(withoutUndefined(common)),
  }
}

/** Nothing is read before the verdict; what has come by then, its engine finds in the socket. */
async function admit(
  socket: TLSSocket,
  { judge, clock, guests }: { readonly judge: ClientJudge; readonly clock: Clock; readonly guests: Guests },
  accept: (client: Peer['client']) => () => void,
): Promise<void> {
  const ignore = (): void => {}
  socket.on('error', ignore)
  const stopTimer = clock.after(handshakeMs, () => socket.destroy())
  // Looked at first: what comes into force meanwhile makes this verdict an old one.
  const generation = judge.generation()
  const admission = await judge.admit(socket)
  stopTimer()
  socket.off('error', ignore)
  if (admission === 'refused') {
    socket.on('error', ignore)
    socket.destroy()
  } else if (!socket.destroyed) {
    if (admission) guests.add(socket, admission, generation, accept)
    else accept(undefined)
  }
}

const plainOnTls = 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n'

/**
 * Keeps hold of accepted sockets until their handshake is over, since a TLSSocket does not show what it wraps: a client
 * that speaks plain HTTP to the TLS port is told so, in plain HTTP, as Go's server does.
 */
function keepRaw(server: Server): (socket: TLSSocket) => void {
  const raw = new Map<string, Socket>()
  const peer = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`
  server.prependListener('connection', (socket: Socket) => {
    const key = peer(socket)
    raw.set(key, socket)
    socket.on('close', () => raw.delete(key))
  })
  server.on('secureConnection', (socket: TLSSocket) => raw.delete(peer(socket)))
  return socket => {
    raw.get(peer(socket))?.end(plainOnTls, 'latin1')
    socket.destroySoon()
  }
}

function withoutUndefined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}

/** IPv4 addresses as such, also where the dual-stack socket shows them mapped. */
function peerOf(socket: Socket): { address: string; port: number } {
  const address = socket.remoteAddress ?? ''
  const plain = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
  return { address: plain, port: socket.remotePort ?? 0 }
}
