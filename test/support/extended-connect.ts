// Clients of tunnels over streams (RFC 8441): a stream of node:http2, and on it the WebSocket of ws.

import { once } from 'node:events'
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { WebSocket } from 'ws'

/** Asks for a tunnel, once the server has said that it has them. */
export async function askTunnel(
  session: ClientHttp2Session,
  more: OutgoingHttpHeaders = {},
): Promise<ClientHttp2Stream> {
  if (session.remoteSettings.enableConnectProtocol === undefined) await once(session, 'remoteSettings')
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'http',
    ':authority': 'app.example',
    ':path': '/ws?a=b',
    'sec-websocket-version': '13',
    ...more,
  })
  stream.on('error', () => {})
  return stream
}

export interface Tunnelled {
  readonly stream: ClientHttp2Stream
  readonly headers: IncomingHttpHeaders
}

/** A tunnel that stands. */
export async function openTunnel(session: ClientHttp2Session, more: OutgoingHttpHeaders = {}): Promise<Tunnelled> {
  const stream = await askTunnel(session, more)
  const [headers] = await once(stream, 'response')
  if (headers[':status'] !== 200) throw new Error(`no tunnel: ${headers[':status']}`)
  return { stream, headers }
}

/** The stream as ws wants a socket to be. */
function asSocket(stream: ClientHttp2Stream): ClientHttp2Stream {
  return Object.assign(stream, { setNoDelay() {}, setKeepAlive() {} })
}

/** ws at the client's end of a tunnel. */
export function webSocketOver({ stream, headers }: Tunnelled): WebSocket {
  const socket = new WebSocket(null as unknown as string, undefined, {})
  const inner = socket as unknown as {
    _isServer: boolean
    _protocol: string
    setSocket(socket: object, head: Buffer, options: object): void
  }
  inner._isServer = false
  inner._protocol = String(headers['sec-websocket-protocol'] ?? '')
  inner.setSocket(asSocket(stream), Buffer.alloc(0), {
    allowSynchronousEvents: true,
    maxPayload: 16 << 20,
    skipUTF8Validation: false,
  })
  return socket
}
