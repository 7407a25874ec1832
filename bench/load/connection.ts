// One client connection, plain or TLS 1.3, that reads into a buffer shared by all: the callback is synchronous, so nobody
// sees another's bytes.

import { connect, type Socket } from 'node:net'
import { createSecureContext, connect as tlsConnect } from 'node:tls'

const buffer = Buffer.allocUnsafe(256 * 1024)
// One context for all connections, or making it would be most of what a new connection costs here.
const secureContext = createSecureContext({ minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' })

export interface Listener {
  /** The connection stands, TLS handshake included. */
  opened(): void
  /** Good until it returns. */
  read(buffer: Buffer, length: number): void
  /** Once, however it ended. @param why undefined where the peer closed */
  closed(why: string | undefined): void
}

/** Never verifies the certificate: what it shows is not what is measured. */
export function open(port: number, tls: boolean, listener: Listener): Socket {
  const onread = {
    buffer,
    callback(length: number, bytes: Uint8Array): boolean {
      listener.read(bytes as Buffer, length)
      return true
    },
  }
  const to = { port, host: '127.0.0.1', noDelay: true, onread }
  const socket = tls
    ? tlsConnect({ ...to, secureContext, rejectUnauthorized: false, servername: 'localhost' })
    : connect(to)
  let why: string | undefined
  socket.on(tls ? 'secureConnect' : 'connect', () => listener.opened())
  socket.on('error', error => {
    why = 'code' in error ? String(error.code) : error.message
  })
  socket.on('end', () => socket.destroy())
  socket.on('close', () => listener.closed(why))
  return socket
}
